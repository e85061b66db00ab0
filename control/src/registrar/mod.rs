//! The registrar: which devices an agent is reached at (RFC 3261 section 10, RFC 3327).
//!
//! No I/O and no clock: a REGISTER and the time go in, an [`Answer`] comes out, and the
//! [`Change`]s wait to be fetched: bindings to store, agents that became reachable or not.

mod answer;
mod binding;
mod contact;
mod limits;
mod proof;
mod register;
mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use patchbay_sip::digest::{Algorithm, Authority};

pub use answer::Answer;
pub use binding::Binding;
pub use limits::{
    DEFAULT_EXPIRES_S, MAX_BINDINGS_PER_AGENT, MAX_CONTACT_BYTES, MAX_EXPIRES_S, MAX_PATHS,
    MAX_USER_AGENT, MIN_EXPIRES_S,
};
pub use table::{MAX_BOUND_AGENTS, Table};

use proof::Proof;

/// How the registrar works.
#[derive(Debug, Clone)]
pub struct RegistrarConfig {
    /// The realm of the challenges.
    pub realm: String,
    /// The digests of agents without their own, and of users who do not exist: the preferred
    /// first. With none, nobody can register but those who have their own.
    pub digest: Vec<Algorithm>,
}

/// An agent as far as reaching it is concerned.
#[derive(Clone)]
pub struct Account {
    /// The agent's identifier, which is the user part of its address of record.
    pub agent: String,
    /// The password, for an agent that registers.
    pub password: Option<String>,
    /// The digests that its phones are challenged with, the preferred first; `None`: those of
    /// [`RegistrarConfig`]. Others than those tell strangers, by the challenge, that the agent
    /// exists.
    pub digest: Option<Vec<Algorithm>>,
    /// The static URI, for an agent that is always there.
    pub uri: Option<String>,
}

/// Where a device is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The device's URI.
    pub uri: String,
    /// The Path to it, first hop first.
    pub path: Vec<String>,
}

/// What changed; fetched with [`Registrar::poll`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A binding was set or refreshed.
    Saved(Binding),
    /// A binding ended.
    Removed(Binding),
    /// An agent can be reached now, or no longer.
    Reachable {
        /// The agent's identifier.
        agent: String,
        /// Whether it can be reached.
        reachable: bool,
    },
}

/// What the registrar counted since start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegistrarCounters {
    /// Bindings set or refreshed.
    pub saved: u64,
    /// Bindings that ended by request, expiry or declaration.
    pub removed: u64,
    /// Answers 401.
    pub challenged: u64,
    /// Credentials that did not hold.
    pub refused: u64,
}

struct Known {
    /// None for an agent that does not register.
    proof: Option<Proof>,
    uri: Option<String>,
}

/// Bindings of all agents; see the module.
pub struct Registrar {
    config: RegistrarConfig,
    authority: Authority,
    accounts: BTreeMap<String, Known>,
    /// Stands for all who do not exist or do not register.
    decoy: Proof,
    table: Table,
    changes: VecDeque<Change>,
    counters: RegistrarCounters,
}

impl Registrar {
    /// An empty registrar. `secret` must be random and known to nobody.
    #[must_use]
    pub fn new(config: RegistrarConfig, secret: [u8; 32]) -> Registrar {
        let password: String = secret.iter().rev().map(|b| format!("{b:02x}")).collect();
        let decoy = Proof::new(&config.digest, "", &config.realm, &password);
        let authority = Authority::new(config.realm.as_str(), secret);
        Registrar {
            config,
            authority,
            accounts: BTreeMap::new(),
            decoy,
            table: Table::default(),
            changes: VecDeque::new(),
            counters: RegistrarCounters::default(),
        }
    }

    /// Takes the declared agents. Bindings of agents that may no longer register end.
    pub fn configure(&mut self, accounts: impl IntoIterator<Item = Account>) {
        let before: BTreeSet<String> = self
            .accounts
            .keys()
            .filter(|agent| self.reachable(agent))
            .cloned()
            .collect();
        self.accounts = accounts
            .into_iter()
            .map(|account| {
                let digest = account.digest.as_ref().unwrap_or(&self.config.digest);
                let proof = account.password.map(|password| {
                    Proof::new(digest, &account.agent, &self.config.realm, &password)
                });
                let uri = account.uri;
                (account.agent, Known { proof, uri })
            })
            .collect();
        let strangers: Vec<(String, String)> = self
            .table
            .agents()
            .filter(|agent| {
                self.accounts
                    .get(*agent)
                    .is_none_or(|known| known.proof.is_none())
            })
            .flat_map(|agent| self.table.of(agent))
            .map(|binding| (binding.agent.clone(), binding.contact.clone()))
            .collect();
        for (agent, contact) in strangers {
            self.take_out(&agent, &contact);
        }
        // Every declared agent is told about once more: a new distributor entry starts unknown.
        let agents: Vec<String> = self.accounts.keys().cloned().collect();
        for agent in agents {
            let reachable = self.reachable(&agent);
            if reachable || before.contains(&agent) {
                self.changes
                    .push_back(Change::Reachable { agent, reachable });
            }
        }
    }

