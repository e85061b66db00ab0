//! Tunnels on real sockets: who may open one, and what goes through it. B5.
use crate::support::*;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper::{Request, StatusCode, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use patchbay_route::transfer::{TUNNEL_PATH, TransferTarget, sign};
use patchbay_sip::{HeaderName, Message, Transport};
use tokio::net::TcpStream;

/// Opens a tunnel in which all is said at once.
async fn tunnel(bed: &Bed, secret: &str, said: Bytes) -> hyper::Response<Incoming> {
    let stream = TcpStream::connect(bed.relay.api).await.unwrap();
    let executor = TokioExecutor::new();
    let (mut sender, connection) = http2::handshake(executor, TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::post(bed.url(TUNNEL_PATH))
        .header("authorization", format!("Bearer {secret}"))
        .body(Full::new(said))
        .unwrap();
    let sent = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
    sent.expect("an answer").unwrap()
}

/// What the relay says until it has no more to say, as one text.
async fn heard(response: hyper::Response<Incoming>) -> String {
    let all = tokio::time::timeout(PATIENCE, response.into_body().collect()).await;
    let all = all.expect("the end").unwrap().to_bytes();
    String::from_utf8(all.to_vec()).unwrap()
}

/// A transfer that is signed with this secret and good until then.
fn transfer(bed: &Bed, secret: &str, expires_unix: u64) -> Message {
    let here = bed.sip(Transport::Udp);
    let text = request("INVITE", "UDP", here);
    let mut invite = Message::parse(Bytes::from(text)).unwrap();
    let target = TransferTarget {
        agent_uri: "sip:anna@127.0.0.1:9".into(),
        agent_id: "anna".into(),
        contact: "c1".into(),
        offer: "o1".into(),
        ..TransferTarget::default()
    };
    let call_id = invite.call_id().unwrap().to_owned();
    let from_tag = invite.from_tag().unwrap();
    invite.set_uri(sign(
        secret.as_bytes(),
        &target,
        &call_id,
        &from_tag,
        expires_unix,
    ));
    let via = "SIP/2.0/TCP control.invalid;branch=z9hG4bKtunnel";
    invite.headers.push_front(HeaderName::Via, via);
    invite
}

fn unix() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[tokio::test]
async fn only_who_knows_the_secret_and_speaks_http_2_opens_a_tunnel() {
    let bed = Bed::start().await;
    let said = transfer(&bed, SECRET, unix() + 60).encode();
    let stranger = tunnel(&bed, "a guess", said.clone()).await;
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let old = reqwest::Client::new()
        .post(bed.url(TUNNEL_PATH))
        .bearer_auth(SECRET)
        .body(said.to_vec());
    let old = old.send().await.unwrap();
    assert_eq!(old.status().as_u16(), 505);
    let sessions: patchbay_route::session::SessionList =
        bed.get("/relay/v1/sessions").await.json().await.unwrap();
    assert!(sessions.sessions.is_empty());
}

#[tokio::test]
async fn a_forged_or_expired_transfer_is_refused_in_a_tunnel_too() {
    let bed = Bed::start().await;
    let forged = [
        transfer(&bed, "a secret of somebody else", unix() + 60),
        transfer(&bed, SECRET, unix() - 60),
    ];
    for (count, forged) in (1..).zip(forged) {
        let answer = tunnel(&bed, SECRET, forged.encode()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let text = heard(answer).await;
        assert!(text.starts_with("SIP/2.0 403 "), "{text}");
        let metrics = bed.get("/metrics").await.text().await.unwrap();
        let counted = format!("reason=\"forged_transfer\"}} {count}");
        assert!(metrics.contains(&counted), "{metrics}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_sip_end_the_tunnel() {
    let bed = Bed::start().await;
    let endless = "INVITE sip:relay.invalid SIP/2.0\r\nContent-Length: 1000000\r\n\r\n";
    let answer = tunnel(&bed, SECRET, Bytes::from_static(endless.as_bytes())).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(heard(answer).await, "");
}
