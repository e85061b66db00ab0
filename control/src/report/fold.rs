//! The fold: takes events in their order, and adds rows up.

use std::collections::BTreeMap;

use patchbay_core::{Activity, AgentId, Event, OfferEnd, Status, What};
use thiserror::Error;

use super::agents::{Clock, Doing};
use super::{By, Key, Subject, Sums};
use crate::story::{Call, Calls, Ending, Range, TryEnd};

/// Rows of one report: a year by the hour.
pub const MAX_ROWS: usize = 9_000;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Over which time.
    pub range: Range,
    /// In steps of so many milliseconds from the range's beginning on; none: in one.
    pub step_ms: Option<u64>,
    /// Answers within so many milliseconds are in time.
    pub threshold_ms: u64,
    /// What there are rows for.
    pub by: By,
}

/// A report would have more than [`MAX_ROWS`] rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the report has more than {MAX_ROWS} rows; ask for a shorter range or a longer step")]
pub struct TooManyRows;

/// A report that is being added up. Give it what agents did before the range by [`Fold::before`], then
/// the events from the range's beginning on, and beyond its end until [`Fold::settled`].
#[derive(Debug)]
pub struct Fold {
    terms: Terms,
    rows: BTreeMap<Key, Sums>,
    calls: Calls,
    agents: BTreeMap<AgentId, Clock>,
    /// When the last event was.
    now: u64,
}

impl Fold {
    /// Nothing yet.
    #[must_use]
    pub fn new(terms: Terms) -> Fold {
        Fold {
            terms,
            rows: BTreeMap::new(),
            calls: Calls::new(terms.range),
            agents: BTreeMap::new(),
            now: terms.range.from,
        }
    }

    /// Takes an event about an agent from before the range, so that its state is known when it
    /// begins.
    pub fn before(&mut self, event: &Event) {
        match &event.what {
            What::ControlStarted => self.agents.clear(),
            What::AgentStatus {
                agent,
                status,
                reachable,
            } => self.clock(agent).status(status, *reachable),
            What::AgentState { agent, activity } => {
                self.clock(agent).activity(activity, event.unix_ms);
            }
            _ => {}
        }
    }

    /// Takes one event.
    ///
    /// # Errors
    /// [`TooManyRows`].
    pub fn take(&mut self, event: &Event) -> Result<(), TooManyRows> {
        match &event.what {
            What::AgentStatus {
                agent,
                status,
                reachable,
            } => self.status(agent, status, *reachable, event.unix_ms)?,
            What::AgentState { agent, activity } => {
                self.activity(agent, activity, event.unix_ms)?;
            }
            What::ControlStarted => self.restarted()?,
            _ => {}
        }
        for call in self.calls.take(event) {
            self.count(&call)?;
            self.remember(&call, &event.what);
        }
        self.now = self.now.max(event.unix_ms);
        Ok(())
    }

