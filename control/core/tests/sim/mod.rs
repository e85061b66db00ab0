//! A whole centre from a seed: the distributor under test, and around it a simulated relay,
//! phones, callers, a registrar, and a network that loses, doubles, delays and reorders.
//! The clock is virtual. After every step the [`oracle`] checks the invariants.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod centres;
mod oracle;
mod relay;
mod rng;
mod shell;
mod steps;

use rng::Rng;

use oracle::Oracle;
use patchbay_core::centre::Centre;
use patchbay_core::{AgentId, ContactId, Distributor, IdSource, Input, Now, OfferId};
use relay::{Down, Later, Relay, Up};
use shell::Shell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How a run behaves.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub calls: u64,
    /// Mean time between calls, in ms.
    pub between_ms: u64,
    /// Messages lost, doubled and much delayed, in percent.
    pub loss: u64,
    pub double: u64,
    pub slow: u64,
    /// Mean time between disturbances (restarts, declarations, agents' whims), in ms; 0 is none.
    pub disturbed_every_ms: u64,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub calls: u64,
    pub offers: u64,
    pub connected: u64,
    pub steps: u64,
    pub restarts: u64,
}

/// Things that happen at a time.
#[derive(Debug)]
enum Step {
    Call,
    GiveUp(ContactId),
    ToRelay(Down),
    ToControl(Up),
    AtRelay(Later),
    NoResponse(OfferId, u64),
    CancelUnanswered(OfferId, u64),
    Relist(u64),
    Disturb,
}

pub struct World {
    profile: Profile,
    rng: Rng,
    now_ms: u64,
    schedule: BTreeMap<(u64, u64), Step>,
    scheduled: u64,
    distributor: Distributor,
    /// Counts control processes.
    epoch: u64,
    shell: Shell,
    relay: Relay,
    centre: Centre,
    oracle: Oracle,
    contacts: IdSource,
    calls_left: u64,
    tally: Tally,
}

const UNIX_MS: u64 = 1_780_000_000_000;

/// Runs one seed to its end; panics with what went wrong.
pub fn run(seed: u64, profile: Profile) -> Tally {
    let _says_seed = SaysSeed(seed);
    let mut world = World::new(seed, profile);
    for agent in world.agents() {
        let registered = world.rng.percent(85);
        world.relay.registered.insert(agent, registered);
    }
    world.start_control();
    world.after(0, Step::Call);
    if profile.disturbed_every_ms > 0 {
        world.after(1_000, Step::Disturb);
    }
    while world.step() {}
    world.check_empty();
    world.tally.offers = world.oracle.offers;
    world.tally.connected = world.oracle.connected;
    world.tally
}

struct SaysSeed(u64);

impl Drop for SaysSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "failed with seed {0}: replay with PATCHBAY_SIM_SEED={0}",
                self.0
            );
        }
    }
}

impl World {
    fn new(seed: u64, profile: Profile) -> Self {
        let mut rng = Rng::new(seed);
        let centre = centres::any(&mut rng);
        Self {
            profile,
            now_ms: 0,
            schedule: BTreeMap::new(),
            scheduled: 0,
            distributor: Distributor::new(rng.number()),
            epoch: 0,
            shell: Shell::default(),
            relay: Relay::default(),
            centre,
            oracle: Oracle::default(),
            contacts: IdSource::new(rng.number()),
            calls_left: profile.calls,
            tally: Tally::default(),
            rng,
        }
    }

    fn now(&self) -> Now {
        Now {
            mono: Duration::from_millis(self.now_ms),
            unix_ms: UNIX_MS + self.now_ms,
        }
    }

    fn after(&mut self, delay_ms: u64, step: Step) {
        self.scheduled += 1;
        let at = (self.now_ms + delay_ms, self.scheduled);
        self.schedule.insert(at, step);
    }

    /// Sends through the network: not at all, once or twice, soon or late.
    fn network(&mut self, make: impl Fn() -> Step, may_be_lost: bool) {
        if may_be_lost && self.rng.percent(self.profile.loss) {
            return;
        }
        let copies = 1 + u64::from(self.rng.percent(self.profile.double));
        for _ in 0..copies {
            let delay = match self.rng.percent(self.profile.slow) {
                true => self.rng.range(100, 6_000),
                false => self.rng.range(0, 40),
            };
            self.after(delay, make());
        }
    }

    fn step(&mut self) -> bool {
        let wake = self
            .distributor
            .next_wakeup()
            .map(|at| at.as_millis() as u64);
        let next = self.schedule.first_key_value().map(|((at, _), _)| *at);
        match (wake, next) {
            (None, None) => return false,
            (Some(wake), next) if next.is_none_or(|next| wake <= next) => {
                // Timers are served a little late.
                self.now_ms = self.now_ms.max(wake) + self.rng.range(0, 3);
                let now = self.now();
                self.distributor.wake(now);
            }
            _ => {
                let ((at, _), step) = self.schedule.pop_first().unwrap();
                self.now_ms = self.now_ms.max(at);
                self.happen(step);
            }
        }
        self.carry_out();
        self.tally.steps += 1;
        let limit = (self.profile.calls + 1_000) * 2_000;
        assert!(self.tally.steps < limit, "it does not come to rest");
        true
    }

    fn tell(&mut self, input: Input) {
        let now = self.now();
        self.distributor.handle(input, now);
    }

    /// Does what the distributor says, then checks.
    fn carry_out(&mut self) {
        while let Some(output) = self.distributor.poll() {
            self.oracle.output(&output, self.now_ms, &self.centre);
            self.perform(output);
        }
        let snapshot = self.distributor.snapshot(self.now());
        let sessions: BTreeSet<OfferId> = self.relay.sessions.keys().copied().collect();
        self.oracle
            .check(&snapshot, &sessions, self.now_ms, &self.centre);
    }

    /// A new control process: it knows its declaration and its registrar, nothing of calls.
    fn start_control(&mut self) {
        self.epoch += 1;
        let seed = self.rng.number();
        self.distributor = Distributor::new(seed);
        self.shell = Shell::default();
        self.oracle.control_restarted();
        self.configure();
        self.ask_for_list();
    }

    fn configure(&mut self) {
        self.tell(Input::Configure(self.centre.clone()));
        assert_eq!(self.distributor.counters().dropped_declaration, 0);
        for (agent, reachable) in self.relay.registered.clone() {
            self.tell(Input::AgentReachable { agent, reachable });
        }
    }

    fn agents(&self) -> Vec<AgentId> {
        let agents = 0..centres::AGENTS;
        agents
            .map(|number| format!("a{number}").as_str().into())
            .collect()
    }

    /// When nothing more happens nothing is left.
    fn check_empty(&mut self) {
        self.oracle.check_drained();
        assert_eq!(self.relay.sessions.len(), 0, "sessions on the relay");
        let later = self.now();
        self.distributor.wake(Now {
            mono: later.mono + Duration::from_secs(600),
            unix_ms: later.unix_ms + 600_000,
        });
        let held = self.distributor.held();
        assert_eq!(
            (held.contacts, held.legs, held.timers, held.remembered),
            (0, 0, 0, 0)
        );
        assert_eq!(
            held.agents,
            self.centre.agents.len(),
            "only declared agents"
        );
    }
}
