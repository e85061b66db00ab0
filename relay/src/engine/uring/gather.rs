//! When to let packets gather before a wake-up.
//!
//! A wake-up costs as much as forwarding a few packets. A thread that is nearly always at work
//! therefore waits a moment for more of them, so that the next wake-up serves many; the moment is
//! short beside what a network adds, and nothing beside a jitter buffer. A thread with time to
//! spare takes each packet at once.

/// For how long packets gather, in microseconds.
const GATHER_US: u32 = 40;

/// Packets gather once the thread is at work for more than this share of the time, in percent.
const BEGIN_PERCENT: u64 = 80;

/// They no longer do once it is at work for less than this.
const END_PERCENT: u64 = 45;

/// The span over which the share is taken, in nanoseconds.
const SPAN_NS: u64 = 2_000_000;

/// How busy the thread was of late. Times are nanoseconds of any one clock.
#[derive(Debug, Default)]
pub struct Gather {
    span_start: u64,
    busy: u64,
    gathering: bool,
}

impl Gather {
    /// Takes in that the thread was at work from one time to another, and waits now.
    pub fn note(&mut self, from: u64, to: u64) {
        self.busy = self.busy.saturating_add(to.saturating_sub(from));
        let span = to.saturating_sub(self.span_start);
        if span < SPAN_NS {
            return;
        }
        let bound = match self.gathering {
            true => END_PERCENT,
            false => BEGIN_PERCENT,
        };
        self.gathering = self.busy.saturating_mul(100) > span.saturating_mul(bound);
        (self.span_start, self.busy) = (to, 0);
    }

    /// For how many microseconds to let packets gather, if at all.
    pub fn patience_us(&self) -> Option<u32> {
        self.gathering.then_some(GATHER_US)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works for a share of each 100 µs, for a while from a time on.
    fn work(gather: &mut Gather, from: u64, percent: u64) -> u64 {
        let mut now = from;
        for _ in 0..100 {
            gather.note(now, now + percent * 1_000);
            now += 100_000;
        }
        now
    }

    #[test]
    fn packets_gather_when_the_thread_is_nearly_always_at_work() {
        let mut gather = Gather::default();
        assert_eq!(gather.patience_us(), None);
        let now = work(&mut gather, 0, 75);
        assert_eq!(gather.patience_us(), None);
        let now = work(&mut gather, now, 90);
        assert_eq!(gather.patience_us(), Some(GATHER_US));
        // Gathering itself makes it wait more.
        let now = work(&mut gather, now, 60);
        assert_eq!(gather.patience_us(), Some(GATHER_US));
        work(&mut gather, now, 40);
        assert_eq!(gather.patience_us(), None);
    }

    #[test]
    fn after_a_silence_a_packet_is_taken_at_once() {
        let mut gather = Gather::default();
        let now = work(&mut gather, 0, 99);
        assert_eq!(gather.patience_us(), Some(GATHER_US));
        gather.note(now + 1_000_000_000, now + 1_000_010_000);
        assert_eq!(gather.patience_us(), None);
    }
}
