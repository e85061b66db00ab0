//! Which of several servers comes first.

use super::Srv;

/// Chance, from a seed (splitmix64): good enough to share load, and not for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Every seed gives a sequence of its own.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A number from 0 to `most`, both included.
    pub fn up_to(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        match most.checked_add(1) {
            Some(count) => mixed % count,
            None => mixed,
        }
    }
}

/// The order in which servers are tried (RFC 2782, "Usage rules"): by priority, and within it by
/// chance in proportion to weight. `draw` gives a number from 0 to its argument.
pub fn by_weight(mut records: Vec<Srv>, mut draw: impl FnMut(u64) -> u64) -> Vec<Srv> {
    // Those of weight 0 stand at the beginning, so that they have a small chance too.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let group = records.iter().take_while(|r| r.priority == priority);
        let drawn = draw(group.map(|record| u64::from(record.weight)).sum());
        let mut running = 0;
        let chosen = records.iter().position(|record| {
            running += u64::from(record.weight);
            running >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}
