//! New calls beyond what this host can do are refused at little cost, so that calls in progress go on.
//!
//! Two things bound them: a rate that is configured, or the time that messages wait for this host's one
//! signalling task, there or still in the kernel. In the second case the share of new calls that is
//! refused follows the wait, which so settles where as many are taken as can be. A neighbour that says
//! `oc` in its Via is told that share with each answer, so that it can keep calls back itself (RFC 7339).

use super::counters::{EdgeDrop, Fate};
use super::{Core, Now};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{HeaderName, Message, Method};
use std::time::{Duration, Instant};

/// While messages wait no longer than this, all new calls are taken.
pub const SHORT_WAIT: Duration = Duration::from_millis(40);
/// When messages wait so long, all new calls are refused, and between the two a share of them: two or
/// three messages wait one after the other until a call is set up, and phones send again after 500 ms.
/// A steeper slope makes the wait swing, since what is known of it is as old as it is long.
pub const MAX_WAIT: Duration = Duration::from_millis(120);
/// How often the wait is looked at.
pub const LOOK: Duration = Duration::from_millis(10);
/// Who has handled nothing for so long has nothing to do.
const IDLE: Duration = Duration::from_millis(200);
/// The time over which a rate is counted; as much may come at once.
const WINDOW: Duration = Duration::from_secs(1);
/// A shorter queue says nothing: a pause of the machine makes one as well.
const LEAST_WAITING: usize = 64;
/// Of the table of transactions, the part in a hundred that new calls may fill.
const TABLE_PART: usize = 90;
/// Seconds after which a caller who was refused may try again.
const RETRY_AFTER_S: u32 = 5;
/// Milliseconds that a neighbour shall go by what it was told (RFC 7339 section 4.3).
const OC_VALIDITY_MS: u32 = 500;

/// What bounds new calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CallLimit {
    /// The time that messages wait.
    #[default]
    Auto,
    /// So many a second.
    Rate(u32),
    /// Nothing but the tables.
    Off,
}

/// How busy the signalling task is.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Messages that it has just handled, and the time they took.
    pub handled: usize,
    /// See `handled`.
    pub took: Duration,
    /// Messages that wait for it.
    pub waiting: usize,
    /// As many as may wait.
    pub room: usize,
    /// How long a datagram waits in a socket before it is read.
    pub unread: Duration,
}

/// Whether new calls are taken.
#[derive(Debug)]
pub struct Overload {
    limit: CallLimit,
    /// Refused of a hundred new calls.
    share: u32,
    /// Hundredths of a refusal that are due.
    owed: u32,
    /// Nanoseconds that a message takes, smoothed.
    cost_ns: u64,
    looked: Option<Instant>,
    /// When the next call would come at the configured rate.
    next: Option<Instant>,
    window: Option<Instant>,
    seen: u32,
    refused: u32,
    /// When the share last changed, in milliseconds of Unix time.
    told_unix_ms: u64,
}

impl Overload {
    /// Nothing has come yet.
    pub fn new(limit: CallLimit) -> Overload {
        Overload {
            limit,
            share: 0,
            owed: 0,
            cost_ns: 0,
            looked: None,
            next: None,
            window: None,
            seen: 0,
            refused: 0,
            told_unix_ms: 0,
        }
    }

    /// Of a hundred new calls, those that are refused.
    pub fn share(&self) -> u32 {
        self.share
    }

    /// Takes note of what the signalling task did, and of what waits for it.
    pub fn worked(&mut self, load: Load, now: Instant, unix_ms: u64) {
        if self.limit != CallLimit::Auto {
            return;
        }
        let took = u64::try_from(load.took.as_nanos()).unwrap_or(u64::MAX);
        let each = took.checked_div(load.handled as u64).unwrap_or(0);
        // A few messages cost what the machine happened to do meanwhile.
        if load.handled >= LEAST_WAITING / 4 {
            self.cost_ns = (self.cost_ns * 7 + each) / 8;
        }
        if self.looked.is_some_and(|looked| now < looked + LOOK) {
            return;
        }
        let queued = match load.waiting {
            // Those who read wait too, and for how long is not known.
            waiting if waiting >= load.room / 4 * 3 => MAX_WAIT,
            waiting if waiting >= LEAST_WAITING => {
                Duration::from_nanos(self.cost_ns.saturating_mul(waiting as u64))
            }
            _ => Duration::ZERO,
        };
        self.looked = Some(now);
        self.refuse(share_of(queued.saturating_add(load.unread)), unix_ms);
    }

    fn refuse(&mut self, share: u32, unix_ms: u64) {
        if self.share != share {
            self.share = share;
            self.told_unix_ms = unix_ms;
        }
    }

