//! Debian's rtpengine-daemon, in user space, as a relay under test.

mod bencode;
mod ng;
mod package;
mod pipeline;

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::serve::allow_files;
use super::tail::Tail;
use super::{buffer_errors, churn};
use crate::packets::BenchError;
use crate::packets::bed::Bed;
use crate::packets::vocabulary::{Guests, Losses, Phones, System, SystemPlan};
use ng::{INTERFACES, Request};
use pipeline::{Client, Next, Until};

/// Open files beside four sockets for each call.
const OTHER_FILES: u64 = 256;
/// How long it may take to start.
const START: Duration = Duration::from_secs(20);
/// How long to wait for an answer before looking whether it still runs.
const LOOK: Duration = Duration::from_millis(50);
/// How long it may take to tell its counters, beside a full load.
const COUNTERS: Duration = Duration::from_secs(5);
/// What it says when it takes no more of a stream: its socket stays unread from then on.
const GIVEN_UP: &str = "UDP receive queue exceeded 5 times";
/// Progress is told after so many calls.
const TELL_EVERY: usize = 100;

/// The process.
#[derive(Debug)]
pub struct Rtpengine {
    process: Child,
    client: Client,
    tail: Tail,
    name: String,
}

impl Rtpengine {
    /// Starts it on a bed's relay side; its package is installed if it is missing.
    ///
    /// It is killed when the thread that calls this ends, so that none outlives a killed
    /// benchmark.
    ///
    /// # Errors
    /// [`BenchError::NoRoom`] if the calls need more files than it may open; otherwise
    /// [`BenchError::Relay`] says why not.
    pub fn start(bed: &Bed, plan: &SystemPlan) -> Result<Self, BenchError> {
        let version = package::version()?;
        let calls = plan.calls + churn::HELD + 1;
        // It has the limit of this process.
        allow_files(plan.calls, 4 * calls as u64 + OTHER_FILES)?;
        let (socket, control) = bed
            .in_relay(control_socket)?
            .map_err(BenchError::system("socket of the ng protocol"))?;
        let client = Client::new(socket);
        let client = client.map_err(BenchError::system("socket of the ng protocol"))?;
        let mut process = command(bed, plan, control)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(BenchError::system("starting rtpengine"))?;
        let errors = process.stderr.take();
        let mut rtpengine = Self {
            process,
            client,
            tail: Tail::counting(GIVEN_UP),
            name: format!("rtpengine {version}"),
        };
        if let Some(errors) = errors {
            let followed = rtpengine.tail.follow(errors);
            followed.map_err(BenchError::system("starting a thread"))?;
        }
        rtpengine.wait_until_ready()?;
        Ok(rtpengine)
    }

    fn wait_until_ready(&mut self) -> Result<(), BenchError> {
        let started = Instant::now();
        while started.elapsed() < START {
            if self.client.ask(Request::Ping, LOOK, |_| ()).is_some() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.process.try_wait() {
                return Err(BenchError::Relay(format!(
                    "rtpengine stopped at once ({status}): {}",
                    self.tail.text()
                )));
            }
        }
        Err(BenchError::Relay(format!(
            "rtpengine was not ready in {} s: {}",
            START.as_secs(),
            self.tail.text()
        )))
    }
}

/// A socket on the relay side's loopback, connected to a free port for rtpengine.
fn control_socket() -> io::Result<(UdpSocket, SocketAddr)> {
    let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let control = free.local_addr()?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(control)?;
    Ok((socket, control))
}

fn command(bed: &Bed, plan: &SystemPlan, control: SocketAddr) -> Command {
    let mut command = bed.relay_command("setpriv");
    command.args(["--pdeathsig", "KILL", package::PROGRAM]);
    for (name, ip) in INTERFACES.into_iter().zip(bed.relay_ips()) {
        command.arg(format!("--interface={name}/{ip}"));
    }
    command
        .arg(format!("--listen-ng={control}"))
        .arg(format!("--num-threads={}", plan.threads))
        .args(["--config-file=none", "--table=-1", "--foreground"])
        // Errors only, and not to the system's log.
        .args(["--log-stderr", "--log-level=3"])
        .args(["--port-min=1024", "--port-max=65534"])
        // A call ends when it is deleted, and at once.
        .args(["--delete-delay=0", "--final-timeout=0"])
        .args(["--timeout=86400", "--silent-timeout=86400"])
        .arg("--offer-timeout=86400");
    command
}

impl System for Rtpengine {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn engine(&self) -> String {
        "userspace".to_owned()
    }

    fn open(
        &mut self,
        calls: &[Phones],
        progress: &mut dyn FnMut(usize),
    ) -> Result<Vec<[SocketAddr; 2]>, BenchError> {
        let mut left = calls.iter();
        let mut opened = vec![None; calls.len()];
        let mut count = 0;
        let next = &mut || left.next().map_or(Next::End, |phones| Next::Call(*phones));
        let done = &mut |number: usize, relay| {
            if let Some(place) = opened.get_mut(number) {
                *place = Some(relay);
            }
            count += 1;
            if count % TELL_EVERY == 0 || count == calls.len() {
                progress(count);
            }
        };
        self.client.drive(Until::Open, next, done)?;
        let all: Option<Vec<[SocketAddr; 2]>> = opened.into_iter().collect();
        all.ok_or_else(|| BenchError::Relay("rtpengine left a call out".to_owned()))
    }

    fn churn(
        &mut self,
        calls_per_s: u32,
        phones: &[Phones],
        stop: &AtomicBool,
        _: &Guests,
    ) -> Result<u64, BenchError> {
        let started = Instant::now();
        let mut begun = 0;
        let closed = Cell::new(0);
        let mut turn = phones.iter().cycle();
        let next = &mut || {
            if stop.load(Relaxed) {
                return Next::End;
            }
            if begun >= churn::due(started.elapsed(), calls_per_s) {
                return Next::Wait;
            }
            begun += 1;
            turn.next().map_or(Next::End, |phones| Next::Call(*phones))
        };
        let done = &mut |_, _| closed.set(closed.get() + 1);
        self.client.drive(Until::Closed, next, done)?;
        Ok(closed.get())
    }

    fn pid(&self) -> u32 {
        self.process.id()
    }

    fn losses(&mut self) -> Option<Losses> {
        let buffers = buffer_errors(self.pid());
        let given_up = self.tail.count();
        self.client.ask(Request::Statistics, COUNTERS, |reply| {
            let total = |name| reply.counter("totalstatistics", name);
            let forwarded = total("relayedpackets_user")?;
            let errors = total("relayedpacketerrors_user")?;
            let dropped = [("errors", errors), ("stream_given_up", given_up)];
            let dropped = dropped.into_iter().filter(|(_, count)| *count > 0);
            Some(Losses {
                received: forwarded + errors + given_up,
                forwarded,
                dropped: dropped.map(|(why, n)| (why.to_owned(), n)).collect(),
                buffers,
            })
        })?
    }

    fn allocations(&mut self) -> Option<u64> {
        None
    }

    fn forwarding(&mut self) -> Option<Histogram<u64>> {
        None
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        // It has nothing to save, and would take its time for thousands of calls.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
