//! The bindings in memory: by agent, each with a time at which it ends.

use std::collections::BTreeMap;

use super::binding::Binding;

/// Agents with bindings that the table holds at most.
pub const MAX_BOUND_AGENTS: usize = 100_000;

/// All bindings. Agents without one have no entry.
#[derive(Debug, Default)]
pub struct Table {
    agents: BTreeMap<String, Vec<Binding>>,
    /// (expiry, agent, key) of every binding, soonest first.
    expiries: std::collections::BTreeSet<(u64, String, String)>,
    /// Agent and key of a binding by the number in its temporary GRUUs.
    numbers: BTreeMap<u64, (String, String)>,
}

impl Table {
    /// The bindings of an agent, in no particular order.
    #[must_use]
    pub fn of(&self, agent: &str) -> &[Binding] {
        self.agents.get(agent).map_or(&[], Vec::as_slice)
    }

    /// Number of bindings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expiries.len()
    }

    /// True without any binding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expiries.is_empty()
    }

    /// Agents that have a binding.
    pub fn agents(&self) -> impl Iterator<Item = &str> {
        self.agents.keys().map(String::as_str)
    }

    /// True when no further agent fits in.
    #[must_use]
    pub fn full_for(&self, agent: &str) -> bool {
        self.agents.len() >= MAX_BOUND_AGENTS && !self.agents.contains_key(agent)
    }

    /// Sets or replaces the binding of this agent and key.
    pub fn put(&mut self, binding: Binding) {
        self.remove(&binding.agent, &binding.key());
        self.expiries.insert(expiry(&binding));
        if let Some(number) = binding.gruu {
            let name = (binding.agent.clone(), binding.key());
            self.numbers.insert(number, name);
        }
        self.agents
            .entry(binding.agent.clone())
            .or_default()
            .push(binding);
    }

    /// Takes a binding out.
    pub fn remove(&mut self, agent: &str, key: &str) -> Option<Binding> {
        let bindings = self.agents.get_mut(agent)?;
        let place = bindings.iter().position(|b| b.key() == key)?;
        let binding = bindings.remove(place);
        if bindings.is_empty() {
            self.agents.remove(agent);
        }
        self.expiries.remove(&expiry(&binding));
        if let Some(number) = binding.gruu {
            let name = (binding.agent.clone(), binding.key());
            if self.numbers.get(&number) == Some(&name) {
                self.numbers.remove(&number);
            }
        }
        Some(binding)
    }

    /// The binding whose temporary GRUUs have this number.
    #[must_use]
    pub fn numbered(&self, number: u64) -> Option<&Binding> {
        let (agent, key) = self.numbers.get(&number)?;
        self.of(agent).iter().find(|binding| binding.key() == *key)
    }

    /// When the next binding ends, Unix milliseconds.
    #[must_use]
    pub fn next_expiry(&self) -> Option<u64> {
        self.expiries.first().map(|(at, _, _)| *at)
    }

    /// Takes out one binding that ended at or before `unix_ms`.
    pub fn expire(&mut self, unix_ms: u64) -> Option<Binding> {
        let (at, agent, key) = self.expiries.first()?;
        if *at > unix_ms {
            return None;
        }
        let (agent, key) = (agent.clone(), key.clone());
        self.remove(&agent, &key)
    }
}

fn expiry(binding: &Binding) -> (u64, String, String) {
    (
        binding.expires_unix_ms,
        binding.agent.clone(),
        binding.key(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn binding(agent: &str, contact: &str, expires_unix_ms: u64) -> Binding {
        Binding {
            agent: agent.into(),
            contact: contact.into(),
            expires_unix_ms,
            ..Binding::default()
        }
    }

    #[test]
    fn bindings_end_in_order_and_a_refresh_moves_the_end() {
        let mut table = Table::default();
        table.put(binding("a", "sip:1", 100));
        table.put(binding("a", "sip:2", 50));
        table.put(binding("b", "sip:3", 70));
        table.put(binding("a", "sip:2", 90));
        assert_eq!(table.len(), 3);
        assert_eq!(table.next_expiry(), Some(70));
        assert!(table.expire(69).is_none());
        assert_eq!(table.expire(95).unwrap().contact, "sip:3");
        assert_eq!(table.expire(95).unwrap().contact, "sip:2");
        assert!(table.expire(95).is_none());
        assert_eq!(table.agents().collect::<Vec<_>>(), ["a"]);
        assert!(table.remove("a", "sip:1").is_some());
        assert!(table.is_empty());
        assert_eq!(table.of("a"), []);
    }
}
