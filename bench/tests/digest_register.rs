//! A phone registers with a registrar that asks for digest: SHA-256, MD5 only, wrong password.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;

use bytes::Bytes;
use patchbay_bench::phones::{PhoneEvent, PhoneSpec};
use patchbay_sip::digest::{Algorithm, Authority, Verdict, ha1};
use patchbay_sip::{HeaderName, Message};
use support::Stage;

const REALM: &str = "centre";

/// A registrar in a few lines. It answers `count` requests; its statuses.
fn registrar(algorithms: &'static [Algorithm], count: usize) -> (SocketAddr, JoinHandle<Vec<u16>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let serve = move || {
        let mut authority = Authority::new(REALM, "secret");
        let mut statuses = Vec::new();
        let mut buffer = [0; 4_096];
        for _ in 0..count {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            let request = Message::parse(Bytes::copy_from_slice(&buffer[..length])).unwrap();
            let response = answer(&request, &mut authority, algorithms);
            statuses.push(response.status().unwrap());
            socket.send_to(&response.encode(), from).unwrap();
        }
        statuses
    };
    (address, std::thread::spawn(serve))
}

fn answer(request: &Message, authority: &mut Authority, algorithms: &[Algorithm]) -> Message {
    let accepted = request
        .headers
        .get(HeaderName::Authorization)
        .is_some_and(|header| {
            let stored = |user: &str, algorithm| {
                (user == "anna").then(|| ha1(user, REALM, "sesame", algorithm))
            };
            let method = request.method().unwrap();
            matches!(
                authority.verify(header, method, stored, 1_000),
                Verdict::Accepted { .. }
            )
        });
    if accepted {
        let mut response = Message::response_to(request, 200, "");
        response.set_to_tag("r");
        let contact = request.headers.get(HeaderName::Contact).unwrap();
        response
            .headers
            .push(HeaderName::Contact, format!("{contact};expires=77"));
        return response;
    }
    let mut response = Message::response_to(request, 401, "");
    response.set_to_tag("r");
    for challenge in authority.challenges(algorithms, 1_000, false) {
        response
            .headers
            .push(HeaderName::WwwAuthenticate, challenge.to_header());
    }
    response
}

fn register(
    password: &str,
    algorithms: &'static [Algorithm],
    count: usize,
) -> (PhoneEvent, Vec<u16>) {
    let (address, registrar) = registrar(algorithms, count);
    let mut stage = Stage::new(false);
    let spec = PhoneSpec::new("anna", "centre", address);
    let (phone, _) = stage.phone(PhoneSpec {
        password: Some(password.into()),
        ..spec
    });
    stage.exchange.register(phone).unwrap();
    let event = stage.until(|_, event| Some(event.clone()));
    (event, registrar.join().unwrap())
}

#[test]
fn sha_256_is_chosen_where_it_is_offered() {
    let (event, statuses) = register("sesame", &[Algorithm::Sha256, Algorithm::Md5], 2);
    assert_eq!(event, PhoneEvent::Registered { expires_s: 77 });
    assert_eq!(statuses, [401, 200]);
}

#[test]
fn md5_serves_where_nothing_else_is_offered() {
    let (event, statuses) = register("sesame", &[Algorithm::Md5], 2);
    assert_eq!(event, PhoneEvent::Registered { expires_s: 77 });
    assert_eq!(statuses, [401, 200]);
}

#[test]
fn a_wrong_password_is_told_and_does_not_go_round_for_ever() {
    let (event, statuses) = register("mellon", &[Algorithm::Sha256], 4);
    assert_eq!(event, PhoneEvent::RegisterFailed { status: Some(401) });
    assert_eq!(statuses, [401, 401, 401, 401]);
}
