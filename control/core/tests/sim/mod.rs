//! A whole centre from a seed: the distributor under test, and around it a simulated relay,
//! phones, callers, a registrar, and a network that loses, doubles, delays and reorders.
//! The clock is virtual. After every step the [`oracle`] checks the invariants of all whom the
//! step touched, and now and then those of everybody, and whether the state is what was told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod asker;
mod blurred;
mod call_backs;
mod centres;
mod counted;
pub mod day;
mod follow;
mod invariants;
mod model;
mod offers;
mod oracle;
mod outside;
mod places;
mod planted;
mod relay;
mod rng;
mod shell;
mod sites;
mod steps;
mod whole;

use rng::Rng;

use day::{Day, Work};
use oracle::Oracle;
use patchbay_core::centre::Centre;
use patchbay_core::{
    AgentId, ContactId, Distributor, IdSource, Input, Now, OfferId, Output, validate,
};
use relay::{Down, Later, Relay, Up};
use shell::Shell;
use std::collections::BTreeMap;
use std::time::Duration;

/// How a run behaves.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// How many calls come, at most.
    pub calls: u64,
    /// Mean time between calls, in ms.
    pub between_ms: u64,
    /// Messages lost, doubled and much delayed, in percent.
    pub loss: u64,
    pub double: u64,
    pub slow: u64,
    /// Mean time between disturbances (restarts, declarations, agents' whims), in ms; 0 is none.
    pub disturbed_every_ms: u64,
    /// Steps between two looks at everything.
    pub whole_every: u64,
    /// A large centre at that time of day, instead of a small one that nobody would declare.
    pub day: Option<Day>,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub calls: u64,
    pub offers: u64,
    pub connected: u64,
    pub steps: u64,
    pub restarts: u64,
    /// How often each kind of event was told.
    pub told: BTreeMap<&'static str, u64>,
}

/// Things that happen at a time.
#[derive(Debug)]
enum Step {
    Call,
    GiveUp(ContactId),
    Answer(ContactId),
    Earlier(ContactId),
    Press(ContactId, char),
    Written(ContactId, u64),
    ComesAgain(ContactId, u64),
    Withdraw(ContactId),
    ToRelay(Down),
    ToControl(Up),
    AtRelay(Later),
    NoResponse(OfferId, u64),
    CancelUnanswered(OfferId, u64),
    Relist(u64),
    Disturb,
    Work(usize, Work),
    Asker(asker::Asks),
    Site(sites::Sites),
}

/// Changes what the oracle hears of a step; true when it has done so.
type Plant = fn(&Oracle, &mut Vec<Output>) -> bool;

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
    kept: asker::Kept,
    centre: Centre,
    staff: Vec<AgentId>,
    /// Of a large centre: who is at work now.
    on_shift: Vec<bool>,
    oracle: Oracle,
    plant: Option<Plant>,
    /// Prints all inputs and outputs.
    trace: bool,
    contacts: IdSource,
    calls_left: u64,
    tally: Tally,
}

const UNIX_MS: u64 = 1_780_000_000_000;

/// Runs one seed to its end; panics with what went wrong.
pub fn run(seed: u64, profile: Profile) -> Tally {
    let _says_seed = SaysSeed(seed);
    let mut world = World::new(seed, profile);
    world.begin();
    while world.step() {}
    world.check_empty();
    world.tally.offers = world.oracle.offers;
    world.tally.connected = world.oracle.connected;
    world.tally.told = core::mem::take(&mut world.oracle.told);
    world.tally
}

struct SaysSeed(u64);

impl Drop for SaysSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let test = std::thread::current();
            let day = std::env::var("PATCHBAY_SIM_DAY");
            let day = day.map_or_else(|_| String::new(), |day| format!("PATCHBAY_SIM_DAY={day} "));
            eprintln!(
                "failed with seed {0}; again: {day}PATCHBAY_SIM_SEED={0} \
                 cargo test -p patchbay-core --test simulation -- {1}",
                self.0,
                test.name().unwrap_or_default()
            );
        }
    }
}

