//! The node over real TCP sockets: a call, its events, who may connect, and the end of a node.
use std::net::IpAddr;

use crate::support::tcp::{PATIENCE, Peer, config, directory, until};
use crate::support::{ONE_REGISTERS, SECRET, Scene, TWO_AGENTS, vias};
use patchbay_control::node::{Control, start};
use patchbay_control::store::Store;
use patchbay_core::What;
use patchbay_route::transfer;
use patchbay_sip::stream::{Frame, KeepAlive};
use patchbay_sip::{HeaderName, Message, Method};
use tokio::io::AsyncWriteExt;

async fn node(test: &str, centre: &str) -> Control {
    let store = Store::open(&directory(test)).await.unwrap();
    let control = start(config(), store).await.unwrap();
    control
        .handle
        .apply(toml::from_str(centre).unwrap())
        .await
        .unwrap();
    control
}

/// INVITEs are made as for the virtual clock.
fn invite(call_id: &str) -> Message {
    Scene::new(TWO_AGENTS).invite(call_id)
}

// A4, A5, B1, B2
#[tokio::test]
async fn a_call_over_tcp_is_transferred_answered_and_told() {
    let control = node("signalling_tcp_call", TWO_AGENTS).await;
    let mut events = control.handle.subscribe();
    let mut peer = Peer::connect(control.sip_addr).await;
    let invite = invite("call-1");
    peer.send(&invite).await;
    let transferred = peer.message().await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let verified = transfer::verify(
        SECRET.as_bytes(),
        transferred.uri().unwrap(),
        "call-1",
        "alice",
        now.as_secs(),
    )
    .unwrap();
    assert_eq!(verified.target.agent_id, "anna");
    let mut ok = Message::response_to(&transferred, 200, "");
    ok.set_to_tag("relay");
    peer.send(&ok).await;
    assert_eq!(vias(&peer.expect(200).await), vias(&invite));

    let mut last = None;
    let mut connected = false;
    while !connected {
        let event = tokio::time::timeout(PATIENCE, events.recv())
            .await
            .unwrap()
            .unwrap();
        assert!(
            last.is_none_or(|last| event.cursor == last + 1),
            "no gap in the cursors"
        );
        last = Some(event.cursor);
        connected = matches!(event.event.what, What::ContactConnected { .. });
    }
    let snapshot = control.handle.snapshot().await.unwrap();
    assert_eq!(snapshot.contacts.len(), 1);
    let ready = || async { control.handle.ready().ready() };
    until("ready", ready).await;
    let counted = control.handle.counters();
    let served = counted
        .iter()
        .find(|metric| metric.name == "sip_served")
        .unwrap();
    let invites = served
        .samples
        .iter()
        .find(|sample| sample.labels[0].1 == "invite")
        .unwrap();
    assert_eq!(invites.value, 1);
}

#[tokio::test]
async fn messages_are_cut_from_the_stream_and_pings_answered() {
    let control = node("signalling_tcp_stream", TWO_AGENTS).await;
    let mut scene = Scene::new(TWO_AGENTS);
    let mut peer = Peer::connect(control.sip_addr).await;
    let mut bytes = b"\r\n\r\n".to_vec();
    for number in 0..3 {
        let call = format!("options-{number}");
        let request = scene.request(Method::Options, "sip:patchbay.example", &call, 1);
        bytes.extend_from_slice(&request.encode());
    }
    let (first, second) = bytes.split_at(700);
    peer.stream.write_all(first).await.unwrap();
    peer.stream.flush().await.unwrap();
    peer.stream.write_all(second).await.unwrap();
    let mut answers = Vec::new();
    let mut pongs = 0;
    while answers.len() < 3 {
        match peer.frame().await.unwrap() {
            Frame::Message(bytes) => {
                let answer = Message::parse(bytes).unwrap();
                assert_eq!(answer.status(), Some(200));
                answers.push(answer.call_id().unwrap().to_owned());
            }
            Frame::KeepAlive(KeepAlive::Pong) => pongs += 1,
            Frame::KeepAlive(KeepAlive::Ping) => panic!("nobody asked for a ping"),
        }
    }
    assert_eq!(answers, ["options-0", "options-1", "options-2"]);
    assert_eq!(pongs, 1);
}

