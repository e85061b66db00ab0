//! Against a server that loses, repeats and refuses.
#![allow(clippy::unwrap_used)]

use super::*;
use std::collections::HashMap;
use std::thread::JoinHandle;

use crate::packets::systems::rtpengine::bencode::Value;

/// What the server does with the requests of each command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Answers,
    /// Loses each request once, and answers twice then.
    LosesAndRepeats,
    RefusesAnswers,
    SaysNothingUseful,
}

/// A server of the ng protocol on loopback; it ends when its client asks for a delete of the
/// call `end`. Returns how often each command came.
fn server(manner: Manner) -> (Client, JoinHandle<HashMap<String, usize>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(socket.local_addr().unwrap()).unwrap();
    socket.connect(client.local_addr().unwrap()).unwrap();
    let serving = std::thread::spawn(move || {
        let mut counts: HashMap<String, usize> = HashMap::new();
        let mut seen: HashMap<u64, usize> = HashMap::new();
        let mut buffer = [0; 4096];
        loop {
            let length = socket.recv(&mut buffer).unwrap();
            let request = Reply::decode(&buffer[..length]).unwrap();
            let text = |key| request.body.get(key).and_then(Value::text);
            let command = text("command").unwrap();
            if text("call-id") == Some("end") {
                return counts;
            }
            *counts.entry(command.to_owned()).or_default() += 1;
            let seen = seen.entry(request.cookie).or_default();
            *seen += 1;
            let media = request.media().map(|phone| {
                let port = phone.port() + if command == "offer" { 1000 } else { 2000 };
                format!("v=0\r\nc=IN IP4 127.0.0.9\r\nm=audio {port} RTP/AVP 0\r\n")
            });
            let answer = match (manner, command, media) {
                (Manner::RefusesAnswers, "answer", _) => {
                    "d12:error-reason9:not today6:result5:errore".to_owned()
                }
                (Manner::SaysNothingUseful, _, _) => "d6:result2:oke".to_owned(),
                (_, _, Some(sdp)) => format!("d6:result2:ok3:sdp{}:{sdp}e", sdp.len()),
                _ => "d6:result2:oke".to_owned(),
            };
            let answer = format!("{} {answer}", request.cookie);
            let times = match manner {
                Manner::LosesAndRepeats if *seen == 1 => 0,
                Manner::LosesAndRepeats => 2,
                _ => 1,
            };
            for _ in 0..times {
                socket.send(b"noise").unwrap();
                socket.send(answer.as_bytes()).unwrap();
            }
        }
    });
    (Client::new(client).unwrap(), serving)
}

fn phones(call: u16) -> Phones {
    [3000, 5000].map(|port| SocketAddr::from(([127, 0, 0, 1], port + 2 * call)))
}

/// Where caller and callee of each call are to send to, by port.
type Found = Vec<Option<[u16; 2]>>;

/// Drives that many calls; what came out by number, and how often each command came.
fn drive(
    manner: Manner,
    until: Until,
    calls: u16,
) -> (Result<Found, BenchError>, HashMap<String, usize>) {
    let (mut client, server) = server(manner);
    let mut left = (0..calls).map(phones);
    let mut found = vec![None; usize::from(calls)];
    let outcome = client.drive(
        until,
        &mut || left.next().map_or(Next::End, Next::Call),
        &mut |number, relay| found[number] = Some(relay.map(|address| address.port())),
    );
    let end = Request::Delete { call_id: "end" };
    client.socket.send(&end.encode(0)).unwrap();
    (outcome.map(|()| found), server.join().unwrap())
}

fn expected(calls: u16) -> Found {
    let caller = |call: u16| 7000 + 2 * call;
    let callee = |call: u16| 4000 + 2 * call;
    (0..calls)
        .map(|call| Some([caller(call), callee(call)]))
        .collect()
}

#[test]
fn each_call_gets_its_own_addresses() {
    let (found, counts) = drive(Manner::Answers, Until::Open, 100);
    assert_eq!(found.unwrap(), expected(100));
    assert_eq!(counts["offer"], 100);
    assert_eq!(counts["answer"], 100);
    assert_eq!(counts.get("delete"), None);
}

#[test]
fn lost_requests_are_sent_again_and_repeated_answers_do_no_harm() {
    let (found, counts) = drive(Manner::LosesAndRepeats, Until::Closed, 40);
    assert_eq!(found.unwrap(), expected(40));
    for command in ["offer", "answer", "delete"] {
        assert!(counts[command] >= 80, "{counts:?}");
    }
}

#[test]
fn a_refusal_says_why() {
    let (outcome, _) = drive(Manner::RefusesAnswers, Until::Open, 2);
    let why = outcome.unwrap_err().to_string();
    assert!(why.contains("not today"), "{why}");
    let (outcome, _) = drive(Manner::SaysNothingUseful, Until::Open, 2);
    let why = outcome.unwrap_err().to_string();
    assert!(why.contains("without usable media"), "{why}");
}

#[test]
fn nobody_there_is_found_out() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let nobody = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    socket.connect(nobody).unwrap();
    let mut client = Client::new(socket).unwrap();
    let patience = Duration::from_millis(50);
    assert_eq!(client.ask(Request::Ping, patience, |_| ()), None);
    let mut calls = std::iter::repeat(Next::Call(phones(0)));
    let outcome = client.drive(
        Until::Open,
        &mut || calls.next().unwrap_or(Next::End),
        &mut |_, _| (),
    );
    assert!(matches!(outcome, Err(BenchError::Relay(_))), "{outcome:?}");
}
