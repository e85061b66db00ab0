//! A phone that answers whatever comes, in a thread of its own.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::support::message::Sip;
use super::support::raw::sdp;
use super::support::{SOON, until};

/// The phone.
pub struct Phone {
    /// Where it is.
    pub at: SocketAddr,
    offer: Arc<Mutex<Option<Sip>>>,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Phone {
    /// A phone at `at` with its audio at `media`. A fickle one refuses every second call.
    pub fn answers(at: SocketAddr, media: SocketAddr, centre: SocketAddr, fickle: bool) -> Phone {
        let socket = UdpSocket::bind(at).expect("a UDP port");
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .expect("a time-out");
        let (offer, sent) = (
            Arc::<Mutex<Option<Sip>>>::default(),
            Arc::<AtomicU64>::default(),
        );
        let stop = Arc::<AtomicBool>::default();
        let work = Work {
            socket,
            at,
            media,
            centre,
            fickle,
            offer: Arc::clone(&offer),
            sent: Arc::clone(&sent),
            stop: Arc::clone(&stop),
        };
        Phone {
            at,
            offer,
            sent,
            stop,
            thread: Some(std::thread::spawn(move || work.run())),
        }
    }

    /// The first INVITE that came.
    pub fn offered(&self) -> Sip {
        until("an INVITE at the phone", SOON, || {
            self.offer.lock().unwrap().clone()
        })
    }

    /// Answers sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    socket: UdpSocket,
    at: SocketAddr,
    media: SocketAddr,
    centre: SocketAddr,
    fickle: bool,
    offer: Arc<Mutex<Option<Sip>>>,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Work {
    fn run(self) {
        let mut buffer = vec![0u8; 65_536];
        let mut calls = 0u64;
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else {
                continue;
            };
            let request = Sip(String::from_utf8_lossy(&buffer[..length]).into_owned());
            if request.status().is_some() || request.is_request("ACK") {
                continue;
            }
            let invite = request.is_request("INVITE");
            if invite {
                calls += 1;
                self.offer.lock().unwrap().get_or_insert(request.clone());
            }
            let (status, body) = match (invite, self.fickle && calls.is_multiple_of(2)) {
                (true, true) => (486, String::new()),
                (true, false) => (200, sdp(self.media, "0", "")),
                _ => (200, String::new()),
            };
            let answer = request.answered(status, &self.at.to_string(), &body);
            self.sent.fetch_add(1, Ordering::Relaxed);
            let _ = self.socket.send_to(answer.as_bytes(), self.centre);
        }
    }
}
