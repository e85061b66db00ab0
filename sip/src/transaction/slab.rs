//! A table whose keys are never mistaken for those of earlier entries.

use std::ops::Range;

/// A place in a [`Slab`] and how often it was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) index: u32,
    generation: u32,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Places that are made at once: growing never moves those that are there.
const BLOCK: usize = 256;

/// Values in places; freed places are used again, last freed first.
pub(crate) struct Slab<T> {
    blocks: Vec<Vec<Slot<T>>>,
    free: Vec<u32>,
    live: usize,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab {
            blocks: Vec::new(),
            free: Vec::new(),
            live: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// Puts `value` in a place. `None` once 2^32 places are in use.
    pub(crate) fn insert(&mut self, value: T) -> Option<Key> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let places = self.new_block()?;
                self.free.extend(places.rev());
                self.free.pop()?
            }
        };
        let slot = self.slot_mut(index)?;
        slot.value = Some(value);
        let generation = slot.generation;
        self.live += 1;
        Some(Key { index, generation })
    }

    /// Makes room; the new places.
    fn new_block(&mut self) -> Option<Range<u32>> {
        let first = u32::try_from(self.blocks.len() * BLOCK).ok()?;
        let end = first.checked_add(u32::try_from(BLOCK).ok()?)?;
        let mut block = Vec::with_capacity(BLOCK);
        block.resize_with(BLOCK, || Slot {
            generation: 0,
            value: None,
        });
        self.blocks.push(block);
        Some(first..end)
    }

    fn slot(&self, index: u32) -> Option<&Slot<T>> {
        let index = index as usize;
        self.blocks.get(index / BLOCK)?.get(index % BLOCK)
    }

    fn slot_mut(&mut self, index: u32) -> Option<&mut Slot<T>> {
        let index = index as usize;
        self.blocks.get_mut(index / BLOCK)?.get_mut(index % BLOCK)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slot(key.index)?;
        if slot.generation == key.generation {
            slot.value.as_ref()
        } else {
            None
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slot_mut(key.index)?;
        if slot.generation == key.generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slot_mut(key.index)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        self.live -= 1;
        Some(value)
    }

    /// The key of the live entry in place `index`.
    pub(crate) fn key_at(&self, index: u32) -> Option<Key> {
        let slot = self.slot(index)?;
        slot.value.as_ref()?;
        Some(Key {
            index,
            generation: slot.generation,
        })
    }

    /// Keys and values in order of their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.blocks
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, slot)| {
                let index = u32::try_from(index).ok()?;
                Some((
                    Key {
                        index,
                        generation: slot.generation,
                    },
                    slot.value.as_ref()?,
                ))
            })
    }
}
