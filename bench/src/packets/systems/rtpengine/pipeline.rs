//! Many calls through the ng protocol at once: a window of calls, each with one request under
//! way, sent again when its answer is late.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use super::ng::{Reply, Request};
use crate::packets::BenchError;
use crate::packets::vocabulary::Phones;

/// Calls under way at once. rtpengine's socket has to hold as many requests.
const WINDOW: usize = 32;
/// When a request without an answer is sent again; rtpengine knows it by its cookie.
const AGAIN: Duration = Duration::from_millis(500);
/// How often a request is sent.
const TRIES: u32 = 20;
/// Longest wait for an answer before looking what else is due.
const LOOK: Duration = Duration::from_millis(2);
/// Largest answer.
const ANSWER_BYTES: usize = 65_535;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A call between these phones.
    Call(Phones),
    /// Nothing yet.
    Wait,
    /// Nothing more: end when all is answered.
    End,
}

/// How far a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Offer and answer.
    Open,
    /// Then delete.
    Closed,
}

/// A client of one rtpengine.
#[derive(Debug)]
pub(super) struct Client {
    socket: UdpSocket,
    /// Of the next request.
    cookie: u64,
    /// Of the next call.
    call: u64,
    buffer: Vec<u8>,
}

/// A call with a request under way.
struct Flight {
    /// In the order of starting.
    number: usize,
    call_id: String,
    phones: Phones,
    step: Step,
    /// Where callee and caller are to send to, as far as known.
    relay: [Option<SocketAddr>; 2],
    cookie: u64,
    datagram: Vec<u8>,
    sent: Instant,
    tries: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Offer,
    Answer,
    Delete,
}

impl Client {
    /// Of a connected socket.
    pub fn new(socket: UdpSocket) -> io::Result<Self> {
        socket.set_read_timeout(Some(LOOK))?;
        Ok(Self {
            socket,
            cookie: 0,
            call: 0,
            buffer: vec![0; ANSWER_BYTES],
        })
    }

    /// Asks one thing, and gives its answer to `read`. `None` if there is none in time.
    pub fn ask<T>(
        &mut self,
        request: Request<'_>,
        patience: Duration,
        read: impl FnOnce(&Reply<'_>) -> T,
    ) -> Option<T> {
        self.cookie += 1;
        let datagram = request.encode(self.cookie);
        let started = Instant::now();
        let mut sent: Option<Instant> = None;
        while started.elapsed() < patience {
            if sent.is_none_or(|sent| sent.elapsed() >= AGAIN) {
                sent = Some(Instant::now());
                // Refused as long as rtpengine has not begun to listen.
                let _ = self.socket.send(&datagram);
            }
            let Ok(length) = self.socket.recv(&mut self.buffer) else {
                continue;
            };
            let reply = Reply::decode(self.buffer.get(..length)?);
            if let Some(reply) = reply.filter(|reply| reply.cookie == self.cookie) {
                return Some(read(&reply));
            }
        }
        None
    }

    /// Takes calls from `next` until it ends; tells `done` of each its number, in the order of
    /// starting, and where caller and callee are to send to.
    pub fn drive(
        &mut self,
        until: Until,
        next: &mut dyn FnMut() -> Next,
        done: &mut dyn FnMut(usize, [SocketAddr; 2]),
    ) -> Result<(), BenchError> {
        let mut flights: Vec<Flight> = Vec::with_capacity(WINDOW);
        let (mut started, mut ended) = (0, false);
        loop {
            while !ended && flights.len() < WINDOW {
                match next() {
                    Next::Call(phones) => {
                        flights.push(self.begin(started, phones)?);
                        started += 1;
                    }
                    Next::Wait => break,
                    Next::End => ended = true,
                }
            }
            if ended && flights.is_empty() {
                return Ok(());
            }
            self.receive(until, &mut flights, done)?;
            self.send_again(&mut flights)?;
        }
    }

    fn begin(&mut self, number: usize, phones: Phones) -> Result<Flight, BenchError> {
        self.call += 1;
        let mut flight = Flight {
            number,
            call_id: format!("bench-{}", self.call),
            phones,
            step: Step::Offer,
            relay: [None; 2],
            cookie: 0,
            datagram: Vec::new(),
            sent: Instant::now(),
            tries: 0,
        };
        self.send(&mut flight)?;
        Ok(flight)
    }

    /// Sends the request of a flight's step.
    fn send(&mut self, flight: &mut Flight) -> Result<(), BenchError> {
        self.cookie += 1;
        flight.cookie = self.cookie;
        flight.datagram = flight.request().encode(flight.cookie);
        flight.tries = 0;
        transmit(&self.socket, flight)
    }

    /// Takes one answer, if one comes soon.
    fn receive(
        &mut self,
        until: Until,
        flights: &mut Vec<Flight>,
        done: &mut dyn FnMut(usize, [SocketAddr; 2]),
    ) -> Result<(), BenchError> {
        let length = match self.socket.recv(&mut self.buffer) {
            Ok(length) => length,
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(BenchError::Relay("rtpengine is gone".to_owned()));
            }
            Err(_) => return Ok(()),
        };
        let reply = self.buffer.get(..length).and_then(Reply::decode);
        let Some(reply) = reply else {
            return Ok(());
        };
        // An answer to a request that was sent twice may come twice.
        let at = flights.iter().position(|f| f.cookie == reply.cookie);
        let Some(at) = at else {
            return Ok(());
        };
        let mut flight = flights.swap_remove(at);
        if flight.take(&reply)? == Some(until) {
            if let [Some(to_callee), Some(to_caller)] = flight.relay {
                done(flight.number, [to_caller, to_callee]);
            }
            return Ok(());
        }
        self.send(&mut flight)?;
        flights.push(flight);
        Ok(())
    }

