//! The order of the free agents of a class: each strategy is a key, and the least is served first.
//!
//! A key is computed when an agent becomes free and holds for as long as it stays so, so that a
//! decision is a look at the first entry, whatever the strategy. That works for all of them:
//! idle times and the order of past offers do not change while an agent is idle; occupancies fade
//! alike for all (see [`super::Load`]); and lots have no memory. For those each free agent draws
//! how far from now it would be taken, from an exponential distribution by its weight. The
//! smallest of such numbers belongs to each agent with a probability in proportion to its weight,
//! and what is left of the others after it is distributed as at first, so nobody draws again.

use super::{Class, Load};
use crate::agent::Agent;
use crate::centre::{Agent as Declared, Strategy};
use crate::id::{AgentId, IdSource};
use core::time::Duration;

/// A free agent's order in one class: by key, then by identifier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    pub key: Key,
    pub agent: AgentId,
}

/// What a strategy makes of an agent; the least is served first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64, u64);

/// Weight of an agent that none is declared for.
const USUAL_WEIGHT: u16 = 10;

impl Class {
    pub(super) fn key(&self, agent: &Agent, lots: &mut IdSource) -> Key {
        let idle = nanos(agent.idle_since);
        let order = agent.order as u64;
        match self.strategy {
            // Of those who take several, the one with fewer in hand.
            Strategy::LongestIdle | Strategy::RingAll => Key(agent.legs.len() as u64, idle),
            Strategy::LeastOccupied => Key(ordered(agent.load.key()), idle),
            Strategy::RoundRobin => Key(agent.last_offer, order),
            Strategy::TopDown => Key(u64::from(self.tier(&agent.declared)), order),
            Strategy::SkillBest => Key(u64::MAX - u64::from(self.fit(&agent.declared)), idle),
            Strategy::WeightedRandom => {
                let weight = self.weight(&agent.declared);
                let ahead = exponential(lots) / f64::from(weight);
                Key(ordered(self.drawn + ahead), 0)
            }
        }
    }

    /// Puts an agent among the free, if it is free in this medium, and says with which key.
    pub(super) fn enter(&mut self, agent: &Agent, lots: &mut IdSource) -> Key {
        if !agent.free.contains(self.slot) {
            return Key::default();
        }
        let key = self.key(agent, lots);
        self.free.insert(Rank {
            key,
            agent: agent.declared.id.clone(),
        });
        key
    }

    /// Takes an agent from the free.
    pub(super) fn leave_free(&mut self, key: Key, agent: &AgentId) {
        let rank = Rank {
            key,
            agent: agent.clone(),
        };
        self.free.remove(&rank);
    }

    /// The first of the free was taken: lots are drawn up to there.
    pub fn draw(&mut self) {
        if self.strategy == Strategy::WeightedRandom
            && let Some(first) = self.free.first()
        {
            self.drawn = self.drawn.max(unordered(first.key.0));
        }
        if self.free.len() <= 1 {
            self.drawn = 0.0;
        }
    }

    fn tier(&self, agent: &Declared) -> u8 {
        agent.tiers.get(&self.queue).copied().unwrap_or(1)
    }

    fn weight(&self, agent: &Declared) -> u16 {
        let declared = agent.weights.get(&self.queue).copied();
        declared.unwrap_or(USUAL_WEIGHT).max(1)
    }

    /// The levels of the skills asked for, added up.
    fn fit(&self, agent: &Declared) -> u32 {
        let level = |skill| u32::from(agent.skills.get(skill).copied().unwrap_or(0));
        self.skills.keys().map(level).sum()
    }
}

/// What the strategy goes by, for people: the occupancy in percent, the number of offers made
/// before the agent's last one, its tier, its levels, its weight. None where it is the idle time.
pub(crate) fn score(class: &Class, agent: &Agent, now: Duration) -> Option<u64> {
    Some(match class.strategy {
        Strategy::LongestIdle | Strategy::RingAll => return None,
        Strategy::LeastOccupied => percent(&agent.load, now),
        Strategy::RoundRobin => agent.last_offer,
        Strategy::TopDown => u64::from(class.tier(&agent.declared)),
        Strategy::SkillBest => u64::from(class.fit(&agent.declared)),
        Strategy::WeightedRandom => u64::from(class.weight(&agent.declared)),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to 100"
)]
fn percent(load: &Load, now: Duration) -> u64 {
    (load.at(now) * 100.0).round() as u64
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// From an exponential distribution with mean 1.
fn exponential(lots: &mut IdSource) -> f64 {
    // 53 bits, the whole mantissa; never 0, whose logarithm is none.
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    let uniform = ((lots.number() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
    -uniform.ln()
}

/// A number whose order as an integer is that of the floating-point number (IEEE 754 section 5.10).
fn ordered(number: f64) -> u64 {
    let bits = number.to_bits();
    if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    }
}

fn unordered(bits: u64) -> f64 {
    f64::from_bits(if bits >> 63 == 1 {
        bits & !(1 << 63)
    } else {
        !bits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floating_point_numbers_keep_their_order_as_integers() {
        let numbers = [
            f64::NEG_INFINITY,
            -3.5,
            -1e-300,
            0.0,
            1e-9,
            2.0,
            f64::INFINITY,
        ];
        for pair in numbers.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            assert!(ordered(a) < ordered(b), "{a} {b}");
            assert_eq!(unordered(ordered(a)).to_bits(), a.to_bits());
        }
    }

    #[test]
    fn lots_have_the_mean_that_they_should() {
        let mut lots = IdSource::new(3);
        let sum: f64 = (0..20_000).map(|_| exponential(&mut lots)).sum();
        assert!((0.98..1.02).contains(&(sum / 20_000.0)), "{sum}");
    }
}
