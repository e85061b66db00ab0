//! Control in the same process: the link to it is a pair of queues.
use super::support::{Bed, PATIENCE, Phone, request};
use patchbay_relay::net::NearLink;
use patchbay_sip::{Handed, Message, Transport};
use tokio::sync::mpsc;

async fn next<T>(queue: &mut mpsc::Receiver<T>) -> Option<T> {
    let next = tokio::time::timeout(PATIENCE, queue.recv()).await;
    next.expect("something or the end")
}

// B1
#[tokio::test]
async fn requests_go_to_control_and_answers_come_back_without_a_socket() {
    let (door, mut links) = mpsc::channel::<NearLink>(1);
    let bed = Bed::with(|config| config.near = Some((config.control[0], door))).await;
    let (remote, to_relay, mut from_relay) = next(&mut links).await.unwrap();
    assert_eq!(remote, bed.relay.api);
    bed.until_ready(true).await;
    let relay = bed.sip(Transport::Udp);
    let phone = Phone::new(relay).await;
    let via = phone.socket.local_addr().unwrap();
    phone.send(&request("REGISTER", "UDP", via)).await;
    let asked = next(&mut from_relay).await.unwrap();
    // What control would read from the bytes is what it is handed.
    let read = Message::parse(asked.bytes()).unwrap();
    let asked = asked.read().unwrap();
    assert_eq!(asked, read);
    let answer = Message::response_to(&asked, 403, "");
    to_relay.send(Handed::new(answer)).await.unwrap();
    assert_eq!(phone.answer().await.status(), Some(403));

    // Bytes will do.
    phone.send(&request("SUBSCRIBE", "UDP", via)).await;
    let asked = next(&mut from_relay).await.unwrap().read().unwrap();
    let answer = Message::response_to(&asked, 404, "");
    to_relay.send(answer.encode().into()).await.unwrap();
    assert_eq!(phone.answer().await.status(), Some(404));

    // Control is gone: who calls hears of it, and the relay knocks again.
    drop((to_relay, from_relay));
    bed.until_ready(false).await;
    phone.send(&request("INVITE", "UDP", via)).await;
    assert_eq!(phone.answer().await.status(), Some(503));
    let again = next(&mut links).await;
    assert!(again.is_some());
    bed.until_ready(true).await;
}
