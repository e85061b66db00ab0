//! A running relay host, and the test in the place of control.

use patchbay_relay::engine::{EngineConfig, MediaSockets};
use patchbay_relay::{Relay, RelayConfig, Secret};
use patchbay_sip::stream::{Frame, Framer};
use patchbay_sip::{Message, Transport};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

pub const SECRET: &str = "the link secret of this test";
/// Nothing here takes long; who waits for more waits in vain.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Bed {
    pub relay: Relay,
    control: TcpListener,
}

impl Bed {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut RelayConfig)) -> Self {
        let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut config = RelayConfig {
            name: "relay".into(),
            listen: vec![(Transport::Udp, any), (Transport::Tcp, any)],
            tls: None,
            tls_name: None,
            origins: Vec::new(),
            link_tls: None,
            advertise: Vec::new(),
            control: vec![control.local_addr().unwrap()],
            near: None,
            events: Default::default(),
            api: any,
            link_secret: Secret(SECRET.into()),
            max_sessions: 10,
            media_timeout: Duration::from_secs(300),
            hold_timeout: Duration::from_secs(300),
            session_expires: Duration::from_secs(1800),
            max_calls: Default::default(),
            failover_after: Duration::from_secs(4),
            large_over_tcp: true,
            dns: Vec::new(),
            deny_methods: Vec::new(),
            engine: EngineConfig {
                max_pairs: 10,
                // Other tests have sockets of their own in the same range.
                sockets: MediaSockets::PerPort,
                ..EngineConfig::default()
            },
            sounds: None,
            journal: None,
            trace_ring: 0,
            hand_over: None,
        };
        change(&mut config);
        let relay = Relay::start(config).await.unwrap();
        Self { relay, control }
    }

    /// The connection that the relay opens to control.
    pub async fn control(&self) -> Stream {
        let accepted = tokio::time::timeout(PATIENCE, self.control.accept()).await;
        Stream::new(accepted.expect("the relay connects").unwrap().0)
    }

    /// The same before anything is said on it.
    pub async fn accept(&self) -> (TcpStream, SocketAddr) {
        let accepted = tokio::time::timeout(PATIENCE, self.control.accept()).await;
        accepted.expect("the relay connects").unwrap()
    }

    pub fn sip(&self, transport: Transport) -> SocketAddr {
        self.relay.sip(transport).unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.relay.api)
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        let request = reqwest::Client::new()
            .get(self.url(path))
            .bearer_auth(SECRET);
        request.send().await.unwrap()
    }

    /// Asks `/readyz` until it answers so.
    pub async fn until_ready(&self, ready: bool) {
        let asked = async {
            while reqwest::get(self.url("/readyz"))
                .await
                .unwrap()
                .status()
                .is_success()
                != ready
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asked)
            .await
            .expect("readiness changes");
    }
}

/// A TCP connection that speaks SIP.
pub struct Stream {
    stream: TcpStream,
    framer: Framer,
}

impl Stream {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            framer: Framer::new(),
        }
    }

    pub async fn send(&mut self, message: &Message) {
        self.send_bytes(&message.encode()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next message; none when the peer has closed.
    pub async fn next(&mut self) -> Option<Message> {
        tokio::time::timeout(PATIENCE, self.read())
            .await
            .expect("a message or the end")
    }

    async fn read(&mut self) -> Option<Message> {
        let mut buffer = [0; 4096];
        loop {
            for frame in self.framer.by_ref() {
                if let Frame::Message(bytes) = frame.unwrap() {
                    return Some(Message::parse(bytes).unwrap());
                }
            }
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return None,
                Ok(length) => self.framer.push(&buffer[..length]),
            }
        }
    }
}

/// A UDP phone.
pub struct Phone {
    pub socket: UdpSocket,
}

impl Phone {
    pub async fn new(relay: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        socket.connect(relay).await.unwrap();
        Self { socket }
    }

    pub async fn send(&self, text: &str) {
        self.socket.send(text.as_bytes()).await.unwrap();
    }

    /// The next final response.
    pub async fn answer(&self) -> Message {
        let mut buffer = [0; 4096];
        loop {
            let received = tokio::time::timeout(PATIENCE, self.socket.recv(&mut buffer)).await;
            let length = received.expect("an answer").unwrap();
            let message = Message::parse(buffer[..length].to_vec().into()).unwrap();
            if message.status().is_some_and(|status| status >= 200) {
                return message;
            }
        }
    }
}

/// A request as a phone at `via` sends it.
pub fn request(method: &str, transport: &str, via: SocketAddr) -> String {
    format!(
        "{method} sip:support@relay SIP/2.0\r\nVia: SIP/2.0/{transport} {via};branch=z9hG4bK{method}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@{via}>;tag=a\r\nTo: <sip:support@relay>\r\n\
         Call-ID: {method}-{transport}\r\nCSeq: 1 {method}\r\nContact: <sip:alice@{via}>\r\n\
         P-Patchbay-Source: forged\r\nContent-Length: 0\r\n\r\n"
    )
}