    /// Whether a new call is to be refused, with so many of so many transactions under way. One that
    /// is not refused is [`Overload::taken`], unless it only repeats another.
    pub fn refuses(&mut self, (open, room): (usize, usize), now: Instant, unix_ms: u64) -> bool {
        self.turn_window(now, unix_ms);
        self.seen = self.seen.saturating_add(1);
        let refused = open >= room / 100 * TABLE_PART
            || match self.limit {
                CallLimit::Off => false,
                CallLimit::Rate(_) => self.next.is_some_and(|next| next > now + WINDOW),
                CallLimit::Auto => {
                    if self.looked.is_some_and(|looked| now >= looked + IDLE) {
                        // Nothing has been handled for a while: there is nothing that waits.
                        self.refuse(0, unix_ms);
                    }
                    self.owed += self.share;
                    let due = self.owed >= 100;
                    self.owed -= if due { 100 } else { 0 };
                    due
                }
            };
        self.refused += u32::from(refused);
        refused
    }

    /// A new call was taken.
    pub fn taken(&mut self, now: Instant) {
        if let CallLimit::Rate(rate) = self.limit {
            let step = WINDOW / rate.max(1);
            self.next = Some(self.next.map_or(now, |next| next.max(now)) + step);
        }
    }

    /// With a configured rate the share is what was refused in the last window.
    fn turn_window(&mut self, now: Instant, unix_ms: u64) {
        let began = *self.window.get_or_insert(now);
        if now < began + WINDOW {
            return;
        }
        if let CallLimit::Rate(_) = self.limit {
            let late = now >= began + 2 * WINDOW;
            let share = (self.refused * 100).div_ceil(self.seen.max(1));
            let share = if late { 0 } else { share };
            if share != self.share {
                self.told_unix_ms = unix_ms;
            }
            self.share = share;
        }
        (self.window, self.seen, self.refused) = (Some(now), 0, 0);
    }

    /// Tells a neighbour that says `oc` in its Via what share of new calls it shall keep back: all
    /// answers copy the Via (RFC 7339 section 4). True if the neighbour is one.
    pub fn tell(&mut self, request: &mut Message, now: Instant, unix_ms: u64) -> bool {
        // Few do: the Via of all others is not read here.
        let may = |via: &str| via.contains("oc");
        if !request.headers.get(HeaderName::Via).is_some_and(may) {
            return false;
        }
        let Ok(mut via) = request.top_via() else {
            return false;
        };
        if !via.params.contains("oc") {
            return false;
        }
        self.turn_window(now, unix_ms);
        if self.told_unix_ms == 0 {
            self.told_unix_ms = unix_ms;
        }
        // Nothing to keep back, and no need to ask again (section 4.3).
        let validity = if self.share == 0 { 0 } else { OC_VALIDITY_MS };
        let at = self.told_unix_ms;
        let params = &mut via.params;
        params.set_value("oc", self.share.to_string());
        params.set_value("oc-algo", "\"loss\"");
        params.set_value("oc-validity", validity.to_string());
        params.set_value("oc-seq", format!("{}.{:03}", at / 1000, at % 1000));
        request.headers.set_first(HeaderName::Via, via);
        true
    }
}

/// Of a hundred new calls, those to refuse while messages wait for so long.
fn share_of(wait: Duration) -> u32 {
    let beyond = wait.saturating_sub(SHORT_WAIT).as_micros();
    let share = beyond * 100 / (MAX_WAIT - SHORT_WAIT).as_micros();
    u32::try_from(share).unwrap_or(100).min(100)
}

impl Core {
    /// Gives a message to the transaction layer, unless it is a new call that is refused here.
    pub(super) fn admit(&mut self, mut message: Message, flow: Flow, now: Now) -> Fate {
        if message.is_request() && !self.is_control(&flow) {
            let neighbour = self.overload.tell(&mut message, now.instant, now.unix_ms);
            if self.turns_away(&message, &flow, now) {
                // Who speaks `oc` would take Retry-After as a word to send nothing at all.
                let retry_after = (!neighbour).then_some(RETRY_AFTER_S);
                self.counters.drop(EdgeDrop::Overload);
                self.layer.turn_away(message, flow, retry_after);
                return Fate::TurnedAway;
            }
        }
        match self.layer.receive(message, flow, now.instant) {
            Ok(()) => Fate::Taken,
            Err(_) => {
                self.counters.drop(EdgeDrop::Transaction);
                Fate::NotTaken
            }
        }
    }

    /// Whether it is an INVITE without To tag that does not repeat one that was taken, and has to be
    /// refused.
    fn turns_away(&mut self, message: &Message, flow: &Flow, now: Now) -> bool {
        if message.method() != Some(&Method::Invite) || message.to_tag().is_some() {
            return false;
        }
        let table = (self.layer.len(), self.config.timers.max_transactions);
        self.overload.refuses(table, now.instant, now.unix_ms) && !self.layer.knows(message, flow)
    }

    /// What the signalling task has done, and what waits for it.
    pub fn worked(&mut self, load: Load, now: Now) {
        self.overload.worked(load, now.instant, now.unix_ms);
    }
}

#[cfg(test)]
mod tests;
