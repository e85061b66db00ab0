//! A SIP connection in the hands of the test.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use super::message::Sip;

/// A TCP connection that speaks lines of text.
#[derive(Debug)]
pub struct Stream {
    stream: TcpStream,
    held: Vec<u8>,
    ended: bool,
}

impl Stream {
    /// Connects from `ip`, at any port, to `centre`.
    pub fn open(ip: IpAddr, centre: SocketAddr) -> Stream {
        let family = match centre {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let socket = socket(family, SocketType::STREAM, None).expect("a socket");
        bind(&socket, &SocketAddr::new(ip, 0)).expect("an address");
        connect(&socket, &centre).expect("a connection");
        Stream {
            stream: TcpStream::from(socket),
            held: Vec::new(),
            ended: false,
        }
    }

    /// The connection that somebody opens to a listener within `limit`.
    pub fn accept(listener: &TcpListener, limit: Duration) -> Option<Stream> {
        listener.set_nonblocking(true).expect("a mode");
        let deadline = Instant::now() + limit;
        loop {
            if let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(false).expect("a mode");
                return Some(Stream {
                    stream,
                    held: Vec::new(),
                    ended: false,
                });
            }
            deadline.checked_duration_since(Instant::now())?;
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends bytes as they are. The server may have closed the connection: that is an answer too.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Whether the server has closed the connection.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next message, if one comes within `limit`.
    pub fn next(&mut self, limit: Duration) -> Option<Sip> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(message) = self.cut() {
                return Some(message);
            }
            let rest = deadline.checked_duration_since(Instant::now())?;
            if self.ended {
                return None;
            }
            let rest = rest.max(Duration::from_millis(1));
            self.stream
                .set_read_timeout(Some(rest))
                .expect("a time-out");
            let mut buffer = [0u8; 65_536];
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(length) => self.held.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => self.ended = true,
            }
        }
    }

    /// Takes one whole message out of what has come.
    fn cut(&mut self) -> Option<Sip> {
        while self.held.starts_with(b"\r\n") {
            self.held.drain(..2);
        }
        let head = self.held.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(&self.held[..head]).into_owned();
        let length = Sip(text).header("Content-Length")?.parse::<usize>().ok()?;
        if self.held.len() < head + length {
            return None;
        }
        let bytes: Vec<u8> = self.held.drain(..head + length).collect();
        Some(Sip(String::from_utf8_lossy(&bytes).into_owned()))
    }
}
