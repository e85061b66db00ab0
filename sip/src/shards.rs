//! [`Shards`]: a hash map that grows in small steps.

use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

use rustc_hash::{FxBuildHasher, FxHashMap};

/// Maps that a [`Shards`] is made of.
pub const SHARDS: usize = 64;

/// A hash map for tables of hundreds of thousands of entries. A hash map doubles by copying itself,
/// which is a pause for everybody who waits meanwhile; this one is made of [`SHARDS`] that double one
/// by one, none of them long enough to be a pause. Keys must not be chosen by others, as with
/// [`FxHashMap`].
#[derive(Clone, Debug)]
pub struct Shards<K, V> {
    maps: Vec<FxHashMap<K, V>>,
    len: usize,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        // Room for the first entry, so that a table that is hardly used does not go on growing.
        let map = || FxHashMap::with_capacity_and_hasher(1, FxBuildHasher);
        Shards {
            maps: (0..SHARDS).map(|_| map()).collect(),
            len: 0,
        }
    }
}

/// Where `key` is. The bits are other ones than those by which a map finds its places.
fn shard<Q: Hash + ?Sized>(key: &Q) -> usize {
    // The remainder is below SHARDS, whatever the width of usize.
    ((FxBuildHasher.hash_one(key) >> 20) % SHARDS as u64) as usize
}

impl<K: Eq + Hash, V> Shards<K, V> {
    /// The value of `key`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.maps.get(shard(key))?.get(key)
    }

    /// The same, to change.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.maps.get_mut(shard(key))?.get_mut(key)
    }

    /// Whether there is a value of `key`.
    pub fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }

    /// Puts a value in; gives the one that was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.maps.get_mut(shard(&key))?.insert(key, value);
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes a value out.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let gone = self.maps.get_mut(shard(key))?.remove(key);
        self.len -= usize::from(gone.is_some());
        gone
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True where there is no value.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Keys and values, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.maps.iter().flatten()
    }

    /// Values, in no order that means anything.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.maps.iter().flat_map(FxHashMap::values)
    }

    /// The same, to change.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.maps.iter_mut().flat_map(FxHashMap::values_mut)
    }

    /// Takes out what `keep` says no to.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for map in &mut self.maps {
            map.retain(&mut keep);
        }
        self.len = self.maps.iter().map(FxHashMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn behaves_like_a_map() {
        let mut shards = Shards::default();
        assert!(shards.is_empty());
        for number in 0..10_000u64 {
            assert_eq!(shards.insert(number.to_string(), number), None);
        }
        assert_eq!(shards.insert("7".into(), 8), Some(7));
        assert_eq!((shards.len(), shards.get("7")), (10_000, Some(&8)));
        *shards.get_mut("7").unwrap() -= 1;
        assert_eq!(shards.remove("7"), Some(7));
        assert!(!shards.contains_key("7") && shards.contains_key("8"));
        shards.values_mut().for_each(|number| *number *= 2);
        shards.retain(|_, number| *number < 100);
        assert_eq!((shards.iter().count(), shards.len()), (49, 49));
        assert_eq!(shards.values().sum::<u64>(), 2 * (49 * 50 / 2 - 7));
    }

    #[test]
    fn no_shard_is_much_longer_than_others() {
        let mut shards = Shards::default();
        for number in 0..64_000u64 {
            shards.insert(number, ());
        }
        assert!(
            shards
                .maps
                .iter()
                .all(|map| (500..2_000).contains(&map.len()))
        );
    }
}
