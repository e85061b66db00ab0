//! Which Call-IDs are one call, and which calls are wanted.

use crate::session::Joint;
use rustc_hash::{FxHashMap, FxHashSet};

/// A call's place in [`Calls`].
pub(super) type CallKey = u64;

/// What is known of a call.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// Its first Call-ID.
    pub name: String,
    pub contact: String,
    /// What was found true of its messages, a bit each.
    pub met: u8,
    pub chosen: bool,
}

/// What is known of a Call-ID.
#[derive(Debug)]
struct Id {
    call: CallKey,
    /// The session and the agent, if it is the agent's side of one.
    side: Option<(String, String)>,
}

/// All calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    ids: FxHashMap<String, Id>,
    calls: FxHashMap<CallKey, Call>,
    /// Calls that turned out to be part of another.
    merged: FxHashMap<CallKey, CallKey>,
    made: CallKey,
}

impl Calls {
    /// Call-IDs that are known.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The call of a Call-ID; a new one if it is not known.
    pub fn of(&mut self, call_id: &str) -> CallKey {
        if let Some(id) = self.ids.get(call_id) {
            return self.root(id.call);
        }
        self.made += 1;
        let call = Call {
            name: call_id.to_owned(),
            ..Call::default()
        };
        self.calls.insert(self.made, call);
        let id = Id {
            call: self.made,
            side: None,
        };
        self.ids.insert(call_id.to_owned(), id);
        self.made
    }

    /// The call that a call has become part of.
    pub fn root(&self, mut key: CallKey) -> CallKey {
        while let Some(into) = self.merged.get(&key) {
            key = *into;
        }
        key
    }

    pub fn get(&self, key: CallKey) -> Option<&Call> {
        self.calls.get(&self.root(key))
    }

    pub fn get_mut(&mut self, key: CallKey) -> Option<&mut Call> {
        let root = self.root(key);
        self.calls.get_mut(&root)
    }

    /// Session and agent of a Call-ID.
    pub fn side(&self, call_id: &str) -> (String, String) {
        let side = self.ids.get(call_id).and_then(|id| id.side.clone());
        side.unwrap_or_default()
    }

    /// Makes one call of those that a session joins.
    pub fn join(&mut self, joint: &Joint) -> CallKey {
        let mut whole = None;
        for (place, call_id) in joint.call_ids.iter().enumerate() {
            let key = self.of(call_id);
            if place > 0
                && let Some(id) = self.ids.get_mut(call_id)
            {
                id.side = Some((joint.session.to_string(), joint.agent.clone()));
            }
            whole = Some(whole.map_or(key, |whole| self.merge(whole, key)));
        }
        if let Some(follows) = &joint.follows {
            let key = self.of(follows);
            whole = Some(whole.map_or(key, |whole| self.merge(whole, key)));
        }
        let whole = whole.unwrap_or_default();
        if let Some(call) = self.calls.get_mut(&whole)
            && !joint.contact.is_empty()
        {
            call.contact.clone_from(&joint.contact);
        }
        whole
    }

    /// The older one has been seen first, and gives the name.
    fn merge(&mut self, one: CallKey, other: CallKey) -> CallKey {
        let (into, from) = (one.min(other), one.max(other));
        if into == from {
            return into;
        }
        if let Some(call) = self.calls.remove(&from) {
            self.merged.insert(from, into);
            if let Some(whole) = self.calls.get_mut(&into) {
                whole.met |= call.met;
                whole.chosen |= call.chosen;
                if whole.contact.is_empty() {
                    whole.contact = call.contact;
                }
            }
        }
        into
    }

    /// Forgets calls that are neither chosen nor among `wanted`.
    pub fn forget(&mut self, wanted: impl Iterator<Item = CallKey>) {
        let wanted: FxHashSet<CallKey> = wanted.map(|key| self.root(key)).collect();
        self.calls
            .retain(|key, call| call.chosen || wanted.contains(key));
        let mut ids = std::mem::take(&mut self.ids);
        ids.retain(|_, id| self.calls.contains_key(&self.root(id.call)));
        for id in ids.values_mut() {
            id.call = self.root(id.call);
        }
        self.ids = ids;
        let merged = std::mem::take(&mut self.merged);
        let root = |mut key| {
            while let Some(into) = merged.get(&key) {
                key = *into;
            }
            key
        };
        // What is remembered elsewhere by its old key is found all the same.
        self.merged = merged
            .keys()
            .map(|key| (*key, root(*key)))
            .filter(|(_, into)| self.calls.contains_key(into))
            .collect();
    }
}
