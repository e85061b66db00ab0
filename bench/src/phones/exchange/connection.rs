//! One TCP connection of a phone.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use patchbay_sip::stream::{Frame, Framer, KeepAlive, PONG};
use socket2::{Domain, Protocol, Socket, Type};

/// Bytes that may wait until the other side takes them.
const MAX_WAITING: usize = 1 << 20;
/// Bytes read in one go, and reads in one turn.
const READ_BYTES: usize = 16_384;
const READS_PER_TURN: usize = 16;

/// A connection, maybe not established yet.
#[derive(Debug)]
pub(super) struct Connection {
    pub stream: TcpStream,
    pub remote: SocketAddr,
    framer: Framer,
    waiting: Vec<u8>,
    /// The poller watches for room to write. It does from the start on a connection that we open.
    pub watching_room: bool,
}

/// Why a connection is to be closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The other side closed it or sent what is no SIP, or the kernel reports an error.
    Lost,
    /// The other side does not read.
    Choked,
}

impl Connection {
    /// Begins to connect; what is written before it is established waits.
    ///
    /// # Errors
    /// No socket, or no way to the address.
    pub fn open(from: SocketAddr, remote: SocketAddr) -> io::Result<Self> {
        let domain = Domain::for_address(remote);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::new(from.ip(), 0).into())?;
        match socket.connect(&remote.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc_in_progress()) => {}
            Err(error) => return Err(error),
        }
        Ok(Self {
            watching_room: true,
            ..Self::established(socket.into(), remote)
        })
    }

    /// Wraps an established, non-blocking stream.
    pub fn established(stream: TcpStream, remote: SocketAddr) -> Self {
        // Without it small messages wait for the ACK of the one before.
        let _ = stream.set_nodelay(true);
        let (framer, waiting) = (Framer::new(), Vec::new());
        Self {
            stream,
            remote,
            framer,
            waiting,
            watching_room: false,
        }
    }

    /// Sends, or keeps what cannot be sent yet.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        if self.waiting.len() + bytes.len() > MAX_WAITING {
            return Err(Broken::Choked);
        }
        self.waiting.extend_from_slice(bytes);
        self.flush()
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&mut self) -> Result<(), Broken> {
        while !self.waiting.is_empty() {
            match self.stream.write(&self.waiting) {
                Ok(0) => return Err(Broken::Lost),
                Ok(count) => {
                    self.waiting.drain(..count);
                }
                Err(error) if not_now(&error) => return Ok(()),
                Err(_) => return Err(Broken::Lost),
            }
        }
        Ok(())
    }

    /// Whether something waits for room.
    pub const fn needs_room(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Reads what has come, as whole messages.
    pub fn read(&mut self, messages: &mut Vec<Bytes>) -> Result<(), Broken> {
        let mut buffer = [0_u8; READ_BYTES];
        for _ in 0..READS_PER_TURN {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Broken::Lost),
                Ok(count) => {
                    self.framer.push(buffer.get(..count).unwrap_or_default());
                    self.cut(messages)?;
                }
                Err(error) if not_now(&error) => return Ok(()),
                Err(_) => return Err(Broken::Lost),
            }
        }
        Ok(())
    }

    fn cut(&mut self, messages: &mut Vec<Bytes>) -> Result<(), Broken> {
        while let Some(frame) = self.framer.next() {
            match frame {
                Ok(Frame::Message(bytes)) => messages.push(bytes),
                Ok(Frame::KeepAlive(KeepAlive::Ping)) => self.send(PONG)?,
                Ok(Frame::KeepAlive(KeepAlive::Pong)) => {}
                Err(_) => return Err(Broken::Lost),
            }
        }
        Ok(())
    }
}

/// The kernel's word for "connecting goes on behind".
fn libc_in_progress() -> i32 {
    rustix::io::Errno::INPROGRESS.raw_os_error()
}

fn not_now(error: &io::Error) -> bool {
    // A connection that is being opened says "not connected" to a write.
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected
    )
}
