//! The registrar: which devices an agent is reached at (RFC 3261 section 10, RFC 3327, RFC 3608,
//! RFC 5626, RFC 5627).
//!
//! No I/O and no clock: a REGISTER and the time go in, an [`Answer`] comes out, and the
//! [`Change`]s wait to be fetched: bindings to store, agents that became reachable or not.

mod answer;
mod binding;
mod contact;
mod gruu;
mod guard;
mod limits;
mod outbound;
mod proof;
mod reach;
mod register;
mod table;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use patchbay_core::centre::{Devices, Notice};
use patchbay_sip::digest::{Algorithm, Authority};

pub use answer::Answer;
pub use binding::Binding;
pub use limits::{
    DEFAULT_EXPIRES_S, FAMILIAR_S, FLOW_TIMER_CONNECTION_S, FLOW_TIMER_UDP_S, FORGET_FAILURE_S,
    FREE_FAILURES, FREE_FAILURES_OF_ACCOUNT, FREE_FAILURES_OF_SOURCE, MAX_BINDINGS_PER_AGENT,
    MAX_CONTACT_BYTES, MAX_EXPIRES_S, MAX_FAILURES, MAX_FAMILIAR, MAX_INSTANCE_BYTES, MAX_METERS,
    MAX_PATHS, MAX_SLOW_DOWN_S, MAX_USER_AGENT, MIN_EXPIRES_S,
};
pub use reach::{Device, Target};
pub use table::{MAX_BOUND_AGENTS, Table};

use gruu::Names;
use guard::Guard;
use proof::Proof;

/// How long bindings may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The shortest time, in seconds, from 1; a shorter wish is answered 423 with Min-Expires (RFC
    /// 3261 section 10.3 step 7).
    pub min_s: u64,
    /// The longest time, in seconds, not below `min_s`; a longer wish is shortened to it.
    pub max_s: u64,
}

impl Default for Expiry {
    fn default() -> Expiry {
        Expiry {
            min_s: MIN_EXPIRES_S,
            max_s: MAX_EXPIRES_S,
        }
    }
}

/// How the registrar works.
#[derive(Debug, Clone)]
pub struct RegistrarConfig {
    /// The realm of the challenges.
    pub realm: String,
    /// The digests of agents without their own, and of users who do not exist: the preferred
    /// first. With none, nobody can register but those who have their own.
    pub digest: Vec<Algorithm>,
    /// How long bindings may be asked for.
    pub expiry: Expiry,
}

/// The registrar's secrets: random, and known to nobody.
#[derive(Clone)]
pub struct Secrets {
    /// For nonces; fresh at every start, so that nonces counted before cannot be used again.
    pub nonces: [u8; 32],
    /// For temporary GRUUs; the same at every start, so that they hold over a restart.
    pub names: [u8; 32],
}

/// Where a REGISTER came from, as the relay saw it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// `udp`, `tcp` and so on; empty if not known.
    pub transport: &'a str,
    /// The address; none if not known.
    pub address: Option<IpAddr>,
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
    /// In which order its devices are called.
    pub devices: Devices,
    /// How long devices ring before the next ones are called; none: as long as the offer does.
    pub device_ring: Option<Duration>,
    /// How its phone is asked to tell when a call is over.
    pub notice: Notice,
}

/// How the devices of an agent are called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// In which order.
    pub devices: Devices,
    /// How long devices ring before the next ones are called.
    pub device_ring: Option<Duration>,
    /// How they are asked to tell when a call is over.
    pub notice: Notice,
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
    /// Answers 401 with `stale`: the password was right, the nonce old or its count used before.
    pub stale: u64,
    /// Credentials that were not looked at because of failures from their source.
    pub slowed_source: u64,
    /// Credentials that were not looked at because of failures of their account elsewhere.
    pub slowed_account: u64,
    /// Registrations by flow (RFC 5626).
    pub by_flow: u64,
    /// Answers 439: a hop before us does not support outbound.
    pub first_hop: u64,
    /// GRUUs given, public and temporary ones together.
    pub gruus: u64,
}

struct Known {
    /// None for an agent that does not register.
    proof: Option<Proof>,
    uri: Option<String>,
    manner: Manner,
}

/// Bindings of all agents; see the module.
pub struct Registrar {
    config: RegistrarConfig,
    authority: Authority,
    names: Names,
    guard: Guard,
    accounts: BTreeMap<String, Known>,
    /// Stands for all who do not exist or do not register.
    decoy: Proof,
    table: Table,
    changes: VecDeque<Change>,
    counters: RegistrarCounters,
}

impl Registrar {
    /// An empty registrar.
    #[must_use]
    pub fn new(config: RegistrarConfig, secrets: Secrets) -> Registrar {
        let secret = secrets.nonces;
        let password: String = secret.iter().rev().map(|b| format!("{b:02x}")).collect();
        let decoy = Proof::new(&config.digest, "", &config.realm, &password);
        let authority = Authority::new(config.realm.as_str(), secret);
        Registrar {
            config,
            authority,
            names: Names::new(secrets.names),
            guard: Guard::new(),
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
                let manner = Manner {
                    devices: account.devices,
                    device_ring: account.device_ring,
                    notice: account.notice,
                };
                let uri = account.uri;
                (account.agent, Known { proof, uri, manner })
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
            .map(|binding| (binding.agent.clone(), binding.key()))
            .collect();
        for (agent, key) in strangers {
            self.take_out(&agent, &key);
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
            if binding.source.is_some() {
                let since = binding.updated_unix_ms / 1000;
                let source = guard::network(binding.source);
                self.guard.succeeded(&agent, source, since);
            }
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

    /// The static URI of an agent.
    #[must_use]
    pub fn fixed_uri(&self, agent: &str) -> Option<&str> {
        self.accounts.get(agent)?.uri.as_deref()
    }

    /// How the devices of an agent are called.
    #[must_use]
    pub fn manner(&self, agent: &str) -> Manner {
        let known = self.accounts.get(agent);
        known.map_or_else(Manner::default, |known| known.manner)
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

    /// Accounts remembered with the networks that they registered from; at most [`MAX_FAMILIAR`].
    #[must_use]
    pub fn familiar(&self) -> usize {
        self.guard.familiar()
    }

    /// Entries of the tables of wrong passwords; at most three times [`MAX_METERS`].
    #[must_use]
    pub fn failures_remembered(&self) -> usize {
        self.guard.len()
    }

    /// True without any binding.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Ends a binding whose connection is known to be gone (430, RFC 5626 section 5.3).
    pub fn remove(&mut self, agent: &str, key: &str) {
        let before = self.reachable(agent);
        if self.take_out(agent, key) {
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

    fn take_out(&mut self, agent: &str, key: &str) -> bool {
        let Some(binding) = self.table.remove(agent, key) else {
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
