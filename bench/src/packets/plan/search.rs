//! The search for the highest rate that a relay carries: which rate to try next.
//!
//! Doubling from a low rate until packets are lost, then halving the gap by its geometric mean, then
//! a second run at the rate found. A short run on a machine that does other things now and then
//! loses a few packets that are not the relay's fault, so a slightly lossy run gets a second chance,
//! and a rate counts only once two runs have carried it.

use super::figures::Seen;

/// The first rate tried when nothing is known, packets a second: what most relays carry. At lower ones
/// packets leave one by one, and a busy machine's generator may then be slower than with more of them.
pub const START: u64 = 50_000;
/// No rate below this is tried.
pub const LOWEST: u64 = 250;
/// No rate above this is tried: more than any generator here can send.
const HIGHEST: u64 = 50_000_000;
/// The gap between the highest carried and the lowest lossy rate at which the search ends.
const CLOSE_ENOUGH: f64 = 1.03;
/// Factor between rates while nothing was lossy, if the start is a guess in the dark.
const GROW: f64 = 2.0;
/// The same, if the start is near the rate of another run.
const GROW_NEAR: f64 = 1.2;
/// A rate that was not carried twice is lowered by this before it is confirmed.
const LOWER: f64 = 0.97;
/// A run that loses no more than this gets a second chance.
const SLIGHT_LOSS: f64 = 0.03;
/// A generator that is late is not at its limit as long as it sends more when it is asked for more:
/// at least this share of the growth.
const RISES: f64 = 0.4;
/// Runs that must carry the rate found.
const CONFIRMING: u32 = 2;
/// After so many runs the best that is known has to do.
pub const MOST_RUNS: usize = 26;
/// Runs that a search usually takes, for estimates.
pub const USUAL_RUNS: usize = 12;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Run at that many packets a second.
    Try(u64),
    /// It is known.
    Found(Found),
    /// Not even the lowest rate is carried.
    Nothing,
}

/// The end of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Packets a second.
    pub packets_per_s: u64,
    /// The generator could not send more.
    pub generator_limited: bool,
    /// Two runs carried it.
    pub confirmed: bool,
}

/// A search under way.
#[derive(Clone, Debug)]
pub struct Search {
    carried: Option<u64>,
    lossy: Option<u64>,
    rate: u64,
    grow: f64,
    second_chance: bool,
    limited: bool,
    /// Packets a second that the generator was last asked for, at another rate, and that it sent.
    sent: Option<[u64; 2]>,
    confirming: Option<Confirming>,
    runs: usize,
}

#[derive(Clone, Copy, Debug)]
struct Confirming {
    rate: u64,
    carried: u32,
    lossy: u32,
}

impl Search {
    /// Begins. `near` is the rate of a similar search, if there was one.
    #[must_use]
    pub fn new(near: Option<u64>) -> Self {
        Self {
            carried: None,
            lossy: None,
            rate: near.unwrap_or(START).clamp(LOWEST, HIGHEST),
            grow: if near.is_some() { GROW_NEAR } else { GROW },
            second_chance: false,
            limited: false,
            sent: None,
            confirming: None,
            runs: 0,
        }
    }

    /// Runs so far.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Next {
        if let Some(confirming) = self.confirming {
            let confirmed = confirming.carried >= CONFIRMING;
            if confirmed || self.runs >= MOST_RUNS {
                return Next::Found(Found {
                    packets_per_s: confirming.rate,
                    generator_limited: self.limited,
                    confirmed,
                });
            }
            return self.attempt(confirming.rate);
        }
        match self.carried {
            Some(carried) if self.runs >= MOST_RUNS => Next::Found(Found {
                packets_per_s: carried,
                generator_limited: self.limited,
                confirmed: false,
            }),
            _ => self.attempt(self.rate),
        }
    }

    fn attempt(&self, rate: u64) -> Next {
        if rate < LOWEST || self.runs >= MOST_RUNS {
            Next::Nothing
        } else {
            Next::Try(rate)
        }
    }

    /// Tells how the run at the rate of [`Search::next`] went.
    pub fn tell(&mut self, seen: Seen) {
        self.runs += 1;
        match self.confirming {
            Some(confirming) => self.confirm(confirming, seen),
            None => self.narrow(seen),
        }
    }

    fn narrow(&mut self, seen: Seen) {
        let seen = self.unless_it_rises(seen);
        let slight = match seen {
            Seen::Carried => false,
            Seen::Behind(_) => true,
            Seen::Lossy(loss) => loss <= SLIGHT_LOSS,
        };
        if slight && !self.second_chance {
            self.second_chance = true;
            return;
        }
        self.second_chance = false;
        match seen {
            Seen::Carried => self.carried = Some(self.rate),
            Seen::Lossy(_) => self.lossy = Some(self.rate),
            Seen::Behind(sent) => {
                // What it did send was carried, and it will not send more.
                self.limited = true;
                let before = self.sent.map_or(0, |[_, sent]| sent);
                let reached = sent.max(before).min(self.rate);
                self.start_confirming(reached, 0);
                return;
            }
        }
        match (self.carried, self.lossy) {
            (Some(carried), None) if carried >= HIGHEST => self.start_confirming(carried, 1),
            (Some(carried), None) => {
                self.rate = scaled(carried, self.grow).min(HIGHEST);
                self.grow = (self.grow * self.grow).min(GROW);
            }
            (None, Some(lossy)) => {
                let lower = scaled(lossy, 1.0 / self.grow);
                // The lowest is tried before it is given up.
                self.rate = if lossy > LOWEST {
                    lower.max(LOWEST)
                } else {
                    lower
                };
                self.grow = (self.grow * self.grow).min(GROW);
            }
            (Some(carried), Some(lossy)) if lossy as f64 <= carried as f64 * CLOSE_ENOUGH => {
                self.start_confirming(carried, 1);
            }
            (Some(carried), Some(lossy)) => {
                self.rate = (carried as f64 * lossy as f64).sqrt() as u64;
            }
            (None, None) => {}
        }
    }

    /// A machine that is busy with something else makes the generator late at any rate. It is at its
    /// limit only if asking for more brings no more; and once the relay has lost packets the limit
    /// is the relay's.
    fn unless_it_rises(&mut self, seen: Seen) -> Seen {
        let sent = match seen {
            Seen::Carried => self.rate,
            Seen::Behind(sent) => sent,
            Seen::Lossy(_) => return seen,
        };
        let rises = self.sent.is_none_or(|[asked_before, sent_before]| {
            let asked = self.rate as f64 / asked_before.max(1) as f64;
            sent as f64 >= sent_before as f64 * (1.0 + (asked - 1.0) * RISES)
        });
        if seen == Seen::Carried || rises || self.lossy.is_some() {
            self.sent = Some([self.rate, sent]);
            return Seen::Carried;
        }
        seen
    }

    fn start_confirming(&mut self, rate: u64, carried: u32) {
        self.confirming = Some(Confirming {
            rate,
            carried,
            lossy: 0,
        });
    }

    fn confirm(&mut self, mut confirming: Confirming, seen: Seen) {
        match seen {
            // A generator at its limit is as fast as it is: what it sent was carried.
            Seen::Carried | Seen::Behind(_) => confirming.carried += 1,
            Seen::Lossy(_) => confirming.lossy += 1,
        }
        if confirming.lossy >= 2 {
            // Below the generator's limit it is the relay again that loses packets.
            self.limited = false;
            self.start_confirming(scaled(confirming.rate, LOWER), 0);
        } else {
            self.confirming = Some(confirming);
        }
    }
}