    /// Whether later events would change nothing: every contact and the work after it is over.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.calls.open() == 0 && self.agents.values().all(|clock| clock.wrap_up.is_none())
    }

    /// The rows, with time counted up to `now` where the range goes on. Contacts that are not over count
    /// with what is known of them.
    ///
    /// # Errors
    /// [`TooManyRows`].
    pub fn finish(mut self, now: u64) -> Result<BTreeMap<Key, Sums>, TooManyRows> {
        let lost = self.calls.did_not_wait_on(now);
        for call in lost.into_iter().chain(self.calls.drain()) {
            self.count(&call)?;
        }
        let agents = std::mem::take(&mut self.agents);
        for (agent, clock) in agents {
            self.pass(&agent, &clock, now)?;
        }
        self.fill(now)?;
        Ok(self.rows)
    }

    /// Steps of time in which nothing happened have rows too.
    fn fill(&mut self, now: u64) -> Result<(), TooManyRows> {
        let Range { from, to } = self.terms.range;
        let (By::Time, Some(step)) = (self.terms.by, self.terms.step_ms) else {
            return Ok(());
        };
        let mut at = from;
        while at < to.min(now) {
            self.row((at, Subject::All))?;
            at = at.saturating_add(step.max(1));
        }
        Ok(())
    }

    /// Contacts that were not followed because too many were under way.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.calls.left_out()
    }

    fn clock(&mut self, agent: &AgentId) -> &mut Clock {
        let from = self.terms.range.from;
        let agents = &mut self.agents;
        agents
            .entry(agent.clone())
            .or_insert_with(|| Clock::new(from))
    }

    fn row(&mut self, key: Key) -> Result<&mut Sums, TooManyRows> {
        if self.rows.len() >= MAX_ROWS && !self.rows.contains_key(&key) {
            return Err(TooManyRows);
        }
        Ok(self.rows.entry(key).or_default())
    }

    /// When the step of time begins that a moment of the range is in.
    fn step(&self, unix_ms: u64) -> u64 {
        let from = self.terms.range.from;
        match self.terms.step_ms {
            Some(step) => unix_ms - unix_ms.saturating_sub(from) % step.max(1),
            None => from,
        }
    }

    fn status(
        &mut self,
        agent: &AgentId,
        status: &Status,
        reachable: bool,
        now: u64,
    ) -> Result<(), TooManyRows> {
        let mut clock = self.agents.remove(agent).unwrap_or_default();
        self.pass(agent, &clock, now)?;
        clock.since = now;
        clock.status(status, reachable);
        self.agents.insert(agent.clone(), clock);
        Ok(())
    }

    fn activity(
        &mut self,
        agent: &AgentId,
        activity: &Activity,
        now: u64,
    ) -> Result<(), TooManyRows> {
        let mut clock = self.agents.remove(agent).unwrap_or_default();
        self.pass(agent, &clock, now)?;
        clock.since = now;
        if let Some((key, ms)) = clock.activity(activity, now) {
            self.row(key)?.wrap_up_ms += ms;
        }
        self.agents.insert(agent.clone(), clock);
        Ok(())
    }

    /// Nothing is known of agents from the last word of the process before until they are told anew.
    fn restarted(&mut self) -> Result<(), TooManyRows> {
        let now = self.now;
        for (agent, clock) in std::mem::take(&mut self.agents) {
            self.pass(&agent, &clock, now)?;
        }
        Ok(())
    }

    /// Adds the time that passed with what an agent did, step by step, as far as it is in the range.
    fn pass(&mut self, agent: &AgentId, clock: &Clock, until: u64) -> Result<(), TooManyRows> {
        let Range { from, to } = self.terms.range;
        let subject = match self.terms.by {
            By::Queue => return Ok(()),
            By::Agent => Subject::Agent(agent.clone()),
            By::Time => Subject::All,
        };
        let doing = clock.doing();
        let (mut at, until) = (clock.since.max(from), until.min(to));
        while at < until && doing != Doing::Away {
            let step = self.step(at);
            let next = self.terms.step_ms.map_or(to, |ms| step.saturating_add(ms));
            let ms = next.min(until) - at;
            let row = self.row((step, subject.clone()))?;
            match doing {
                Doing::Busy => row.busy_ms += ms,
                Doing::Free => row.free_ms += ms,
                Doing::Paused => row.paused_ms += ms,
                Doing::Away => {}
            }
            at = at.saturating_add(ms);
        }
        Ok(())
    }

    /// The work after a call belongs to the row of the call.
    fn remember(&mut self, call: &Call, what: &What) {
        let What::ContactEnded { agent, .. } = what else {
            return;
        };
        let key = self.key(call, agent);
        self.clock(agent).last_call = key;
    }

    /// The row of a contact that an agent answered.
    fn key(&self, call: &Call, agent: &AgentId) -> Option<Key> {
        let subject = match self.terms.by {
            By::Queue => Subject::Queue(call.queue()?.clone()),
            By::Agent => Subject::Agent(agent.clone()),
            By::Time => Subject::All,
        };
        Some((self.step(call.arrived_unix_ms), subject))
    }

    /// Counts a contact that is over, or of which no more is known.
    fn count(&mut self, call: &Call) -> Result<(), TooManyRows> {
        let step = self.step(call.arrived_unix_ms);
        let threshold = self.terms.threshold_ms;
        match (self.terms.by, call.queue()) {
            (By::Agent, _) => return self.count_offers(call, step),
            (By::Queue, None) => {}
            (By::Time, None) => self.row((step, Subject::All))?.turned_away += 1,
            (By::Queue, Some(queue)) => {
                for left in &call.moves {
                    let row = self.row((step, Subject::Queue(left.from.clone())))?;
                    row.offered += 1;
                    row.moved += 1;
                }
                let key = (step, Subject::Queue(queue.clone()));
                count_contact(self.row(key)?, call, threshold);
            }
            (By::Time, Some(_)) => {
                count_contact(self.row((step, Subject::All))?, call, threshold);
            }
        }
        Ok(())
    }

    /// Counts what a contact was to the agents that it was offered to.
    fn count_offers(&mut self, call: &Call, step: u64) -> Result<(), TooManyRows> {
        for one in &call.tries {
            let row = self.row((step, Subject::Agent(one.agent.clone())))?;
            row.offers += 1;
            match one.end {
                Some(TryEnd::Answered) => {
                    row.answered += 1;
                    if call.promised.is_none() {
                        row.waits.add(call.waited_ms);
                    }
                    if let Some((_, Ending::Served(..))) = call.end {
                        row.add_talk(call.talked_ms, call.holds, call.held_ms);
                    }
                }
                Some(TryEnd::Failed(why, _)) => match why {
                    OfferEnd::NoAnswer => row.missed += 1,
                    OfferEnd::CallerGone
                    | OfferEnd::CustomerAway
                    | OfferEnd::AnsweredElsewhere
                    | OfferEnd::Ended => {}
                    _ => row.failed += 1,
                },
                None => {}
            }
        }
        Ok(())
    }
}

fn count_contact(row: &mut Sums, call: &Call, threshold_ms: u64) {
    row.offered += 1;
    row.offers += u64::from(call.offers);
    if call.promised.is_some() {
        row.call_backs += 1;
        row.called_back += u64::from(call.answered_unix_ms.is_some());
        if let Some((_, Ending::Served(..))) = call.end {
            row.add_talk(call.talked_ms, call.holds, call.held_ms);
        }
        return;
    }
    if call.answered_unix_ms.is_some() {
        row.answered += 1;
        row.answered_within += u64::from(call.waited_ms <= threshold_ms);
        row.waits.add(call.waited_ms);
        if let Some((_, Ending::Served(..))) = call.end {
            row.add_talk(call.talked_ms, call.holds, call.held_ms);
        }
        return;
    }
    match call.end {
        Some((_, Ending::Abandoned)) => {
            row.abandoned += 1;
            row.abandoned_within += u64::from(call.waited_ms <= threshold_ms);
            row.abandon_waits.add(call.waited_ms);
        }
        Some((_, Ending::Refused(..))) => row.refused += 1,
        Some((_, Ending::Redirected(_))) => row.redirected += 1,
        // An end without an answer that was seen: the events of the answer cannot be read.
        Some((_, Ending::Lost | Ending::Served(..))) => row.lost += 1,
        None => row.waiting += 1,
    }
}
