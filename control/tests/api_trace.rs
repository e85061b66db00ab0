//! The signalling of calls: the traces of all relays as one, as lines or as a capture (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::Server;
use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use patchbay_control::store::Store;
use patchbay_route::trace::{TraceAsk, TraceLine};
use reqwest::StatusCode;
use tokio::net::TcpListener;

const MESSAGE: &str = "{\"message\":{\"at_unix_us\":1,\"way\":\"in\",\"transport\":\"UDP\",\
    \"local\":\"192.0.2.1:5060\",\"remote\":\"192.0.2.9:5060\",\"call\":\"c\",\"text\":\"BYE\"}}\n";

/// A relay that answers every trace so, if it is asked for as it should be.
async fn relay(answer: impl Into<String>) -> String {
    let answer = answer.into();
    let traced = move |headers: HeaderMap, body: Bytes| {
        let token = headers.get("authorization").unwrap();
        assert_eq!(token, "Bearer a link secret of some length");
        let asked: TraceAsk = serde_json::from_slice(&body).unwrap();
        assert_eq!(asked.filter.from.as_deref(), Some("carla"));
        assert!(!asked.secrets && !asked.follow);
        std::future::ready(answer.clone())
    };
    let router = Router::new().route("/relay/v1/traces", post(traced));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn lines(server: &Server) -> Vec<TraceLine> {
    let answer = server.get("/api/v1/trace?from=carla").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/jsonl");
    let text = answer.text().await.unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn all_relays_are_asked_and_what_hinders_one_is_said() {
    let first = relay(concat!("{\"lost\":3}\n", "\n", "{\"end\":\"shown\"}\n")).await;
    let second = relay(format!("{MESSAGE}{{\"end\":\"bytes\"}}\n")).await;
    let broken = relay("no lines at all\n").await;
    let gone = "http://127.0.0.1:1";
    let store = Store::in_memory().await.unwrap();
    let server = Server::with(store, &[&first, &second, &broken, gone]).await;
    let lines = lines(&server).await;
    let (mut relays, mut hindered, mut lost) = (Vec::new(), Vec::new(), 0);
    for line in &lines {
        match line {
            TraceLine::Message(message) => relays.push(message.relay.as_str()),
            TraceLine::Unreachable { relay, .. } => hindered.push(relay.as_str()),
            TraceLine::Lost(count) => lost += count,
            TraceLine::End(_) => {}
        }
    }
    assert_eq!((relays, lost), (vec![second.as_str()], 3));
    hindered.sort_unstable();
    let mut expected = vec![broken.as_str(), gone];
    expected.sort_unstable();
    assert_eq!(hindered, expected);
    let ends = lines
        .iter()
        .filter(|line| matches!(line, TraceLine::End(_)));
    assert_eq!(ends.count(), 1, "the ends of all are one");
    assert_eq!(serde_json::to_value(lines.last()).unwrap()["end"], "bytes");
}

#[tokio::test]
async fn a_capture_is_one_file_of_all_relays() {
    let urls = [relay(MESSAGE).await, relay(MESSAGE).await];
    let store = Store::in_memory().await.unwrap();
    let server = Server::with(store, &[&urls[0], &urls[1]]).await;
    let answer = server.get("/api/v1/trace?from=carla&format=pcap").await;
    let kind = answer.headers()["content-type"].clone();
    assert_eq!(kind, "application/vnd.tcpdump.pcap");
    let file = answer.bytes().await.unwrap();
    assert_eq!(file[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    assert_eq!(file.len(), 24 + 2 * (16 + 20 + 8 + 3));
    let wrong = server.get("/api/v1/trace?form=x").await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
}
