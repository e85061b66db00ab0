//! A control node with its API on loopback, and a client.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use patchbay_control::api::{self, Api, Settings, Token};
use patchbay_control::link::{RelayClient, Secret};
use patchbay_control::node::{self, Control, ControlConfig};
use patchbay_control::store::Store;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Whatever has not happened after this long does not happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const CENTRE: &str = r#"
[[queue]]
id = "support"
when_no_agents = "wait"

[[agent]]
id = "anna"
name = "Anna"
skills = { support = 5 }
password = "anna's secret word"

[[agent]]
id = "bert"
uri = "sip:127.0.0.1:5099"
paused = true

[[rule]]
id = "gold"
when = { to = "support@*", header = { X-Tier = "gold" } }
then = { queue = "support", priority = 5 }

[[rule]]
id = "everybody"
then = { queue = "support", call_type = "help" }
"#;

pub struct Server {
    pub node: Control,
    pub store: Store,
    pub address: SocketAddr,
    pub http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> Server {
        Server::with(Store::in_memory().await.unwrap(), &[]).await
    }

    /// With the centre above applied.
    pub async fn configured() -> Server {
        let server = Server::start().await;
        let answer = server.put_toml("/api/v1/centre", CENTRE).await;
        assert_eq!(
            answer.status(),
            StatusCode::OK,
            "{}",
            answer.text().await.unwrap()
        );
        server
    }

    pub async fn with(store: Store, relays: &[&str]) -> Server {
        Server::of(store, relays, Settings::default()).await
    }

    pub async fn of(store: Store, relays: &[&str], settings: Settings) -> Server {
        let secret = Secret::new("a link secret of some length");
        let config = ControlConfig {
            sip_listen: "127.0.0.1:0".parse().unwrap(),
            relay_urls: relays.iter().map(|url| (*url).to_owned()).collect(),
            ..ControlConfig::new(secret.clone())
        };
        let relays = relays
            .iter()
            .map(|url| RelayClient::new(url, secret.clone()).unwrap())
            .collect();
        let node = node::start(config, store.clone()).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = Api {
            node: node.handle.clone(),
            store: store.clone(),
            token: Token::new(TOKEN),
            relays,
            settings,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stopped = async {
                let _dropped_means_the_same = stopped.await;
            };
            api::serve(listener, api, stopped).await.unwrap();
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Server {
            node,
            store,
            address,
            http,
            stop: Some(stop),
            serving,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, self.url(path))
            .bearer_auth(TOKEN)
            .timeout(PATIENCE)
    }

    /// Gives a token out, and gives its identifier and its text.
    pub async fn token(&self, wish: Value) -> (String, String) {
        let answer = self.send(Method::POST, "/api/v1/tokens", &wish).await;
        assert_eq!(answer.status(), StatusCode::CREATED, "{wish}");
        let given: Value = answer.json().await.unwrap();
        let text = |name: &str| given[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    /// A request with another token.
    pub fn request_as(&self, token: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, self.url(path));
        request.bearer_auth(token).timeout(PATIENCE)
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Response {
        let request = self.request_as(token, Method::GET, path);
        request.send().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// The JSON of a successful GET.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.request(method, path).json(body).send().await.unwrap()
    }

    pub async fn put_toml(&self, path: &str, text: &str) -> Response {
        let request = self
            .request(Method::PUT, path)
            .header("Content-Type", "application/toml");
        request.body(text.to_owned()).send().await.unwrap()
    }

    /// The event stream.
    pub async fn events(&self, query: &str) -> Events {
        let path = format!("/api/v1/events{query}");
        let request = self.http.get(self.url(&path)).bearer_auth(TOKEN);
        Events::of(request.send().await.unwrap())
    }

    /// Stops the API and gives the rest back.
    pub async fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(PATIENCE, &mut self.serving)
            .await
            .unwrap()
            .unwrap();
    }
}

/// A stream of events, read one by one.
pub struct Events {
    stream: futures_util::stream::BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    text: String,
}

impl Events {
    pub fn of(answer: Response) -> Events {
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Events {
            stream: answer.bytes_stream().boxed(),
            text: String::new(),
        }
    }

    /// The next event: its id and its data; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<(u64, Value)> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::trim)
                };
                let event = field("id:").map(|id| {
                    let data = serde_json::from_str(field("data:").unwrap()).unwrap();
                    (id.parse().unwrap(), data)
                });
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.stream.next())
                .await
                .unwrap()?;
            self.text
                .push_str(std::str::from_utf8(&chunk.ok()?).unwrap());
        }
    }

    /// Skips to the next event of a type.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            let (_, event) = self.next().await.expect("the stream ended");
            if event["type"] == kind {
                return event;
            }
        }
    }
}

/// An INVITE as a relay passes it on, with audio.
pub fn invite(call_id: &str, headers: &str) -> String {
    let sdp = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 0 8\r\n";
    let length = sdp.len();
    format!(
        "INVITE sip:support@example.com SIP/2.0\r\n\
         Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK{call_id}\r\n\
         Max-Forwards: 70\r\nFrom: \"Eve\" <sip:eve@example.net>;tag=1\r\n\
         To: <sip:support@example.com>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:eve@198.51.100.7>\r\nP-Patchbay-Source: udp;198.51.100.7:5060\r\n\
         {headers}Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{sdp}"
    )
}

/// A relay's SIP connection to the node.
pub struct Caller {
    stream: TcpStream,
    text: String,
}

impl Caller {
    pub async fn connect(server: &Server) -> Caller {
        let stream = TcpStream::connect(server.node.sip_addr).await.unwrap();
        Caller {
            stream,
            text: String::new(),
        }
    }

    pub async fn send(&mut self, message: &str) {
        self.stream.write_all(message.as_bytes()).await.unwrap();
    }

    /// Reads until a status line with this code has come.
    pub async fn expect(&mut self, code: u16) {
        let line = format!("SIP/2.0 {code} ");
        while !self.text.contains(&line) {
            let mut buffer = [0; 4096];
            let read = tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await;
            let length = read.expect("no answer").unwrap();
            assert_ne!(length, 0, "closed after {}", self.text);
            self.text
                .push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }
}

/// Where the next page of a list is.
pub fn next_page(answer: &Response) -> Option<String> {
    let link = answer.headers().get("link")?.to_str().unwrap();
    let path = link.strip_suffix(">; rel=\"next\"").unwrap();
    Some(path.strip_prefix('<').unwrap().to_owned())
}

/// A problem document of the expected kind.
pub async fn problem(answer: Response, status: StatusCode, kind: &str) -> Value {
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.status(), status);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["type"], format!("urn:patchbay:problem:{kind}"));
    assert_eq!(problem["status"], status.as_u16());
    assert!(!problem["detail"].as_str().unwrap().is_empty());
    problem
}
