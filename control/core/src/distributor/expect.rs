//! How long a contact is expected to wait (requirement G9).
//!
//! The agents who can serve it, when all are busy, become free one after the other, on average every
//! handling time divided by the calls that they take at a time. It is served when one has become free
//! for it and for everybody who comes before it, in its own queue or in others that share its
//! agents. Of those it counts the part that its agents will serve: the part of their agents that
//! are its agents too. Each counts with the handling time of its own queue.
//!
//! Those who come before it give up, too, each at the rate that was seen of late. So with `k` of them
//! left the next step forward takes `1 / (agents / handling + k * rate)`, and the wait is the sum of
//! the steps. Their sum is distributed as of a process without memory (Erlang's distribution), whose
//! median is what is told: half of all contacts wait less. It changes when somebody comes or goes, an
//! agent comes or goes, or a mean changes by a call that ended, and never by itself.

use super::{Distributor, Queue};
use crate::contact::Ticket;
use crate::selection::{Class, Urgency};
use core::time::Duration;

/// Longest wait that is told.
const LONGEST: Duration = Duration::from_secs(86_400);

impl Distributor {
    /// The expected wait of a contact that waits, from now on. None while no handling time is
    /// known, or nobody is there who could serve it.
    pub(super) fn expected(&self, ticket: &Ticket) -> Option<Duration> {
        let urgency = self.urgency(ticket.queue?, &ticket.place);
        self.expected_behind(self.classes.get(ticket.class?)?, Some(urgency))
    }

    /// The expected wait of a contact that would come to a queue now and ask for what most of its
    /// agents can do.
    pub(super) fn expected_next(&self, queue_at: usize) -> Option<Duration> {
        let classes = self.classes.of_queue(queue_at);
        let classes = classes.filter_map(|class| self.classes.get(class));
        self.expected_behind(classes.max_by_key(|class| class.ready)?, None)
    }

    /// The expected wait of a contact that would come now and ask for that.
    pub(super) fn expected_in(&self, class: &Class) -> Option<Duration> {
        self.expected_behind(class, None)
    }

    /// Behind all who are more urgent; without an urgency behind everybody.
    fn expected_behind(&self, class: &Class, urgency: Option<Urgency>) -> Option<Duration> {
        if urgency.is_none() && !class.free.is_empty() {
            return Some(Duration::ZERO);
        }
        let own = self.handling(self.queues.get(class.queue_at)?)?;
        if class.ready == 0 {
            return None;
        }
        let (mut work, mut before) = (own, 0.0);
        for (other, part) in &class.shares {
            let Some(other) = self.classes.get(*other) else {
                continue;
            };
            let queue = self.queues.get(other.queue_at);
            let each = queue.and_then(|queue| self.handling(queue)).unwrap_or(own);
            let ahead = part * count(self.ahead(other, urgency));
            (work, before) = (work + each * ahead, before + ahead);
        }
        // What one contact takes of an agent, with those of other queues.
        let each = work / (before + 1.0);
        let queue = self.queues.get(class.queue_at)?;
        let seconds = steps(before, count(class.ready) / each, queue.learned.given_up());
        let seconds = seconds * median_of_steps(before + 1.0);
        Duration::try_from_secs_f64(seconds.min(LONGEST.as_secs_f64())).ok()
    }

    /// How many of a class come before that; counted from the end, where contacts arrive.
    fn ahead(&self, class: &Class, urgency: Option<Urgency>) -> usize {
        let Some(urgency) = urgency else {
            return class.waiting.len();
        };
        let behind = class.waiting.iter().rev();
        let behind = behind.take_while(|place| self.urgency(class.queue_at, place) <= urgency);
        class.waiting.len().saturating_sub(behind.count())
    }

    /// The mean handling time of a queue, in seconds: of others, as long as it has none of its own.
    fn handling(&self, queue: &Queue) -> Option<f64> {
        queue.learned.handling().or_else(|| {
            let others = self.queues.iter();
            others.filter_map(|queue| queue.learned.handling()).next()
        })
    }
}

/// The sum of the steps forward of a contact that has so many before it, in seconds. `served` and
/// `given_up` are rates a second: of all agents together, and of each contact that waits.
fn steps(before: f64, served: f64, given_up: f64) -> f64 {
    if given_up * (before + 1.0) < served * 1e-6 {
        return (before + 1.0) / served;
    }
    // The last step is nobody's before it; the sum of the others is nearly this integral.
    let (first, last) = (served + 0.5 * given_up, served + (before + 0.5) * given_up);
    1.0 / served + (last / first).ln() / given_up
}

/// The median of the sum of so many exponentially distributed steps, as a part of its mean.
fn median_of_steps(steps: f64) -> f64 {
    (steps - 1.0 / 3.0 + 0.02 / steps) / steps
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn count(number: usize) -> f64 {
    number as f64
}
