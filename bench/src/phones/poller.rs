//! Waiting for sockets and for commands on one thread: epoll with a wake-up that other threads
//! can raise.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;

/// Most readiness events taken in one turn.
const EVENTS_PER_TURN: usize = 256;
/// The number that stands for the wake-up itself.
const WAKE: u64 = u64::MAX;

/// One thing that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    /// The number that the socket was added with.
    pub key: u64,
    /// There is something to read, or the peer is gone.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
}

/// Raises the wake-up of a [`Poller`] from any thread.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Ends the wait that runs now, or the next one.
    pub fn wake(&self) {
        // The only error that can come is "counter full", which means that it is raised already.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

/// An epoll instance and its wake-up.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    wake: Waker,
}

impl Poller {
    /// # Errors
    /// The process is out of file descriptors.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let data = epoll::EventData::new_u64(WAKE);
        epoll::add(&epoll, &wake, data, epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            wake: Waker(Arc::new(wake)),
        })
    }

    /// A handle that ends a wait.
    pub fn waker(&self) -> Waker {
        self.wake.clone()
    }

    /// Watches a socket for reading, under a number of the caller's.
    pub fn add(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        let data = epoll::EventData::new_u64(key);
        Ok(epoll::add(
            &self.epoll,
            socket,
            data,
            epoll::EventFlags::IN,
        )?)
    }

    /// Watches it for writing too, or no more.
    pub fn want_write(&self, socket: impl AsFd, key: u64, write: bool) -> io::Result<()> {
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, write);
        Ok(epoll::modify(
            &self.epoll,
            socket,
            epoll::EventData::new_u64(key),
            flags,
        )?)
    }

    /// Waits for readiness, for the wake-up or for `timeout`, and adds what is ready to `ready`.
    pub fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        let limit = timeout.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let mut storage = [MaybeUninit::<epoll::Event>::uninit(); EVENTS_PER_TURN];
        let events = match epoll::wait(&self.epoll, &mut storage, limit.as_ref()) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            let (key, flags) = (event.data.u64(), event.flags);
            if key == WAKE {
                let mut count = [0_u8; 8];
                let _ = rustix::io::read(&*self.wake.0, &mut count);
                continue;
            }
            let gone = epoll::EventFlags::ERR | epoll::EventFlags::HUP;
            ready.push(Ready {
                key,
                readable: flags.intersects(epoll::EventFlags::IN | gone),
                writable: flags.intersects(epoll::EventFlags::OUT | gone),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn a_wake_up_ends_the_wait_and_is_not_reported() {
        let poller = Poller::new().unwrap();
        let waker = poller.waker();
        std::thread::spawn(move || waker.wake());
        let mut ready = Vec::new();
        poller.wait(None, &mut ready).unwrap();
        assert!(ready.is_empty());
    }

    #[test]
    fn a_datagram_makes_its_socket_ready() {
        let poller = Poller::new().unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        poller.add(&socket, 7).unwrap();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        let mut ready = Vec::new();
        poller.wait(None, &mut ready).unwrap();
        assert_eq!(
            ready,
            [Ready {
                key: 7,
                readable: true,
                writable: false
            }]
        );
    }
}
