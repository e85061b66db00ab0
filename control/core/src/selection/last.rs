//! Who served a caller last, for queues that prefer that agent.

use crate::id::AgentId;
use crate::limits::MAX_LAST_AGENTS;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The last agent of each caller, for as many callers as the limit allows.
#[derive(Debug, Default)]
pub(crate) struct LastAgents {
    // A tree, because callers choose the keys: no choice of theirs makes it slow.
    by_caller: BTreeMap<Arc<str>, (u64, AgentId)>,
    by_age: BTreeMap<u64, Arc<str>>,
    next: u64,
}

impl LastAgents {
    pub fn remember(&mut self, caller: &str, agent: AgentId) {
        let caller: Arc<str> = caller.into();
        self.next += 1;
        let entry = (self.next, agent);
        if let Some((before, _)) = self.by_caller.insert(caller.clone(), entry) {
            self.by_age.remove(&before);
        }
        self.by_age.insert(self.next, caller);
        while self.by_caller.len() > MAX_LAST_AGENTS {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                return;
            };
            self.by_caller.remove(&oldest);
        }
    }

    pub fn of(&self, caller: &str) -> Option<&AgentId> {
        self.by_caller.get(caller).map(|(_, agent)| agent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_served_longest_ago_is_forgotten_first() {
        let mut last = LastAgents::default();
        for caller in 0..MAX_LAST_AGENTS {
            last.remember(&caller.to_string(), "a".into());
        }
        last.remember("0", "b".into());
        last.remember("new", "c".into());
        assert_eq!(last.of("0"), Some(&"b".into()));
        assert_eq!(last.of("1"), None);
        assert_eq!(last.of("2"), Some(&"a".into()));
        assert_eq!(last.by_caller.len(), last.by_age.len());
    }
}
