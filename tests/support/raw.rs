//! A SIP socket in the hands of the test, for what no well-behaved phone sends.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::message::Sip;
use super::ports::Ports;

/// A UDP socket that speaks lines of text.
#[derive(Debug)]
pub struct Raw {
    socket: UdpSocket,
    centre: SocketAddr,
}

impl Raw {
    /// A socket at `ip` that talks to `centre`.
    pub fn open(ip: IpAddr, ports: &Ports, centre: SocketAddr) -> Raw {
        Raw::at(SocketAddr::new(ip, ports.next()), centre)
    }

    /// A socket at `address` that talks to `centre`.
    pub fn at(address: SocketAddr, centre: SocketAddr) -> Raw {
        let socket = UdpSocket::bind(address).expect("a UDP port");
        Raw { socket, centre }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("a bound socket")
    }

    /// Sends bytes as they are.
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        self.socket
            .send_to(bytes.as_ref(), self.centre)
            .expect("a datagram goes out");
    }

    /// Sends bytes to where nobody may listen yet.
    pub fn try_send(&self, bytes: impl AsRef<[u8]>) {
        let _ = self.socket.send_to(bytes.as_ref(), self.centre);
    }

    /// The next message, if one comes within `limit`.
    pub fn next(&self, limit: Duration) -> Option<Sip> {
        let mut buffer = vec![0u8; 65_536];
        self.socket
            .set_read_timeout(Some(limit.max(Duration::from_millis(1))))
            .expect("a time-out");
        let (length, _) = self.socket.recv_from(&mut buffer).ok()?;
        Some(Sip(String::from_utf8_lossy(&buffer[..length]).into_owned()))
    }

    /// Takes a message that has come already and lets it go; false if there is none.
    pub fn waiting(&self) -> bool {
        self.socket.set_nonblocking(true).expect("a mode");
        let taken = self.socket.recv(&mut [0u8; 2048]).is_ok();
        self.socket.set_nonblocking(false).expect("a mode");
        taken
    }

    /// Waits for a message that fits; others are passed over.
    pub fn expect(&self, what: &str, limit: Duration, wanted: impl Fn(&Sip) -> bool) -> Sip {
        let deadline = Instant::now() + limit;
        let mut others = Vec::new();
        while let Some(rest) = deadline.checked_duration_since(Instant::now()) {
            match self.next(rest) {
                Some(sip) if wanted(&sip) => return sip,
                Some(sip) => others.push(sip.start().to_owned()),
                None => break,
            }
        }
        panic!("{what} did not come within {limit:?}; others did: {others:?}");
    }

    /// Everything that comes within `period`.
    pub fn all(&self, period: Duration) -> Vec<Sip> {
        let deadline = Instant::now() + period;
        let mut all = Vec::new();
        while let Some(rest) = deadline.checked_duration_since(Instant::now()) {
            all.extend(self.next(rest));
        }
        all
    }

    /// An INVITE for `user` of the centre with a body of SDP.
    pub fn invite(&self, user: &str, sdp: &str) -> String {
        self.request("INVITE", &format!("sip:{user}@{}", self.centre), user, sdp)
    }

    /// A request with any Request-URI.
    pub fn request(&self, method: &str, uri: &str, user: &str, body: &str) -> String {
        let (me, centre, unique) = (self.address(), self.centre, unique());
        let content = match body {
            "" => "",
            _ => "Content-Type: application/sdp\r\n",
        };
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {me};branch=z9hG4bK{unique};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:raw@{me}>;tag=from{unique}\r\n\
             To: <sip:{user}@{centre}>\r\n\
             Call-ID: {unique}@{}\r\n\
             CSeq: 1 {method}\r\n\
             Contact: <sip:raw@{me}>\r\n\
             {content}\
             Content-Length: {}\r\n\r\n{body}",
            me.ip(),
            body.len()
        )
    }

    /// The ACK of a failure: it belongs to the INVITE's transaction.
    pub fn ack(&self, invite: &str, answer: &Sip) -> String {
        let invite = Sip(invite.to_owned());
        let uri = invite.start().split(' ').nth(1).unwrap_or_default();
        let header = |name: &'static str| invite.header(name).unwrap_or_default().to_owned();
        format!(
            "ACK {uri} SIP/2.0\r\n\
             Via: {}\r\n\
             Max-Forwards: 70\r\n\
             From: {}\r\n\
             To: {}\r\n\
             Call-ID: {}\r\n\
             CSeq: 1 ACK\r\n\
             Content-Length: 0\r\n\r\n",
            header("Via"),
            header("From"),
            answer.header("To").unwrap_or_default(),
            header("Call-ID"),
        )
    }

    /// A request inside the dialog that `answer` to `invite` made.
    pub fn in_dialog(&self, method: &str, number: u32, invite: &str, answer: &Sip) -> String {
        let invite = Sip(invite.to_owned());
        let uri = answer.contact().unwrap_or_default();
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {};branch=z9hG4bK{};rport\r\n\
             Max-Forwards: 70\r\n\
             From: {}\r\n\
             To: {}\r\n\
             Call-ID: {}\r\n\
             CSeq: {number} {method}\r\n\
             Content-Length: 0\r\n\r\n",
            self.address(),
            unique(),
            invite.header("From").unwrap_or_default(),
            answer.header("To").unwrap_or_default(),
            invite.header("Call-ID").unwrap_or_default(),
        )
    }
}

/// SDP of a phone at `address` with these payload types.
pub fn sdp(address: SocketAddr, formats: &str, attributes: &str) -> String {
    let version = if address.is_ipv6() { 6 } else { 4 };
    let ip = address.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP{version} {ip}\r\ns=-\r\nc=IN IP{version} {ip}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP {formats}\r\n{attributes}",
        address.port()
    )
}

fn unique() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("raw{}x{number}", std::process::id())
}
