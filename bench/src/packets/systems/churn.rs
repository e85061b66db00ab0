//! Calls that come and go at a rate.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::serve::Relay;
use crate::packets::BenchError;
use crate::packets::vocabulary::{Guests, Phones};

/// Calls of the churn that are open at once: a relay needs room for them beyond its plan.
pub(super) const HELD: usize = 64;
/// The same of a relay that has the room: at the highest rate a call is then open for a tenth of a second,
/// so that media can be sent through it.
pub(super) const LONG_HELD: usize = 512;
/// Calls for each one that is to carry media.
const MEDIA_EVERY: u64 = 4;
/// Room for the calls of a churn in a relay that takes its time to close one: at a thousand a
/// second, a second.
pub(super) const ROOM: usize = LONG_HELD + 1000;
/// How long to sleep when no call is due.
const TICK: Duration = Duration::from_millis(1);

/// How many calls are due that long after the start.
pub(super) fn due(elapsed: Duration, per_s: u32) -> u64 {
    let calls = elapsed.as_nanos() * u128::from(per_s) / 1_000_000_000;
    u64::try_from(calls).unwrap_or(u64::MAX)
}

/// Opens calls at that rate until `stop`, keeps the last [`Relay::HELD`] and closes those before; some are
/// told to `guests`.
/// Returns how many were opened and closed.
pub(super) fn run<R: Relay>(
    relay: &R,
    per_s: u32,
    phones: &[Phones],
    stop: &AtomicBool,
    guests: &Guests,
) -> Result<u64, BenchError> {
    let mut held = VecDeque::with_capacity(R::HELD + 1);
    let started = Instant::now();
    let mut opened: u64 = 0;
    let mut turn = phones.iter().cycle();
    let outcome = loop {
        if stop.load(Relaxed) {
            break Ok(());
        }
        if opened >= due(started.elapsed(), per_s) {
            std::thread::sleep(TICK);
            continue;
        }
        let Some(phones) = turn.next() else {
            break Err(BenchError::Relay("no phones for calls".to_owned()));
        };
        match relay.open(*phones) {
            Ok((call, relay)) => {
                held.push_back(call);
                if opened.is_multiple_of(MEDIA_EVERY) {
                    guests.add((*phones, relay));
                }
            }
            Err(e) => break Err(e),
        }
        opened += 1;
        if held.len() > R::HELD {
            held.pop_front()
                .into_iter()
                .for_each(|call| relay.close(call));
        }
    };
    held.into_iter().for_each(|call| relay.close(call));
    outcome.map(|()| opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_due_at_their_rate() {
        assert_eq!(due(Duration::from_millis(999), 1), 0);
        assert_eq!(due(Duration::from_secs(1), 1), 1);
        assert_eq!(due(Duration::from_millis(10), 500), 5);
        assert_eq!(due(Duration::from_secs(3600), u32::MAX), 15_461_882_262_000);
    }
}