    fn send_again(&self, flights: &mut [Flight]) -> Result<(), BenchError> {
        for flight in flights.iter_mut().filter(|f| f.sent.elapsed() >= AGAIN) {
            if flight.tries >= TRIES {
                let step = flight.step;
                return Err(BenchError::Relay(format!(
                    "rtpengine does not answer ({step:?} of call {})",
                    flight.number
                )));
            }
            transmit(&self.socket, flight)?;
        }
        Ok(())
    }
}

impl Flight {
    fn request(&self) -> Request<'_> {
        let call_id = &self.call_id;
        let phones = self.phones;
        match self.step {
            Step::Offer => Request::Offer { call_id, phones },
            Step::Answer => Request::Answer { call_id, phones },
            Step::Delete => Request::Delete { call_id },
        }
    }

    /// Takes in an answer; tells how far the call is, if that is a place to end.
    fn take(&mut self, reply: &Reply<'_>) -> Result<Option<Until>, BenchError> {
        if let Some(why) = reply.refusal() {
            let step = self.step;
            return Err(BenchError::Relay(format!(
                "rtpengine refuses {step:?} of call {}: {why}",
                self.number
            )));
        }
        let [to_callee, to_caller] = &mut self.relay;
        let (into, far, step) = match self.step {
            Step::Offer => (to_callee, None, Step::Answer),
            Step::Answer => (to_caller, Some(Until::Open), Step::Delete),
            Step::Delete => return Ok(Some(Until::Closed)),
        };
        *into = reply.media();
        if into.is_none() {
            let sdp = String::from("rtpengine answers without usable media");
            return Err(BenchError::Relay(sdp));
        }
        self.step = step;
        Ok(far)
    }
}

fn transmit(socket: &UdpSocket, flight: &mut Flight) -> Result<(), BenchError> {
    flight.tries += 1;
    flight.sent = Instant::now();
    match socket.send(&flight.datagram) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
            Err(BenchError::Relay("rtpengine is gone".to_owned()))
        }
        // A full buffer is like a lost datagram: it is sent again.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
