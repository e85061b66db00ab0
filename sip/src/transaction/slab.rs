//! A table whose keys are never mistaken for those of earlier entries.

use super::paged::Paged;

/// A place in a [`Slab`] and how often it was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) index: u32,
    generation: u32,
}

pub(super) struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Values in places; freed places are used again, last freed first.
pub(crate) struct Slab<T> {
    slots: Paged<Slot<T>>,
    free: Paged<u32>,
    live: usize,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab {
            slots: Paged::default(),
            free: Paged::default(),
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
            None => self.new_place()?,
        };
        let slot = self.slots.get_mut(index as usize)?;
        slot.value = Some(value);
        let generation = slot.generation;
        self.live += 1;
        Some(Key { index, generation })
    }

    fn new_place(&mut self) -> Option<u32> {
        let index = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(Slot {
            generation: 0,
            value: None,
        });
        Some(index)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.generation == key.generation {
            slot.value.as_ref()
        } else {
            None
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
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
        let slot = self.slots.get(index as usize)?;
        slot.value.as_ref()?;
        Some(Key {
            index,
            generation: slot.generation,
        })
    }

    /// Keys and values in order of their places.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
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
