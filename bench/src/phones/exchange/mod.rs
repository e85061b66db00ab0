//! All phones of a process on one thread: their SIP sockets, their timers, and beside it the
//! studio's thread with their audio.

mod connection;
mod media;
mod slot;
mod thread;

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use patchbay_sip::Transport;
use patchbay_sip::transaction::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::sync::mpsc as events;

use super::g711::Law;
use super::phone::{Behaviour, CallRef, CallSpec, PhoneEvent};
use super::poller::{Poller, Waker};
use super::studio::{AudioTotals, Desk, LegReport, Note, Studio, StudioConfig, StudioError};

/// Phones in one exchange, at most.
pub const MAX_PHONES: usize = 65_536;
/// Orders that wait for the exchange's thread, at most.
const MAX_ORDERS: usize = 65_536;
/// Events that wait for whoever listens, at most; more are lost and counted.
pub const MAX_EVENTS: usize = 262_144;

/// Names a phone of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PhoneId(pub u32);

/// How the phones of an exchange work.
#[derive(Clone, Debug)]
pub struct ExchangeConfig {
    /// Chooses tags, branches, SSRCs.
    pub seed: u64,
    /// Ports for audio on the phones' side.
    pub media_ports: RangeInclusive<u16>,
    /// False: calls are signalled only, with a description that names the discard port.
    pub audio: bool,
    /// Time between RTCP sender reports.
    pub report_interval: Duration,
    /// Timers of the phones' transactions.
    pub transactions: Config,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            media_ports: 10_000..=19_999,
            audio: true,
            report_interval: Duration::from_secs(5),
            transactions: Config::default(),
        }
    }
}

/// A phone to add to an exchange.
#[derive(Clone, Debug)]
pub struct PhoneSpec {
    /// User part of its address.
    pub user: String,
    /// Host part of its address.
    pub domain: String,
    /// For digest.
    pub password: Option<String>,
    /// Where its socket is bound; port 0 takes any.
    pub bind: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// Where its requests go.
    pub proxy: SocketAddr,
    /// What it does when it is called.
    pub behaviour: Behaviour,
    /// Calls that it takes at one time.
    pub lines: usize,
    /// The laws that it understands, the best first.
    pub laws: Vec<Law>,
    /// Seconds for which it registers.
    pub expires_s: u32,
}

impl PhoneSpec {
    /// A UDP phone on the loopback address of the proxy's family, which answers at once.
    #[must_use]
    pub fn new(user: impl Into<String>, domain: impl Into<String>, proxy: SocketAddr) -> Self {
        let bind = if proxy.is_ipv4() {
            "127.0.0.1:0"
        } else {
            "[::1]:0"
        };
        Self {
            user: user.into(),
            domain: domain.into(),
            password: None,
            bind: bind.parse().unwrap_or(proxy),
            transport: Transport::Udp,
            proxy,
            behaviour: Behaviour::Answer {
                after: Duration::ZERO,
                talk: None,
            },
            lines: 1,
            laws: vec![Law::Mu, Law::A],
            expires_s: 300,
        }
    }
}

/// What happened, when, at which phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the exchange learnt it.
    pub at: Instant,
    /// At which phone.
    pub phone: PhoneId,
    /// What.
    pub news: News,
}

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// From the phone.
    Phone(PhoneEvent),
    /// A call's audio on this phone's side is closed; this comes after the call's end.
    Audio(CallRef, LegReport),
}

/// Why the exchange could not take an order.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// More than 65536 orders wait.
    #[error("the exchange has {MAX_ORDERS} orders waiting")]
    Full,
    /// Its thread has ended.
    #[error("the exchange's thread has ended")]
    Gone,
    /// It has 65536 phones.
    #[error("the exchange has {MAX_PHONES} phones")]
    TooManyPhones,
    /// A socket could not be made.
    #[error("cannot bind {address}: {source}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// What the kernel says.
        source: io::Error,
    },
    /// The audio thread is gone or overloaded.
    #[error(transparent)]
    Studio(#[from] StudioError),
}

/// What went wrong in the exchange itself, not in a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExchangeCounters {
    /// Events that nobody fetched in time.
    pub events_lost: u64,
    /// Datagrams that the kernel did not take; SIP sends them again.
    pub sends_refused: u64,
    /// Bytes for a connection that could not take them; the connection was closed.
    pub connections_choked: u64,
    /// Messages that were no SIP.
    pub unusable: u64,
    /// Calls that could not be begun.
    pub calls_refused: u64,
}

/// An order to the exchange's thread.
pub(crate) enum Order {
    Add(
        Box<PhoneSpec>,
        SyncSender<Result<(PhoneId, SocketAddr), ExchangeError>>,
    ),
    Register(PhoneId),
    Unregister(PhoneId),
    Call(PhoneId, CallRef, Box<CallSpec>),
    HangUp(PhoneId, CallRef),
    Hold(PhoneId, CallRef, bool),
    Behave(PhoneId, Behaviour),
    Counters(SyncSender<ExchangeCounters>),
    Audio(Note),
    Stop,
}

