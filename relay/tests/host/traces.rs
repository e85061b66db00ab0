//! Traces of the signalling: for those alone who have the secret, and never more than was asked for.
use crate::support::*;
use patchbay_route::trace::{TraceEnd, TraceLine, TracedMessage, Way};
use patchbay_sip::Transport;
use reqwest::{Response, StatusCode};

async fn ask(bed: &Bed, body: &str) -> Response {
    let request = reqwest::Client::new()
        .post(bed.url("/relay/v1/traces"))
        .bearer_auth(SECRET)
        .header("Content-Type", "application/json")
        .body(body.to_owned());
    request.send().await.unwrap()
}

fn read(text: &str) -> (Vec<TracedMessage>, Vec<TraceLine>) {
    let lines = text.lines().filter(|line| !line.is_empty());
    let (mut messages, mut others) = (Vec::new(), Vec::new());
    for line in lines {
        match serde_json::from_str(line).unwrap() {
            TraceLine::Message(message) => messages.push(message),
            other => others.push(other),
        }
    }
    (messages, others)
}

pub async fn kept(bed: &Bed, body: &str) -> (Vec<TracedMessage>, Vec<TraceLine>) {
    let answer = ask(bed, body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    read(&answer.text().await.unwrap())
}

// B6
#[tokio::test]
async fn what_is_kept_is_shown_without_its_secrets_and_to_nobody_else() {
    let bed = Bed::with(|config| config.trace_ring = 1024 * 1024).await;
    let url = bed.url("/relay/v1/traces");
    for token in ["", "guess"] {
        let refused = reqwest::Client::new().post(&url).bearer_auth(token);
        let refused = refused.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        ask(&bed, "{\"no\":1}").await.status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let mut control = bed.control().await;
    bed.until_ready(true).await;
    let phone = Phone::new(bed.sip(Transport::Udp)).await;
    let here = phone.socket.local_addr().unwrap();
    let secret =
        "Authorization: Digest username=\"alice\", response=\"0123abcd\"\r\nContent-Length";
    let text = request("MESSAGE", "UDP", here).replace("Content-Length", secret);
    phone.send(&text).await;
    control.next().await.unwrap();

    let (shown, others) = kept(&bed, "{\"filter\":{\"from\":\"alice\"}}").await;
    assert_eq!(others, [TraceLine::End(TraceEnd::Shown)]);
    let ways: Vec<_> = shown.iter().map(|one| (one.way, one.control)).collect();
    assert_eq!(ways, [(Way::In, false), (Way::Out, true)]);
    assert_eq!(
        (shown[0].remote, shown[0].transport.as_str()),
        (here, "UDP")
    );
    assert!(shown.iter().all(|one| one.call == "MESSAGE-UDP"));
    let said: Vec<_> = shown.iter().map(|one| one.content.bytes()).collect();
    assert_eq!(said[0].len(), text.len());
    for said in &said {
        let said = String::from_utf8_lossy(said);
        assert!(
            said.contains("username=\"alice\", response=\"xxxxxxxx\""),
            "{said}"
        );
    }
    assert!(String::from_utf8_lossy(&said[1]).contains("P-Patchbay-Flow: xxxx"));
    let (open, _) = kept(
        &bed,
        "{\"secrets\":true,\"filter\":{\"source\":\"127.0.0.1\"}}",
    )
    .await;
    assert_eq!(open[0].content.bytes(), text.as_bytes());
    let (none, _) = kept(&bed, "{\"filter\":{\"from\":\"bob\"}}").await;
    assert!(none.is_empty());
}

// B6
#[tokio::test]
async fn a_flood_fills_no_more_than_the_limits_allow() {
    const ROOM: usize = 64 * 1024;
    let bed = Bed::with(|config| config.trace_ring = ROOM).await;
    let _control = bed.control().await;
    bed.until_ready(true).await;
    let follow = "{\"follow\":true,\"messages\":50,\"filter\":{\"method\":\"OPTIONS\"}}";
    let live = ask(&bed, follow).await;
    let phone = Phone::new(bed.sip(Transport::Udp)).await;
    let here = phone.socket.local_addr().unwrap();
    for number in 0..400 {
        let text = request("OPTIONS", "UDP", here)
            .replace("=z9hG4bKOPTIONS", &format!("=z9hG4bK{number}"));
        phone
            .send(&text.replace("Max-Forwards: 70", "Max-Forwards: 0"))
            .await;
        phone.answer().await;
    }
    let (shown, others) = read(&live.text().await.unwrap());
    assert_eq!(shown.len(), 50);
    assert_eq!(others, [TraceLine::End(TraceEnd::Messages)]);

    let (shown, others) = kept(&bed, "{\"bytes\":3000}").await;
    let bytes: usize = shown.iter().map(|one| one.content.bytes().len()).sum();
    assert!((2000..=3000).contains(&bytes), "{bytes}");
    assert!(matches!(others[0], TraceLine::Lost(_)), "{others:?}");
    let (shown, others) = kept(&bed, "{\"messages\":10}").await;
    assert_eq!(shown.len(), 10);
    assert!(
        matches!(others[0], TraceLine::Lost(_)),
        "the newest are shown: {others:?}"
    );
    let (all, _) = kept(&bed, "{}").await;
    assert!((50..400).contains(&all.len()), "{}", all.len());
    let metrics = bed.get("/metrics").await.text().await.unwrap();
    let used = metrics
        .lines()
        .find_map(|line| line.strip_prefix("patchbay_relay_trace_bytes "));
    let used: usize = used.unwrap().parse().unwrap();
    assert!((ROOM / 2..=ROOM).contains(&used), "{used}");
}

#[tokio::test]
async fn a_trace_ends_after_its_time_and_there_are_only_so_many() {
    let bed = Bed::start().await;
    let mut open = Vec::new();
    for _ in 0..patchbay_relay::trace::MAX_TRACES {
        let answer = ask(&bed, "{\"follow\":true}").await;
        assert_eq!(answer.status(), StatusCode::OK);
        open.push(answer);
    }
    assert_eq!(
        ask(&bed, "{}").await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    drop(open);
    let again = async {
        loop {
            let answer = ask(&bed, "{\"follow\":true,\"seconds\":0}").await;
            if answer.status() == StatusCode::OK {
                return answer.text().await.unwrap();
            }
        }
    };
    let text = tokio::time::timeout(PATIENCE, again)
        .await
        .expect("those who are gone leave room");
    assert_eq!(read(&text).1, [TraceLine::End(TraceEnd::Time)]);
}
