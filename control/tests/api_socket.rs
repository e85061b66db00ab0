//! The event stream over a WebSocket: the same events, cursors and limits (F5).
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::api_support;
use crate::store_support;

use api_support::{Events, PATIENCE, Server, TOKEN};
use futures_util::{SinkExt, StreamExt};
use patchbay_control::api::limits::MAX_STREAMS;
use patchbay_control::store::Store;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store_support::second_agent_answers;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

type Socket = WebSocketStream<TcpStream>;

/// Opens the stream with a header of the test's choice.
async fn open(
    server: &Server,
    query: &str,
    header: (&'static str, &str),
) -> Result<(Socket, Response), Error> {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let url = format!("ws://{}/api/v1/events{query}", server.address);
    let mut request = url.into_client_request().unwrap();
    let (name, value) = header;
    request.headers_mut().insert(name, value.parse().unwrap());
    tokio_tungstenite::client_async(request, stream).await
}

async fn open_with_token(server: &Server, query: &str) -> Socket {
    let bearer = format!("Bearer {TOKEN}");
    let opened = open(server, query, ("authorization", &bearer)).await;
    opened.unwrap().0
}

fn status(error: Error) -> u16 {
    match error {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("{other}"),
    }
}

/// The next event or close frame; pings are answered by the library.
async fn next(socket: &mut Socket) -> Message {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
        match message.unwrap().unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

async fn event(socket: &mut Socket) -> Value {
    match next(socket).await {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("no event: {other:?}"),
    }
}

/// Reads until the other side closes, and with what.
async fn closed(socket: &mut Socket) -> CloseCode {
    loop {
        if let Message::Close(frame) = next(socket).await {
            return frame.unwrap().code;
        }
    }
}

// F5
#[tokio::test]
async fn streams_end_when_their_token_expires_or_is_revoked() {
    let server = told().await;
    for expires in [true, false] {
        let mut wish = json!({"name": "wallboard", "role": "supervisor"});
        if expires {
            wish["expires_in_s"] = json!(2);
        }
        let (id, text) = server.token(wish).await;
        let mut stream = Events::of(server.get_as(&text, "/api/v1/events?after=0").await);
        let bearer = format!("Bearer {text}");
        let opened = open(&server, "?after=0", ("authorization", &bearer)).await;
        let mut socket = opened.unwrap().0;
        assert!(stream.next().await.is_some());
        event(&mut socket).await;
        if !expires {
            let path = format!("/api/v1/tokens/{id}");
            let answer = server.request(Method::DELETE, &path).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
        }
        while stream.next().await.is_some() {}
        assert_eq!(closed(&mut socket).await, CloseCode::Away);
    }
}

async fn told() -> Server {
    let store = Store::in_memory().await.unwrap();
    store.append_events(&second_agent_answers()).await.unwrap();
    Server::with(store, &[]).await
}

#[tokio::test]
async fn a_socket_tells_the_same_events_from_the_same_cursor_and_goes_on_live() {
    let server = told().await;
    let mut stream = server.events("?after=3").await;
    let mut socket = open_with_token(&server, "?after=3").await;
    for cursor in 4..=12 {
        let (id, expected) = stream.next().await.unwrap();
        assert_eq!(id, cursor);
        assert_eq!(event(&mut socket).await, expected);
    }
    let answer = server.put_toml("/api/v1/centre", api_support::CENTRE).await;
    assert!(answer.status().is_success());
    let live = stream.until("agent_status").await;
    loop {
        let told = event(&mut socket).await;
        if told["type"] == "agent_status" {
            assert_eq!(told, live);
            break;
        }
    }
}

#[tokio::test]
async fn a_page_shows_its_token_as_a_subprotocol_and_is_answered_with_the_other() {
    let server = told().await;
    let offer = format!("patchbay.v1, bearer.{TOKEN}");
    let (mut socket, response) = open(&server, "?after=0", ("sec-websocket-protocol", &offer))
        .await
        .unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "patchbay.v1");
    assert_eq!(event(&mut socket).await["cursor"], 1);
    let wrong = "patchbay.v1, bearer.0000000000000000";
    let refused = open(&server, "", ("sec-websocket-protocol", wrong)).await;
    assert_eq!(status(refused.unwrap_err()), 401);
    // A subprotocol opens nothing but WebSockets.
    let plain = server.http.get(server.url("/api/v1/agents"));
    let plain = plain.header("sec-websocket-protocol", offer);
    assert_eq!(plain.send().await.unwrap().status().as_u16(), 401);
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused_before_it_is_a_socket() {
    let server = told().await;
    let bearer = format!("Bearer {TOKEN}");
    let ahead = open(&server, "?after=999", ("authorization", &bearer)).await;
    assert_eq!(status(ahead.unwrap_err()), 410);
    let old = server
        .request(reqwest::Method::GET, "/api/v1/events")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "8");
    let answer = old.send().await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-version"], "13");
    api_support::problem(
        answer,
        reqwest::StatusCode::UPGRADE_REQUIRED,
        "upgrade-required",
    )
    .await;
    let mut streams = Vec::new();
    for _ in 0..MAX_STREAMS {
        streams.push(open_with_token(&server, "").await);
    }
    let one_more = open(&server, "", ("authorization", &bearer)).await;
    assert_eq!(status(one_more.unwrap_err()), 503);
}

#[tokio::test]
async fn a_socket_is_closed_when_it_is_spoken_to_and_when_the_api_stops() {
    let mut server = told().await;
    let mut talker = open_with_token(&server, "").await;
    talker.send(Message::text("hello")).await.unwrap();
    let Message::Close(Some(frame)) = next(&mut talker).await else {
        panic!("not closed")
    };
    assert_eq!(frame.code, CloseCode::Unsupported);
    let mut reader = open_with_token(&server, "").await;
    server.stop().await;
    loop {
        match next(&mut reader).await {
            Message::Close(Some(frame)) => {
                assert_eq!(frame.code, CloseCode::Away);
                break;
            }
            Message::Text(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