/// The handle of the exchange. Dropping it ends its threads and closes all sockets.
#[derive(Debug)]
pub struct Exchange {
    orders: SyncSender<Order>,
    waker: Waker,
    names: Arc<AtomicU64>,
    desk: Desk,
    thread: Option<JoinHandle<()>>,
    studio: Option<Studio>,
}

impl Exchange {
    /// Starts the threads. The receiver gives what happens at the phones.
    ///
    /// # Errors
    /// No file descriptor or thread is left.
    pub fn start(config: ExchangeConfig) -> io::Result<(Self, events::Receiver<Event>)> {
        raise_file_limit();
        let (orders, inbox) = mpsc::sync_channel(MAX_ORDERS);
        let (outlet, listener) = events::channel(MAX_EVENTS);
        let poller = Poller::new()?;
        let waker = poller.waker();
        let studio_config = StudioConfig {
            seed: config.seed,
            report_interval: config.report_interval,
        };
        let notes = note_sink(orders.clone(), waker.clone());
        let studio = Studio::start(studio_config, notes)?;
        let desk = studio.desk();
        let floor = desk.clone();
        let body = move || thread::Switchboard::new(config, poller, floor, outlet).run(&inbox);
        let thread = std::thread::Builder::new()
            .name("bench-phones".to_owned())
            .spawn(body)?;
        let names = Arc::new(AtomicU64::new(1));
        let (thread, studio) = (Some(thread), Some(studio));
        Ok((
            Self {
                orders,
                waker,
                names,
                desk,
                thread,
                studio,
            },
            listener,
        ))
    }

    fn order(&self, order: Order) -> Result<(), ExchangeError> {
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(_) => ExchangeError::Full,
            TrySendError::Disconnected(_) => ExchangeError::Gone,
        })?;
        self.waker.wake();
        Ok(())
    }

    /// Adds a phone; its name and the address that its socket got.
    ///
    /// # Errors
    /// Its socket cannot be bound, or the exchange is full or gone.
    pub fn add(&self, spec: PhoneSpec) -> Result<(PhoneId, SocketAddr), ExchangeError> {
        let (answer, added) = mpsc::sync_channel(1);
        self.order(Order::Add(Box::new(spec), answer))?;
        added.recv().map_err(|_| ExchangeError::Gone)?
    }

    /// Registers a phone and keeps it registered.
    ///
    /// # Errors
    /// The exchange is full or gone.
    pub fn register(&self, phone: PhoneId) -> Result<(), ExchangeError> {
        self.order(Order::Register(phone))
    }

    /// Removes a phone's binding.
    ///
    /// # Errors
    /// The exchange is full or gone.
    pub fn unregister(&self, phone: PhoneId) -> Result<(), ExchangeError> {
        self.order(Order::Unregister(phone))
    }

    /// Places a call.
    ///
    /// # Errors
    /// The exchange is full or gone.
    pub fn call(&self, phone: PhoneId, spec: CallSpec) -> Result<CallRef, ExchangeError> {
        // Names of received calls have their phone's number above the lower 32 bits.
        let call = CallRef(self.names.fetch_add(1, Ordering::Relaxed) & 0xffff_ffff);
        self.order(Order::Call(phone, call, Box::new(spec)))?;
        Ok(call)
    }

    /// Ends a call of a phone, in whatever state it is: cancels, declines or hangs up.
    ///
    /// # Errors
    /// The exchange is full or gone.
    pub fn hang_up(&self, phone: PhoneId, call: CallRef) -> Result<(), ExchangeError> {
        self.order(Order::HangUp(phone, call))
    }

    /// Puts a call on hold, or takes it back.
    ///
    /// # Errors
    /// The exchange is full or gone.
    pub fn hold(&self, phone: PhoneId, call: CallRef, held: bool) -> Result<(), ExchangeError> {
        self.order(Order::Hold(phone, call, held))
    }

    /// Changes what a phone does when it is called.
    ///
    /// # Errors
    /// The exchange is full or gone.
    pub fn behave(&self, phone: PhoneId, behaviour: Behaviour) -> Result<(), ExchangeError> {
        self.order(Order::Behave(phone, behaviour))
    }

    /// The sums of all audio. Waits for the studio's thread, a millisecond as a rule.
    ///
    /// # Errors
    /// The studio is full or gone.
    pub fn audio(&self) -> Result<AudioTotals, ExchangeError> {
        Ok(self.desk.totals()?)
    }

    /// What went wrong in the exchange itself.
    ///
    /// # Errors
    /// The exchange is full or gone.
    pub fn counters(&self) -> Result<ExchangeCounters, ExchangeError> {
        let (answer, counters) = mpsc::sync_channel(1);
        self.order(Order::Counters(answer))?;
        counters.recv().map_err(|_| ExchangeError::Gone)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.studio = None;
    }
}

/// The studio's notes become orders. Its thread may wait here, because the exchange never waits
/// for the studio.
fn note_sink(orders: SyncSender<Order>, waker: Waker) -> Box<dyn FnMut(Note) + Send> {
    Box::new(move |note| {
        let _ = orders.send(Order::Audio(note));
        waker.wake();
    })
}

/// Every call has two sockets of ours, so the soft limit of open files is raised to the hard one.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // If that is refused, binding fails later and says so.
    let _ = setrlimit(Resource::Nofile, raised);
}
