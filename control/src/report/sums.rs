//! What the rows of reports add up.

use hdrhistogram::Histogram;

/// Digits that quantiles are exact to: they are off by a hundredth at most.
const DIGITS: u8 = 2;
/// The longest time that quantiles tell apart, in milliseconds: a day.
const LONGEST_MS: u64 = 86_400_000;

/// How long things took. Count, sum and longest are exact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// All together, in milliseconds.
    pub sum_ms: u64,
    /// The longest, in milliseconds.
    pub max_ms: u64,
    histogram: Option<Histogram<u32>>,
}

impl Spread {
    /// Adds one.
    pub fn add(&mut self, ms: u64) {
        self.count += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.max_ms = self.max_ms.max(ms);
        if self.histogram.is_none() {
            self.histogram = Histogram::new(DIGITS).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            // It grows to the longest by itself, which is bounded.
            let _fits = histogram.record(ms.min(LONGEST_MS));
        }
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Spread) {
        self.count += other.count;
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
        match (&mut self.histogram, &other.histogram) {
            (Some(ours), Some(theirs)) => {
                let _fits = ours.add(theirs);
            }
            (None, Some(theirs)) => self.histogram = Some(theirs.clone()),
            (_, None) => {}
        }
    }

    /// The mean in milliseconds; none without any.
    #[must_use]
    pub fn mean_ms(&self) -> Option<u64> {
        self.sum_ms.checked_div(self.count)
    }

    /// So many milliseconds or less took this share (0 to 1) of them; none without any.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> Option<u64> {
        let histogram = self.histogram.as_ref()?;
        Some(histogram.value_at_quantile(share).min(self.max_ms))
    }
}

/// One row. Durations are milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sums {
    /// Contacts that came to a queue.
    pub offered: u64,
    /// Those that an agent answered.
    pub answered: u64,
    /// Those answered within the threshold.
    pub answered_within: u64,
    /// Those whose caller gave up.
    pub abandoned: u64,
    /// Those whose caller gave up within the threshold.
    pub abandoned_within: u64,
    /// Those that were refused: queue full, waited too long, nobody there, …
    pub refused: u64,
    /// Those whose callers were told to call somebody else.
    pub redirected: u64,
    /// Those whose customers were promised a call. They do not wait on the line: they are not among those
    /// answered and abandoned, and have no part in waits and service levels.
    pub call_backs: u64,
    /// Customers who were reached by such a call.
    pub called_back: u64,
    /// Those that went on to another queue, where they are offered again.
    pub moved: u64,
    /// Those that the end of the process took.
    pub lost: u64,
    /// Those that were neither answered nor over with the last event.
    pub waiting: u64,
    /// Contacts that were refused before they were typed for a queue; not among those offered.
    pub turned_away: u64,
    /// From arrival to answer.
    pub waits: Spread,
    /// From arrival to the end, of those abandoned.
    pub abandon_waits: Spread,
    /// From answer to end, of calls that ended.
    pub talks: Spread,
    /// How many times a side of these calls was on hold.
    pub holds: u64,
    /// For how long all together.
    pub held_ms: u64,
    /// Work after these calls.
    pub wrap_up_ms: u64,
    /// Offers made.
    pub offers: u64,
    /// Offers that the agent let ring out.
    pub missed: u64,
    /// Offers that the agent or the phone refused, or that did not reach it.
    pub failed: u64,
    /// Time of agents in calls and in wrap-up.
    pub busy_ms: u64,
    /// Time of agents ready and reachable, and neither in a call nor in wrap-up.
    pub free_ms: u64,
    /// Time of agents paused and reachable, and neither in a call nor in wrap-up.
    pub paused_ms: u64,
}

/// `part / whole`; none of nothing.
#[must_use]
#[allow(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 53 bits"
)]
pub fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Sums {
    /// Adds those of another row.
    pub fn merge(&mut self, other: &Sums) {
        self.waits.merge(&other.waits);
        self.abandon_waits.merge(&other.abandon_waits);
        self.talks.merge(&other.talks);
        for (ours, theirs) in self
            .counts_mut()
            .into_iter()
            .zip(other.clone().counts_mut())
        {
            *ours = ours.saturating_add(*theirs);
        }
    }

    /// Everything that is only added.
    fn counts_mut(&mut self) -> [&mut u64; 22] {
        [
            &mut self.offered,
            &mut self.answered,
            &mut self.answered_within,
            &mut self.abandoned,
            &mut self.abandoned_within,
            &mut self.refused,
            &mut self.redirected,
            &mut self.call_backs,
            &mut self.called_back,
            &mut self.moved,
            &mut self.lost,
            &mut self.waiting,
            &mut self.turned_away,
            &mut self.holds,
            &mut self.held_ms,
            &mut self.wrap_up_ms,
            &mut self.offers,
            &mut self.missed,
            &mut self.failed,
            &mut self.busy_ms,
            &mut self.free_ms,
            &mut self.paused_ms,
        ]
    }

    /// Those who waited on the line.
    fn on_the_line(&self) -> u64 {
        self.offered.saturating_sub(self.call_backs)
    }

    /// Answered within the threshold, of those offered who were not to be called back.
    #[must_use]
    pub fn service_level(&self) -> Option<f64> {
        share(self.answered_within, self.on_the_line())
    }

    /// The same without those who gave up within the threshold.
    #[must_use]
    pub fn service_level_without_short(&self) -> Option<f64> {
        let counted = self.on_the_line().saturating_sub(self.abandoned_within);
        share(self.answered_within, counted)
    }

    /// The same with those who gave up within the threshold counted as served.
    #[must_use]
    pub fn service_level_with_short(&self) -> Option<f64> {
        let in_time = self.answered_within + self.abandoned_within;
        share(in_time, self.on_the_line())
    }

    /// Takes what became of a call that was served.
    pub fn add_talk(&mut self, talked_ms: u64, holds: u32, held_ms: u64) {
        self.talks.add(talked_ms);
        self.holds += u64::from(holds);
        self.held_ms = self.held_ms.saturating_add(held_ms);
    }

    /// Talk and wrap-up of a call that ended, on average, in milliseconds.
    #[must_use]
    pub fn handling_ms(&self) -> Option<u64> {
        (self.talks.sum_ms.saturating_add(self.wrap_up_ms)).checked_div(self.talks.count)
    }

    /// The share of their time that agents who could be called, or were at work, spent at work.
    #[must_use]
    pub fn occupancy(&self) -> Option<f64> {
        share(self.busy_ms, self.busy_ms.saturating_add(self.free_ms))
    }
}
