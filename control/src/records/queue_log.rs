//! The queue log in the text format of Asterisk's app_queue:
//! `epoch|uniqueid|queue|agent|event|data1|data2|…`.

use std::collections::BTreeMap;
use std::fmt::Write;

use patchbay_core::centre::OverflowWhen;
use patchbay_core::{AgentId, ContactId, Event, OfferEnd, QueueId, RefuseReason, Status, What};
use patchbay_route::session::EndedBy;
use rustc_hash::FxHashMap;

use super::number;
use crate::store::contact_of;
use crate::story::{Call, Calls, Ending, Kind, Promised, Range, TryEnd};

/// Which queues agents serve. Events do not say it, so it is that of the declaration in force.
pub type Memberships = BTreeMap<AgentId, Vec<QueueId>>;

/// What stands where there is nothing to name.
const NONE: &str = "NONE";

/// A queue log that is being written. Give it events as [`Calls`] wants them.
#[derive(Debug)]
pub struct QueueLog {
    range: Range,
    calls: Calls,
    logged: FxHashMap<ContactId, Logged>,
    members: BTreeMap<AgentId, Member>,
    queues: Memberships,
}

/// What is written of a contact.
#[derive(Debug, Default)]
struct Logged {
    entered: bool,
    connected: bool,
    /// For each of its offers, whether its end is written.
    tries: Vec<bool>,
    /// How many of its moves to other queues are.
    moves: usize,
}

/// What is written of an agent: whether it is there, and whether it is paused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Member {
    there: bool,
    paused: bool,
}

impl QueueLog {
    /// Nothing is written yet.
    #[must_use]
    pub fn new(range: Range, queues: Memberships) -> QueueLog {
        QueueLog {
            range,
            calls: Calls::new(range),
            logged: FxHashMap::default(),
            members: BTreeMap::new(),
            queues,
        }
    }

    /// Takes an event about an agent from before the range.
    pub fn before(&mut self, event: &Event) {
        let _written_by_the_range_before = self.agent(event);
    }

    /// Whether every contact of the range is over.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.calls.open() == 0
    }

    /// Takes one event, and gives the lines that come of it.
    pub fn take(&mut self, event: &Event) -> String {
        let mut lines = match self.range.has(event.unix_ms) {
            true => self.agent(event),
            false => String::new(),
        };
        let over = self.calls.take(event);
        let going_on = contact_of(event).and_then(|contact| self.calls.get(contact));
        for call in going_on.into_iter().chain(&over) {
            let logged = self.logged.entry(call.id).or_default();
            tell(call, logged, &mut lines);
        }
        for call in &over {
            self.logged.remove(&call.id);
        }
        lines
    }

    /// Lines about an agent; the control node's beginning is told too.
    fn agent(&mut self, event: &Event) -> String {
        let mut lines = String::new();
        match &event.what {
            What::ControlStarted => {
                self.members.clear();
                line(
                    &mut lines,
                    event.unix_ms,
                    [NONE, NONE, NONE, "QUEUESTART"],
                    "",
                );
            }
            What::AgentStatus {
                agent,
                status,
                reachable,
            } => {
                let reason = match status {
                    Status::Paused { reason } => reason.as_str(),
                    Status::Ready | Status::LoggedOut => "",
                };
                let there = *reachable && *status != Status::LoggedOut;
                let paused = there && matches!(status, Status::Paused { .. });
                let member = Member { there, paused };
                let before = self.members.insert(agent.clone(), member);
                let changes = changes(before.unwrap_or_default(), member);
                let none = [QueueId::new(NONE)];
                let queues = self.queues.get(agent).map_or(&none[..], Vec::as_slice);
                for queue in queues {
                    for what in &changes {
                        let reason = if *what == "PAUSE" { reason } else { "" };
                        let names = [NONE, queue.as_str(), agent.as_str(), what];
                        line(&mut lines, event.unix_ms, names, &clean(reason));
                    }
                }
            }
            _ => {}
        }
        lines
    }
}

/// What is to be written so that one becomes the other.
fn changes(before: Member, now: Member) -> Vec<&'static str> {
    let mut changes = Vec::new();
    match (before.there, now.there) {
        (false, true) => changes.push("ADDMEMBER"),
        (true, false) => changes.push("REMOVEMEMBER"),
        _ => {}
    }
    match (before.paused, now.paused) {
        (false, true) => changes.push("PAUSE"),
        // Who leaves needs no end of the pause.
        (true, false) if now.there => changes.push("UNPAUSE"),
        _ => {}
    }
    changes
}

/// Writes what is known of a contact and not yet written.
fn tell(call: &Call, logged: &mut Logged, lines: &mut String) {
    let Some(kind) = &call.kind else {
        return;
    };
    tell_moves(call, kind, logged, lines);
    if let Some(promised) = call.promised {
        return tell_promise(call, promised, logged, lines);
    }
    let refused_at_the_door = match call.end {
        Some((_, Ending::Refused(_, why))) => !call.entered && why != RefuseReason::NoAgents,
        Some((_, Ending::Redirected(when))) => {
            !call.entered && when != Some(OverflowWhen::NoAgents)
        }
        Some((_, Ending::Lost)) => !call.entered,
        _ => !call.entered && call.end.is_none(),
    };
    if refused_at_the_door {
        return;
    }
    let id = call.id.to_string();
    let queue = kind.queue.as_str();
    if !std::mem::replace(&mut logged.entered, true) {
        let came = call.moves.last().map(|left| left.unix_ms);
        let came = came.unwrap_or(call.arrived_unix_ms);
        enter(call, kind, queue, (came, call.first_position), lines);
    }
    logged.tries.resize(call.tries.len(), false);
    for (one, told) in call.tries.iter().zip(&mut logged.tries) {
        let Some(over) = one.over_unix_ms.filter(|_| !*told) else {
            continue;
        };
        *told = true;
        let what = match one.end {
            Some(TryEnd::Answered | TryEnd::Failed(OfferEnd::AnsweredElsewhere, _)) => continue,
            Some(TryEnd::Failed(OfferEnd::CallerGone, _)) => "RINGCANCELED",
            _ => "RINGNOANSWER",
        };
        let names = [&id, queue, one.agent.as_str(), what];
        line(lines, over, names, &one.rang_ms().to_string());
    }
    if let (Some(answered), false) = (call.answered_unix_ms, logged.connected) {
        logged.connected = true;
        tell_answer(call, answered, [&id, queue], lines);
    }
    if let Some((ended, how)) = call.end {
        tell_end(call, ended, how, [&id, queue], lines);
    }
}