impl World {
    fn new(seed: u64, profile: Profile) -> Self {
        let mut rng = Rng::new(seed);
        let centre = match profile.day {
            Some(_) => day::centre(&mut rng),
            None => centres::any(&mut rng),
        };
        let staff = match profile.day {
            Some(_) => day::AGENTS,
            None => centres::AGENTS,
        };
        Self {
            profile,
            now_ms: profile.day.map_or(0, |day| day.from_ms),
            schedule: BTreeMap::new(),
            scheduled: 0,
            distributor: Distributor::new(rng.number()),
            epoch: 0,
            shell: Shell::default(),
            relay: Relay::default(),
            kept: asker::Kept::default(),
            centre,
            staff: (0..staff)
                .map(|number| format!("a{number}").as_str().into())
                .collect(),
            on_shift: vec![false; staff as usize],
            oracle: Oracle::default(),
            plant: None,
            trace: std::env::var_os("PATCHBAY_SIM_TRACE").is_some(),
            contacts: IdSource::new(rng.number()),
            calls_left: profile.calls,
            tally: Tally::default(),
            rng,
        }
    }

    fn begin(&mut self) {
        let day = self.profile.day.is_some();
        for agent in self.staff.clone() {
            let registered = !day && self.rng.percent(85);
            self.relay.registered.insert(agent, registered);
        }
        self.start_control();
        if day {
            self.begin_day();
        }
        self.carry_out();
        self.after(0, Step::Call);
        if self.profile.disturbed_every_ms > 0 {
            self.after(1_000, Step::Disturb);
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
                self.listen();
            }
            _ => {
                let ((at, _), step) = self.schedule.pop_first().unwrap();
                self.now_ms = self.now_ms.max(at);
                self.happen(step);
            }
        }
        self.carry_out();
        self.tally.steps += 1;
        let limit = (self.tally.calls + 2_000) * 2_000;
        assert!(self.tally.steps < limit, "it does not come to rest");
        true
    }

    fn tell(&mut self, input: Input) {
        let now = self.now();
        if self.trace {
            eprintln!("{} <- {input:?}", self.now_ms);
        }
        self.oracle.input(&input, self.now_ms);
        self.distributor.handle(input, now);
        self.listen();
    }

    /// Does what the distributor says, before the oracle's ears.
    fn listen(&mut self) {
        let said: Vec<Output> = core::iter::from_fn(|| self.distributor.poll()).collect();
        for output in said.iter().filter(|_| self.trace) {
            eprintln!("{} -> {output:?}", self.now_ms);
        }
        if let Some(plant) = self.plant {
            let mut heard = said.clone();
            if plant(&self.oracle, &mut heard) {
                self.plant = None;
            }
            heard
                .iter()
                .for_each(|output| self.oracle.output(output, self.now_ms));
        } else {
            said.iter()
                .for_each(|output| self.oracle.output(output, self.now_ms));
        }
        for output in said {
            self.perform(output);
        }
    }

    /// After a step.
    fn carry_out(&mut self) {
        self.oracle.check(&mut self.relay, self.now_ms);
        if self.tally.steps.is_multiple_of(self.profile.whole_every) {
            self.check_all();
        }
    }

    fn check_all(&mut self) {
        let snapshot = self.distributor.snapshot(self.now());
        whole::compare(&self.oracle.model, &snapshot, self.now_ms);
        self.oracle.check_all(&mut self.relay, self.now_ms);
        self.oracle.asks_again(self.now_ms);
    }

    /// A new control process: it knows its declaration and its registrar, nothing of calls.
    fn start_control(&mut self) {
        self.epoch += 1;
        let seed = self.rng.number();
        self.distributor = Distributor::new(seed);
        self.shell = Shell::default();
        self.oracle
            .keeps_promises(self.kept.promises.keys().copied());
        let kept = self.oracle.kept_over_restart();
        self.oracle.control_restarted(&kept);
        self.relay.end_unheard(&kept);
        self.tell(Input::CallsUnknown);
        self.configure();
        self.restore_outside();
        self.restore_promises();
        self.bring_places(kept);
        self.ask_for_list();
    }

    fn configure(&mut self) {
        assert_eq!(validate(&self.centre), []);
        self.tell(Input::Configure(self.centre.clone()));
        for (agent, reachable) in self.relay.registered.clone() {
            self.tell(Input::AgentReachable { agent, reachable });
        }
    }

    /// When nothing more happens nothing is left.
    fn check_empty(&mut self) {
        self.check_all();
        assert_eq!(self.relay.sessions(), 0, "sessions on the relay");
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
        assert_eq!(held.elsewhere, 0, "contacts that ask other centres");
        assert_eq!(
            held.agents,
            self.centre.agents.len(),
            "only declared agents"
        );
    }
}