fn scaled(rate: u64, factor: f64) -> u64 {
    (rate as f64 * factor).round() as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::super::CARRIED_LOSS;
    use super::*;

    #[test]
    fn a_search_ends_close_below_the_limit() {
        for limit in [300.0, 2000.0, 40_000.0, 95_000.0, 1_580_000.0, 5_000_000.0] {
            let (rate, runs) = searched(limit, None, None);
            let rate = rate.expect("a rate") as f64;
            // 0.1 % may be lost.
            assert!(
                rate <= limit * 1.002 && rate >= limit * 0.96,
                "{rate} for {limit}"
            );
            assert!(runs <= 18, "{runs} runs for {limit}");
        }
    }

    #[test]
    fn a_search_near_the_limit_is_shorter() {
        for near in [80_000, 95_000, 110_000] {
            let (rate, runs) = searched(95_000.0, Some(near), None);
            assert!((91_000..=95_200).contains(&rate.unwrap()), "{rate:?}");
            assert!(runs <= 10, "{runs} runs from {near}");
        }
    }

    #[test]
    fn a_search_is_not_deceived_by_single_noisy_runs() {
        for each in 2..=7 {
            let (rate, _) = searched(95_000.0, None, Some(each));
            let rate = rate.unwrap();
            assert!(
                (85_000..=95_200).contains(&rate),
                "{rate} with noise in each {each}th run"
            );
        }
    }

    #[test]
    fn a_generator_that_is_often_away_is_not_at_its_limit() {
        for (near, away) in [(None, 2), (None, 3), (Some(60_000), 2), (Some(70_000), 4)] {
            often_away(near, away);
        }
    }

    fn often_away(near: Option<u64>, away: u64) {
        let mut search = Search::new(near);
        while let Next::Try(rate) = search.next() {
            let seen = if rate > 95_000 {
                Seen::Lossy(1.0 - 95_000.0 / rate as f64)
            } else {
                Seen::Behind(rate - rate / away)
            };
            search.tell(seen);
        }
        let Next::Found(found) = search.next() else {
            unreachable!("{search:?}")
        };
        assert!(!found.generator_limited && found.confirmed, "{found:?}");
        assert!(
            (91_000..=95_000).contains(&found.packets_per_s),
            "{found:?}"
        );
    }

    #[test]
    fn a_relay_that_carries_nothing_has_no_rate() {
        assert_eq!(searched(0.0, None, None).0, None);
        assert_eq!(searched(100.0, None, None).0, None);
    }

    /// Searches a limit; `noisy_each` run loses a little for no reason.
    fn searched(limit: f64, near: Option<u64>, noisy_each: Option<usize>) -> (Option<u64>, usize) {
        let mut search = Search::new(near);
        loop {
            match search.next() {
                Next::Try(rate) => {
                    let noisy =
                        noisy_each.is_some_and(|each| (search.runs() + 1).is_multiple_of(each));
                    let loss = (1.0 - limit / rate as f64).max(if noisy { 0.005 } else { 0.0 });
                    let seen = if loss > CARRIED_LOSS {
                        Seen::Lossy(loss)
                    } else {
                        Seen::Carried
                    };
                    search.tell(seen);
                }
                Next::Found(found) => return (Some(found.packets_per_s), search.runs()),
                Next::Nothing => return (None, search.runs()),
            }
            assert!(search.runs() <= MOST_RUNS);
        }
    }
}
