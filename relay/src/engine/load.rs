//! How much each packet thread carries, so that the next pair goes to the one with least.
//!
//! A pair's cost is its packets: a video call may be twenty audio calls. What a thread carries is
//! read from its counters. A new pair shows no packets before its call is answered, and many may
//! be opened meanwhile; so each counts as an [`ALLOWANCE`] that fades while its packets come in.

/// Packets a second that a new pair is taken for: a two-way call with 20 ms of audio a packet.
pub const ALLOWANCE: u64 = 100;
/// Shortest time between two samples, in nanoseconds.
pub const SAMPLE_EVERY_NS: u64 = 100_000_000;
/// The time in which an earlier reading loses half its weight, in nanoseconds.
const RATE_HALVES_NS: f64 = 500_000_000.0;
/// The time in which half of an allowance is gone, in nanoseconds: about that of ringing.
const ALLOWANCE_HALVES_NS: f64 = 5_000_000_000.0;

/// The load of each packet thread. Times are nanoseconds of the engine's clock.
#[derive(Debug)]
pub struct Load {
    sampled: u64,
    threads: Vec<Thread>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    /// Packets counted at the last sample.
    counted: u64,
    /// Packets a second.
    rate: f64,
    /// New pairs, each faded by its age.
    fresh: f64,
}

impl Load {
    /// That many threads, all idle.
    pub fn new(threads: usize, now: u64) -> Load {
        Load {
            sampled: now,
            threads: vec![Thread::default(); threads],
        }
    }

    /// Takes in the threads' counts of packets, if the last time was long enough ago.
    pub fn sample(&mut self, now: u64, counts: impl Iterator<Item = u64>) {
        let passed = now.saturating_sub(self.sampled);
        if passed < SAMPLE_EVERY_NS {
            return;
        }
        self.sampled = now;
        let passed = passed as f64;
        let keep = 0.5_f64.powf(passed / RATE_HALVES_NS);
        let fade = 0.5_f64.powf(passed / ALLOWANCE_HALVES_NS);
        for (thread, counted) in self.threads.iter_mut().zip(counts) {
            let seen = counted.saturating_sub(thread.counted) as f64 * 1e9 / passed;
            thread.rate = thread.rate * keep + seen * (1.0 - keep);
            thread.fresh *= fade;
            thread.counted = counted;
        }
    }

    /// A pair was opened on a thread.
    pub fn opened(&mut self, thread: usize) {
        if let Some(thread) = self.threads.get_mut(thread) {
            thread.fresh += 1.0;
        }
    }

    /// What a thread carries, in new pairs' worth of packets. Coarse by intent: a few packets
    /// more or less are no reason to prefer a thread with more pairs.
    pub fn of(&self, thread: usize) -> u64 {
        let thread = self.threads.get(thread).copied().unwrap_or_default();
        (thread.rate / ALLOWANCE as f64 + thread.fresh).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Opens pairs as the registry does: where the load is least, then where the pairs are fewest.
    fn place(load: &mut Load, pairs: &mut [usize]) -> usize {
        let least = (0..pairs.len()).min_by_key(|thread| (load.of(*thread), pairs[*thread]));
        let thread = least.unwrap_or(0);
        load.opened(thread);
        pairs[thread] += 1;
        thread
    }

    #[test]
    fn idle_threads_take_turns() {
        let mut load = Load::new(3, 1);
        let mut pairs = [0; 3];
        let order: Vec<usize> = (0..6).map(|_| place(&mut load, &mut pairs)).collect();
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn with_equal_load_the_thread_with_fewer_pairs_is_next() {
        let mut load = Load::new(2, 1);
        load.sample(SECOND, [1000, 1004].into_iter());
        assert_eq!(place(&mut load, &mut [7, 3]), 1);
    }

    #[test]
    fn a_thread_with_video_gets_fewer_new_calls() {
        let mut load = Load::new(2, 1);
        let mut pairs = [1, 20];
        // One pair of 4,000 packets a second, and twenty of a hundred each.
        let (mut now, mut counts) = (1, [0, 0]);
        for _ in 0..100 {
            now += SAMPLE_EVERY_NS;
            counts[0] += 400;
            counts[1] += 200;
            load.sample(now, counts.into_iter());
        }
        assert_eq!((load.of(0), load.of(1)), (40, 20));
        for _ in 0..20 {
            assert_eq!(place(&mut load, &mut pairs), 1);
        }
        let even: Vec<usize> = (0..10).map(|_| place(&mut load, &mut pairs)).collect();
        assert_eq!(even.iter().filter(|thread| **thread == 0).count(), 5);
    }

    #[test]
    fn calls_that_ring_count_before_their_packets_do() {
        let mut load = Load::new(2, 1);
        let mut pairs = [0, 0];
        let mut now = 1;
        // Fifty calls a second for two seconds, none answered yet; the second thread carries
        // one call's packets more.
        let mut counts = [0, 0];
        for _ in 0..20 {
            now += SAMPLE_EVERY_NS;
            counts[1] += ALLOWANCE / 10;
            load.sample(now, counts.into_iter());
            (0..5).for_each(|_| {
                place(&mut load, &mut pairs);
            });
        }
        assert!(pairs[0].abs_diff(pairs[1]) <= 4, "{pairs:?}");
    }

    #[test]
    fn what_was_carried_long_ago_counts_no_more() {
        let mut load = Load::new(1, 1);
        load.sample(SECOND, [100_000].into_iter());
        load.opened(0);
        assert!(load.of(0) > 500);
        load.sample(SECOND + 1, [200_000].into_iter());
        assert!(load.of(0) < 1000, "a sample too early is not taken");
        load.sample(61 * SECOND, [100_000].into_iter());
        assert_eq!(load.of(0), 0);
        assert_eq!(load.of(9), 0);
    }
}