    /// Takes bindings that were stored before a restart. Those of strangers or past their time
    /// are left out and told as removed.
    pub fn restore(&mut self, bindings: impl IntoIterator<Item = Binding>, unix_ms: u64) {
        for binding in bindings {
            let known = self
                .accounts
                .get(&binding.agent)
                .is_some_and(|k| k.proof.is_some());
            let room = self.table.of(&binding.agent).len() < MAX_BINDINGS_PER_AGENT
                && !self.table.full_for(&binding.agent);
            if !known || !room || binding.expires_unix_ms <= unix_ms {
                self.counters.removed += 1;
                self.changes.push_back(Change::Removed(binding));
                continue;
            }
            let before = self.reachable(&binding.agent);
            let agent = binding.agent.clone();
            self.table.put(binding);
            self.tell_reachable(&agent, before);
        }
    }

    /// Ends the bindings whose time is over.
    pub fn expire(&mut self, unix_ms: u64) {
        while let Some(binding) = self.table.expire(unix_ms) {
            self.ended(binding);
        }
    }

    /// When the next binding ends, Unix milliseconds.
    #[must_use]
    pub fn next_expiry(&self) -> Option<u64> {
        self.table.next_expiry()
    }

    /// Where to reach an agent, best first: the static URI, then devices by q, newest first.
    #[must_use]
    pub fn targets(&self, agent: &str) -> Vec<Target> {
        let fixed = self.accounts.get(agent).and_then(|known| known.uri.clone());
        let fixed = fixed.map(|uri| Target {
            uri,
            path: Vec::new(),
        });
        let mut bindings: Vec<&Binding> = self.table.of(agent).iter().collect();
        bindings.sort_by_key(|b| std::cmp::Reverse((b.q_milli, b.updated_unix_ms)));
        let devices = bindings.into_iter().map(|b| Target {
            uri: b.contact.clone(),
            path: b.path.clone(),
        });
        fixed.into_iter().chain(devices).collect()
    }

    /// The static URI of an agent.
    #[must_use]
    pub fn fixed_uri(&self, agent: &str) -> Option<&str> {
        self.accounts.get(agent)?.uri.as_deref()
    }

    /// The bindings of an agent.
    #[must_use]
    pub fn bindings(&self, agent: &str) -> &[Binding] {
        self.table.of(agent)
    }

    /// Number of bindings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True without any binding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Ends a binding whose connection is known to be gone (430, RFC 5626 section 5.3).
    pub fn remove(&mut self, agent: &str, contact: &str) {
        let before = self.reachable(agent);
        if self.take_out(agent, contact) {
            self.tell_reachable(agent, before);
        }
    }

    /// What changed since the last call.
    pub fn poll(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> RegistrarCounters {
        self.counters
    }

    /// Whether an agent has a device or a static URI.
    #[must_use]
    pub fn reachable(&self, agent: &str) -> bool {
        self.fixed_uri(agent).is_some() || !self.table.of(agent).is_empty()
    }

    fn take_out(&mut self, agent: &str, contact: &str) -> bool {
        let Some(binding) = self.table.remove(agent, contact) else {
            return false;
        };
        self.counters.removed += 1;
        self.changes.push_back(Change::Removed(binding));
        true
    }

    fn ended(&mut self, binding: Binding) {
        let agent = binding.agent.clone();
        self.counters.removed += 1;
        self.changes.push_back(Change::Removed(binding));
        self.tell_reachable(&agent, true);
    }

    fn tell_reachable(&mut self, agent: &str, before: bool) {
        let reachable = self.reachable(agent);
        if reachable != before {
            self.changes.push_back(Change::Reachable {
                agent: agent.to_owned(),
                reachable,
            });
        }
    }
}
