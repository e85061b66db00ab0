//! A heap of deadlines, one for each place of the transaction table.

use std::time::Instant;

use super::paged::Paged;

const NOWHERE: u32 = u32::MAX;

/// A binary heap that knows where each place stands, so that a deadline is moved or removed in
/// O(log n) and no dead entry ever stays behind.
#[derive(Default)]
pub(crate) struct Timers {
    heap: Paged<(Instant, u32)>,
    position: Paged<u32>,
}

impl Timers {
    /// The earliest deadline and its place; ties go to the lower place.
    pub(crate) fn first(&self) -> Option<(Instant, u32)> {
        self.heap.get(0).copied()
    }

    /// Sets, moves or (with `None`) removes the deadline of `place`.
    pub(crate) fn set(&mut self, place: u32, deadline: Option<Instant>) {
        let at = self
            .position
            .get(place as usize)
            .copied()
            .unwrap_or(NOWHERE);
        match (deadline, at) {
            (None, NOWHERE) => {}
            (None, at) => self.remove(at as usize),
            (Some(deadline), NOWHERE) => {
                while self.position.len() <= place as usize {
                    self.position.push(NOWHERE);
                }
                self.heap.push((deadline, place));
                self.note(self.heap.len() - 1);
                self.up(self.heap.len() - 1);
            }
            (Some(deadline), at) => {
                if let Some(entry) = self.heap.get_mut(at as usize) {
                    entry.0 = deadline;
                }
                let at = self.up(at as usize);
                self.down(at);
            }
        }
    }

    fn remove(&mut self, at: usize) {
        let Some(last) = self.heap.len().checked_sub(1) else {
            return;
        };
        self.swap(at, last);
        if let Some((_, place)) = self.heap.pop()
            && let Some(position) = self.position.get_mut(place as usize)
        {
            *position = NOWHERE;
        }
        if at < self.heap.len() {
            let at = self.up(at);
            self.down(at);
        }
    }

    fn note(&mut self, at: usize) {
        let Some((_, place)) = self.heap.get(at) else {
            return;
        };
        if let (Some(position), Ok(at)) =
            (self.position.get_mut(*place as usize), u32::try_from(at))
        {
            *position = at;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        let (Some(one), Some(other)) = (self.heap.get(a).copied(), self.heap.get(b).copied())
        else {
            return;
        };
        for (at, entry) in [(a, other), (b, one)] {
            if let Some(stands) = self.heap.get_mut(at) {
                *stands = entry;
            }
            self.note(at);
        }
    }

    fn up(&mut self, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.heap.get(parent) <= self.heap.get(at) {
                break;
            }
            self.swap(parent, at);
            at = parent;
        }
        at
    }

    fn down(&mut self, mut at: usize) {
        loop {
            let left = 2 * at + 1;
            let right = left + 1;
            let mut least = at;
            for child in [left, right] {
                if self
                    .heap
                    .get(child)
                    .is_some_and(|entry| Some(entry) < self.heap.get(least))
                {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.swap(at, least);
            at = least;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    proptest! {
        /// The heap against a sorted map.
        #[test]
        fn behaves_like_a_sorted_map(steps in proptest::collection::vec((0u32..20, proptest::option::of(0u64..50)), 0..200)) {
            let start = Instant::now();
            let mut timers = Timers::default();
            let mut model = BTreeMap::new();
            for (place, millis) in steps {
                let deadline = millis.map(|millis| start + Duration::from_millis(millis));
                timers.set(place, deadline);
                match deadline {
                    Some(deadline) => model.insert(place, deadline),
                    None => model.remove(&place),
                };
                let least = model.iter().map(|(place, at)| (*at, *place)).min();
                prop_assert_eq!(timers.first(), least);
                prop_assert_eq!(timers.heap.len(), model.len());
            }
        }
    }
}