#[tokio::test]
async fn strangers_are_cut_off_and_counted() {
    let store = Store::open(&directory("signalling_tcp_strangers"))
        .await
        .unwrap();
    let mut config = config();
    config.allowed_relays = vec![IpAddr::from([10, 9, 8, 7])];
    let control = start(config, store).await.unwrap();
    let mut peer = Peer::connect(control.sip_addr).await;
    assert!(peer.frame().await.is_none());
    let counted = || async {
        let metrics = control.handle.counters();
        let link = metrics
            .iter()
            .find(|metric| metric.name == "link_connections");
        let samples = link.map(|link| link.samples.clone()).unwrap_or_default();
        samples
            .iter()
            .any(|sample| sample.labels[0].1 == "not_allowed" && sample.value == 1)
    };
    until("the refusal is counted", counted).await;
    assert!(!control.handle.ready().relay_link);
}

#[tokio::test]
async fn a_relay_that_does_not_read_is_cut_off() {
    let control = node("signalling_tcp_slow", TWO_AGENTS).await;
    let mut scene = Scene::new(TWO_AGENTS);
    let mut peer = Peer::connect(control.sip_addr).await;
    let flood = async {
        for number in 0_u32.. {
            let call = format!("flood-{number}");
            let request = scene.request(Method::Options, "sip:patchbay.example", &call, 1);
            if peer.stream.write_all(&request.encode()).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE * 2, flood)
        .await
        .expect("it is cut off");
    // Others are served as before.
    let mut other = Peer::connect(control.sip_addr).await;
    other.send(&invite("call-1")).await;
    assert!(other.message().await.is_request());
}

#[tokio::test]
async fn a_node_ends_politely_and_the_next_knows_what_it_knew() {
    let path = directory("signalling_tcp_shutdown");
    let store = Store::open(&path).await.unwrap();
    let control = start(config(), store.clone()).await.unwrap();
    control
        .handle
        .apply(toml::from_str(ONE_REGISTERS).unwrap())
        .await
        .unwrap();
    let mut peer = Peer::connect(control.sip_addr).await;
    register(&mut peer).await;

    let two = ONE_REGISTERS.replace(
        "password = \"open sesame\"",
        "password = \"open sesame\"\npaused = true",
    );
    let applied = control
        .handle
        .apply(toml::from_str(&two).unwrap())
        .await
        .unwrap();
    assert_eq!(applied.changed, ["agent:anna"]);
    let mut scene = Scene::new(ONE_REGISTERS);
    peer.send(&scene.invite("call-1")).await;
    let place = loop {
        let Some(Frame::Message(bytes)) = peer.frame().await else {
            continue;
        };
        let told = Message::parse(bytes).unwrap();
        if let Some(place) = told.headers.get(HeaderName::PatchbayPlace) {
            break place.to_owned();
        }
    };
    peer.expect(182).await;
    control.handle.shutdown().await;
    // Its caller is left to its edge.
    assert!(peer.frame().await.is_none());
    control.join.await.unwrap();
    assert!(control.handle.snapshot().await.is_err());

    let control = start(config(), store).await.unwrap();
    assert_eq!(control.handle.centre().await.agents.len(), 1);
    let bindings = control.handle.bindings("anna".into()).await.unwrap();
    assert_eq!(bindings.len(), 1);
    assert_eq!(bindings[0].contact, "sip:anna@198.51.100.1");
    let mut peer = Peer::connect(control.sip_addr).await;
    let mut again = scene.invite("call-1");
    again.headers.push(HeaderName::PatchbayPlace, place);
    peer.send(&again).await;
    peer.expect(182).await;
    let snapshot = control.handle.snapshot().await.unwrap();
    assert_eq!(snapshot.queues[0].waiting.len(), 1);
}

async fn register(peer: &mut Peer) {
    let mut scene = Scene::new(ONE_REGISTERS);
    let request = scene.register_request("anna", Some("<sip:anna@198.51.100.1>"), 1);
    peer.send(&request).await;
    let challenge = peer.expect(401).await;
    let offered = challenge.headers.get(HeaderName::WwwAuthenticate).unwrap();
    let authorised = scene.with_credentials(request, offered, "anna", "open sesame");
    peer.send(&authorised).await;
    peer.expect(200).await;
}