/// A caller who is to be called back leaves the queue; the log knows nothing of calls to customers.
fn tell_promise(call: &Call, promised: Promised, logged: &mut Logged, lines: &mut String) {
    let entered = std::mem::take(&mut logged.entered);
    let (Some(kind), Some(when), true) = (&call.kind, promised.when, entered) else {
        return;
    };
    let id = call.id.to_string();
    let (first, last) = (call.first_position, call.position);
    let data = format!("{last}|{first}|{}", promised.waited_ms / 1_000);
    let names = [&id, kind.queue.as_str(), NONE, overflow(Some(when))];
    line(lines, promised.unix_ms, names, &data);
}

/// A contact that goes to another queue leaves the one that it waited in; it enters the other when it waits
/// there.
fn tell_moves(call: &Call, kind: &Kind, logged: &mut Logged, lines: &mut String) {
    let id = call.id.to_string();
    let told = logged.moves;
    for (index, left) in call.moves.iter().enumerate().skip(told) {
        let entered = std::mem::take(&mut logged.entered);
        let Some((first, last)) = left.waited_at else {
            continue;
        };
        let queue = left.from.as_str();
        if !entered {
            let before = index
                .checked_sub(1)
                .and_then(|before| call.moves.get(before));
            let came = before.map_or(call.arrived_unix_ms, |before| before.unix_ms);
            enter(call, kind, queue, (came, first), lines);
        }
        let data = format!("{last}|{first}|{}", left.waited_ms / 1_000);
        line(
            lines,
            left.unix_ms,
            [&id, queue, NONE, overflow(Some(left.when))],
            &data,
        );
    }
    logged.moves = call.moves.len();
}

fn enter(call: &Call, kind: &Kind, queue: &str, (at, first): (u64, usize), lines: &mut String) {
    let id = call.id.to_string();
    let data = format!("|{}|{first}", clean(&number(&kind.from)));
    line(lines, at, [&id, queue, NONE, "ENTERQUEUE"], &data);
}

fn overflow(when: Option<OverflowWhen>) -> &'static str {
    match when {
        Some(OverflowWhen::Waited) => "EXITWITHTIMEOUT",
        Some(OverflowWhen::Pressed) => "EXITWITHKEY",
        Some(OverflowWhen::Full | OverflowWhen::NoAgents) | None => "EXITEMPTY",
    }
}

fn tell_answer(call: &Call, answered: u64, [id, queue]: [&str; 2], lines: &mut String) {
    let agent = call.agent.as_ref().map_or(NONE, AgentId::as_str);
    let mut tries = call.tries.iter();
    let taken = tries.find(|one| one.end == Some(TryEnd::Answered));
    let (offer, rang) = taken.map_or((NONE.to_owned(), 0), |one| {
        (one.offer.to_string(), one.rang_ms() / 1_000)
    });
    let data = format!("{}|{offer}|{rang}", call.waited_ms / 1_000);
    line(lines, answered, [id, queue, agent, "CONNECT"], &data);
}

fn tell_end(call: &Call, ended: u64, how: Ending, [id, queue]: [&str; 2], lines: &mut String) {
    let agent = call.agent.as_ref().map_or(NONE, AgentId::as_str);
    let waited = call.waited_ms / 1_000;
    let (first, last) = (call.first_position, call.position);
    let left = format!("{last}|{first}|{waited}");
    let over = format!("{waited}|{}|{first}", call.talked_ms / 1_000);
    let (agent, what, data) = match how {
        Ending::Served(_, Some(EndedBy::Client)) => (agent, "COMPLETECALLER", over),
        Ending::Served(..) => (agent, "COMPLETEAGENT", over),
        Ending::Abandoned => (NONE, "ABANDON", left),
        Ending::Refused(_, RefuseReason::WaitedTooLong) => (NONE, "EXITWITHTIMEOUT", left),
        Ending::Redirected(when) => (NONE, overflow(when), left),
        // How long they talked is not known.
        Ending::Lost if call.answered_unix_ms.is_some() => return,
        Ending::Refused(..) | Ending::Lost => (NONE, "EXITEMPTY", left),
    };
    line(lines, ended, [id, queue, agent, what], &data);
}

fn line(lines: &mut String, unix_ms: u64, names: [&str; 4], data: &str) {
    let epoch = unix_ms / 1_000;
    let [id, queue, agent, what] = names;
    // Writing to a text does not fail.
    let _infallible = writeln!(lines, "{epoch}|{id}|{queue}|{agent}|{what}|{data}");
}

/// A text that stays in its field.
fn clean(text: &str) -> String {
    let harmless = |c: char| {
        if c == '|' || c.is_control() { ' ' } else { c }
    };
    text.chars().map(harmless).collect()
}
