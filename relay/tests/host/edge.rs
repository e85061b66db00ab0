//! The edge on real sockets: UDP and TCP phones reach control, and nothing else does. A1, A5.
use crate::support::*;
use patchbay_sip::{HeaderName, Message, Transport};
use tokio::net::TcpStream;

fn answered(forwarded: &Message, status: u16) -> Message {
    let mut answer = Message::response_to(forwarded, status, "");
    answer.set_to_tag("control");
    answer
}

#[tokio::test]
async fn a_udp_phone_reaches_control_and_hears_its_answer() {
    let bed = Bed::start().await;
    let mut control = bed.control().await;
    bed.until_ready(true).await;
    let phone = Phone::new(bed.sip(Transport::Udp)).await;
    let here = phone.socket.local_addr().unwrap();
    phone.send(&request("INVITE", "UDP", here)).await;
    let forwarded = control.next().await.unwrap();
    let source = forwarded.headers.get("P-Patchbay-Source");
    assert_eq!(
        source,
        Some(format!("udp;{here}").as_str()),
        "ours, not the phone's"
    );
    assert_eq!(forwarded.max_forwards(), Some(69));
    control.send(&answered(&forwarded, 486)).await;
    let answer = phone.answer().await;
    assert_eq!(answer.status(), Some(486));
    assert_eq!(answer.headers.all(HeaderName::Via).count(), 1);
    assert!(!answer.headers.contains("P-Patchbay-Flow"));
}

#[tokio::test]
async fn a_registration_over_tcp_carries_a_path_back_to_its_connection() {
    let bed = Bed::start().await;
    let mut control = bed.control().await;
    bed.until_ready(true).await;
    let stream = TcpStream::connect(bed.sip(Transport::Tcp)).await.unwrap();
    let here = stream.local_addr().unwrap();
    let mut phone = Stream::new(stream);
    phone
        .send_bytes(request("REGISTER", "TCP", here).as_bytes())
        .await;
    let forwarded = control.next().await.unwrap();
    let path = forwarded.headers.get(HeaderName::Path).unwrap();
    assert!(path.ends_with(";lr;ob>"), "{path}");
    control.send(&answered(&forwarded, 200)).await;
    assert_eq!(phone.next().await.unwrap().status(), Some(200));
}

#[tokio::test]
async fn without_control_a_call_is_503_with_retry_after() {
    let bed = Bed::start().await;
    let control = bed.control().await;
    bed.until_ready(true).await;
    drop(control);
    bed.until_ready(false).await;
    let phone = Phone::new(bed.sip(Transport::Udp)).await;
    let here = phone.socket.local_addr().unwrap();
    phone.send(&request("INVITE", "UDP", here)).await;
    let answer = phone.answer().await;
    assert_eq!(answer.status(), Some(503));
    assert!(answer.headers.contains(HeaderName::RetryAfter));
    let _again = bed.control().await;
    bed.until_ready(true).await;
}

#[tokio::test]
async fn what_cannot_be_framed_ends_its_connection_only() {
    let bed = Bed::start().await;
    let mut control = bed.control().await;
    bed.until_ready(true).await;
    let mut broken = Stream::new(TcpStream::connect(bed.sip(Transport::Tcp)).await.unwrap());
    broken
        .send_bytes(b"INVITE sip:a@b SIP/2.0\r\nContent-Length: many\r\n\r\n")
        .await;
    assert_eq!(broken.next().await, None);
    let stream = TcpStream::connect(bed.sip(Transport::Tcp)).await.unwrap();
    let here = stream.local_addr().unwrap();
    let mut phone = Stream::new(stream);
    phone.send_bytes(b"\r\n\r\n").await;
    phone
        .send_bytes(request("OPTIONS", "TCP", here).as_bytes())
        .await;
    let forwarded = control.next().await.unwrap();
    control.send(&answered(&forwarded, 200)).await;
    assert_eq!(phone.next().await.unwrap().status(), Some(200));
    let metrics = bed.get("/metrics").await.text().await.unwrap();
    assert!(
        metrics.contains("sip_drops_total{reason=\"connection_cut\"} 1"),
        "{metrics}"
    );
}
