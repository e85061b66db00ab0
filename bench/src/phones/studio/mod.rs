//! The audio of all phones: one thread that speaks every 20 ms on each call's own RTP socket,
//! sends RTCP sender reports beside it, and checks every packet that arrives.
//!
//! Both ends of a call live here, so the studio knows what a packet must contain. Which two legs
//! belong together is learnt from the audio itself: the first packet that a leg hears says by its
//! SSRC whose voice it is, and from then on any other voice is foreign. Nothing in signalling has
//! to survive for that, so it works through a back-to-back agent that rewrites all of it.

mod closing;
mod leg;
mod reports;

#[cfg(test)]
mod tests;
mod thread;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::g711::Law;
use super::hear::HeardCounts;
use super::poller::{Poller, Waker};

pub(crate) use reports::nanoseconds;

/// Legs that are open at one time, at most.
pub const MAX_LEGS: usize = 65_536;
/// Commands that wait for the studio's thread, at most.
const MAX_COMMANDS: usize = 65_536;
/// How long the last packets of a call may be on their way before they count as lost.
pub const FINISH_PATIENCE: Duration = Duration::from_millis(300);

/// One side of one call's audio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LegId(pub u64);

/// Which side of a call a leg is: the two directions are reported apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// It placed the call.
    Caller,
    /// It was called.
    Agent,
}

/// Why the studio could not take an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StudioError {
    /// More than 65536 orders wait.
    #[error("the studio has {MAX_COMMANDS} orders waiting")]
    Full,
    /// Its thread has ended.
    #[error("the studio's thread has ended")]
    Gone,
}

/// What a leg has said and heard when it was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LegReport {
    /// Which leg.
    pub leg: LegId,
    /// Which side of the call.
    pub role: Role,
    /// RTP packets sent.
    pub sent: u64,
    /// What came.
    pub heard: HeardCounts,
    /// Packets that the other side sent and that never came.
    pub lost: u64,
    /// The leg that it heard, if it heard one.
    pub partner: Option<LegId>,
    /// It heard one leg while another one heard it: audio went to the wrong call.
    pub crossed: bool,
    /// RTCP reports sent.
    pub reports_sent: u64,
    /// RTCP sender reports that came from the other side.
    pub reports_heard: u64,
}

impl LegReport {
    /// The report of a leg that never opened.
    fn empty(leg: LegId) -> Self {
        Self {
            leg,
            role: Role::Caller,
            sent: 0,
            heard: HeardCounts::default(),
            lost: 0,
            partner: None,
            crossed: false,
            reports_sent: 0,
            reports_heard: 0,
        }
    }
}

/// What the studio tells on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Both sides of this leg's call are silent, and nothing is on its way any more.
    Finished(LegId),
    /// The leg is closed.
    Closed(LegReport),
}

/// Sums over all legs, closed and open.
#[derive(Clone, Debug)]
pub struct AudioTotals {
    /// Legs that are open now.
    pub open_legs: usize,
    /// Packets sent by callers.
    pub sent_by_callers: u64,
    /// Packets sent by agents.
    pub sent_by_agents: u64,
    /// What callers heard (all of it was said by agents).
    pub heard_by_callers: HeardCounts,
    /// What agents heard.
    pub heard_by_agents: HeardCounts,
    /// Sent by an agent of a closed call and never heard by its caller.
    pub lost_to_callers: u64,
    /// Sent by a caller of a closed call and never heard by its agent.
    pub lost_to_agents: u64,
    /// Calls whose audio went to the wrong call, counted once for each leg.
    pub crossed: u64,
    /// RTCP reports sent and heard.
    pub reports: (u64, u64),
    /// Time from one phone to the other, nanoseconds, to callers.
    pub latency_to_callers: Histogram<u64>,
    /// Time from one phone to the other, nanoseconds, to agents.
    pub latency_to_agents: Histogram<u64>,
    /// How late the studio itself was with a packet, nanoseconds: the error of this instrument.
    pub lateness: Histogram<u64>,
    /// Sends that the kernel refused; the packet was tried again 20 ms later.
    pub send_errors: u64,
}

/// An order to the studio's thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// A new leg on two bound, non-blocking sockets. It listens at once and does not talk yet.
    Open {
        leg: LegId,
        role: Role,
        rtp: UdpSocket,
        rtcp: UdpSocket,
        cname: String,
    },
    /// Where to send, with which law, and whether to talk (false: on hold).
    Talk {
        leg: LegId,
        rtp: SocketAddr,
        rtcp: SocketAddr,
        law: Law,
        talking: bool,
    },
    /// Both sides of the call fall silent; a note follows when all is heard.
    Finish(LegId),
    /// The call is over. A report follows.
    Close(LegId),
    /// Asks for the sums.
    Totals(SyncSender<AudioTotals>),
    /// Ends the thread.
    Stop,
}

/// Where the studio's notes go. Called on its thread; must not block.
pub(crate) type NoteSink = Box<dyn FnMut(Note) + Send>;

/// How the studio works.
#[derive(Clone, Copy, Debug)]
pub struct StudioConfig {
    /// Chooses SSRCs, first sequence numbers and phases.
    pub seed: u64,
    /// Time between sender reports; RFC 3550 section 6.2 says 5 s for two parties. The first one
    /// goes after half of it.
    pub report_interval: Duration,
}

impl Default for StudioConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            report_interval: Duration::from_secs(5),
        }
    }
}

/// The handle of the studio's thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Studio {
    orders: SyncSender<Command>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Studio {
    /// Starts the thread.
    ///
    /// # Errors
    /// No file descriptor or no thread is left.
    pub fn start(config: StudioConfig, notes: NoteSink) -> io::Result<Self> {
        let (orders, inbox) = mpsc::sync_channel(MAX_COMMANDS);
        let poller = Poller::new()?;
        let waker = poller.waker();
        let thread = spawn(config, poller, inbox, notes)?;
        Ok(Self {
            orders,
            waker,
            thread: Some(thread),
        })
    }

    /// A handle that only gives orders.
    pub fn desk(&self) -> Desk {
        Desk {
            orders: self.orders.clone(),
            waker: self.waker.clone(),
        }
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        // A full queue is emptied by the thread, so this waits shortly at most.
        let _ = self.orders.send(Command::Stop);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn spawn(
    config: StudioConfig,
    poller: Poller,
    inbox: Receiver<Command>,
    notes: NoteSink,
) -> io::Result<JoinHandle<()>> {
    let name = "bench-audio".to_owned();
    let body = move || thread::Floor::new(config, poller, notes).run(&inbox);
    std::thread::Builder::new().name(name).spawn(body)
}

/// Gives orders to the studio.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    orders: SyncSender<Command>,
    waker: Waker,
}

impl Desk {
    /// Hands over an order without waiting.
    ///
    /// # Errors
    /// The queue is full or the thread has ended.
    pub fn order(&self, command: Command) -> Result<(), StudioError> {
        self.orders.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => StudioError::Full,
            TrySendError::Disconnected(_) => StudioError::Gone,
        })?;
        self.waker.wake();
        Ok(())
    }

    /// The sums of now. Waits for the thread, a millisecond as a rule.
    ///
    /// # Errors
    /// The queue is full or the thread has ended.
    pub fn totals(&self) -> Result<AudioTotals, StudioError> {
        let (answer, totals) = mpsc::sync_channel(1);
        self.order(Command::Totals(answer))?;
        totals.recv().map_err(|_| StudioError::Gone)
    }
}
