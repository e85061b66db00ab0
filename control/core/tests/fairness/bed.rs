//! The same callers and agents for every distributor: who calls when, wants what, waits and talks how
//! long, and what an agent does whose phone rings. All of it follows from the seed, the caller's number
//! and the number of the attempt, whatever the distributor does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// What a distributor wants done.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    Ring {
        caller: usize,
        agent: usize,
    },
    /// The agent's phone rings no longer.
    Stop {
        caller: usize,
        agent: usize,
    },
    /// The caller talks to the agent, who answered.
    Connect {
        caller: usize,
        agent: usize,
    },
}

/// What an agent does whose phone rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    Answers,
    Declines,
    Busy,
    Silent,
}

/// A distributor. Times are in ms.
pub trait Distributor {
    fn called(&mut self, caller: usize, skill: usize, now: u64);
    fn gave_up(&mut self, caller: usize, now: u64);
    fn reacted(&mut self, caller: usize, agent: usize, how: Reaction, now: u64);
    fn hung_up(&mut self, caller: usize, agent: usize, now: u64);
    fn wake(&mut self, now: u64);
    /// When it wants to be woken.
    fn next(&self) -> Option<u64>;
    fn orders(&mut self) -> Vec<Order>;
}

/// A centre and its callers.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub agents: usize,
    /// Work that arrives, as a part of what the agents can do.
    pub offered: f64,
    /// How many skills there are. With several each agent has two of them, and a caller wants one.
    pub skills: usize,
    pub hours: f64,
    pub seed: u64,
}

/// How long a phone rings at most; the same setting for all.
pub const RING_MS: u64 = 15_000;
/// How long an agent is left alone after a call; the same setting for all.
pub const WRAP_UP_MS: u64 = 10_000;
/// Callers are to be answered within that.
pub const IN_TIME_MS: u64 = 20_000;
const MEAN_TALK_S: f64 = 180.0;
const MEAN_RING_S: f64 = 5.0;
const PATIENCE_S: f64 = 180.0;

impl Load {
    /// The skills of an agent.
    pub fn skills_of(&self, agent: usize) -> Vec<usize> {
        match self.skills {
            1 => vec![0],
            several => vec![agent % several, (agent + 1) % several],
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcome {
    pub callers: f64,
    /// Parts of all callers.
    pub in_time: f64,
    pub abandoned: f64,
    /// Of those who were answered, in seconds.
    pub mean_wait_s: f64,
    /// Of all callers: for whom no phone rang when that of an agent who could have served them began to
    /// ring for a later caller.
    pub overtaken: f64,
    /// Mean over the agents of the part of the time in a call or in wrap-up.
    pub occupancy: f64,
    /// Standard deviation of the agents' occupancies over their mean.
    pub spread: f64,
}

impl Outcome {
    /// The mean of several.
    pub fn mean(all: &[Self]) -> Self {
        let of = |pick: fn(&Self) -> f64| all.iter().map(pick).sum::<f64>() / all.len() as f64;
        Self {
            callers: all.iter().map(|one| one.callers).sum(),
            in_time: of(|one| one.in_time),
            abandoned: of(|one| one.abandoned),
            mean_wait_s: of(|one| one.mean_wait_s),
            overtaken: of(|one| one.overtaken),
            occupancy: of(|one| one.occupancy),
            spread: of(|one| one.spread),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Call(usize),
    GiveUp(usize),
    React(usize, usize, u32),
    HangUp(usize, usize),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Waits,
    Talks,
    Gone,
}

struct Caller {
    came: u64,
    state: State,
    attempts: u32,
    /// Phones that ring for it.
    phones: u32,
    overtaken: bool,
}

struct Bed {
    load: Load,
    steps: BinaryHeap<Reverse<(u64, u64, Step)>>,
    counted: u64,
    callers: Vec<Caller>,
    /// Whom each agent's phone rings for, with the number of the attempt.
    rings: BTreeMap<usize, (usize, u32)>,
    /// Who waits, by what they want.
    waiting: Vec<BTreeSet<usize>>,
    /// Ms in calls and in wrap-up.
    worked: Vec<u64>,
    waits: Vec<u64>,
    abandoned: usize,
    until: u64,
}

/// From 0 to 1, by lot, for one question about one thing.
fn lot(seed: u64, what: u64, number: u64) -> f64 {
    let mut mixed = seed ^ what.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number << 20;
    for _ in 0..3 {
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
    }
    ((mixed >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
}

fn exponential(seed: u64, what: u64, number: u64, mean: f64) -> f64 {
    -lot(seed, what, number).ln() * mean
}

impl Bed {
    fn new(load: Load) -> Self {
        let until = (load.hours * 3_600_000.0) as u64;
        let each = MEAN_TALK_S + MEAN_RING_S + WRAP_UP_MS as f64 / 1_000.0;
        let between = each / (load.agents as f64 * load.offered);
        let mut bed = Self {
            load,
            steps: BinaryHeap::new(),
            counted: 0,
            callers: Vec::new(),
            rings: BTreeMap::new(),
            waiting: vec![BTreeSet::new(); load.skills],
            worked: vec![0; load.agents],
            waits: Vec::new(),
            abandoned: 0,
            until,
        };
        let mut at = 0.0;
        for caller in 0.. {
            at += exponential(load.seed, 1, caller as u64, between) * 1_000.0;
            if at as u64 >= until {
                break;
            }
            bed.callers.push(Caller {
                came: at as u64,
                state: State::Waits,
                attempts: 0,
                phones: 0,
                overtaken: false,
            });
            bed.at(at as u64, Step::Call(caller));
            let patience = exponential(load.seed, 2, caller as u64, PATIENCE_S) * 1_000.0;
            bed.at(at as u64 + patience as u64, Step::GiveUp(caller));
        }
        bed
    }

    fn at(&mut self, at: u64, step: Step) {
        self.counted += 1;
        self.steps.push(Reverse((at, self.counted, step)));
    }

    fn lot(&self, what: u64, number: usize) -> f64 {
        lot(self.load.seed, what, number as u64)
    }

    fn obey(&mut self, system: &mut dyn Distributor, now: u64) {
        loop {
            let orders = system.orders();
            if orders.is_empty() {
                return;
            }
            for order in orders {
                match order {
                    Order::Ring { caller, agent } => self.ring(caller, agent, now),
                    Order::Stop { caller, agent } => {
                        let rung = self.rings.get(&agent);
                        if rung.is_some_and(|(for_whom, _)| *for_whom == caller) {
                            self.silent(agent);
                        }
                    }
                    Order::Connect { caller, agent } => self.connect(caller, agent, now),
                }
            }
        }
    }

    fn silent(&mut self, agent: usize) {
        if let Some((caller, _)) = self.rings.remove(&agent) {
            self.callers[caller].phones -= 1;
        }
    }

    fn skill(&self, caller: usize) -> usize {
        let skill = (self.lot(3, caller) * self.load.skills as f64) as usize;
        skill.min(self.load.skills - 1)
    }

    fn ring(&mut self, caller: usize, agent: usize, now: u64) {
        for skill in self.load.skills_of(agent) {
            for before in self.waiting[skill].range(..caller) {
                let before = &mut self.callers[*before];
                before.overtaken |= before.phones == 0;
            }
        }
        let found = &mut self.callers[caller];
        found.attempts += 1;
        found.phones += 1;
        let attempt = found.attempts;
        let before = self.rings.insert(agent, (caller, attempt));
        assert_eq!(before, None, "agent {agent} is rung twice at a time");
        let after = match self.reaction(caller, attempt) {
            Reaction::Busy => 100,
            Reaction::Silent => return,
            // From 2 to 8 s.
            Reaction::Answers | Reaction::Declines => {
                2_000 + (self.lot(11, caller * 64 + attempt as usize) * 6_000.0) as u64
            }
        };
        self.at(now + after, Step::React(caller, agent, attempt));
    }

    /// Of a hundred attempts 90 are answered, four not, four declined, and two find a busy phone.
    fn reaction(&self, caller: usize, attempt: u32) -> Reaction {
        match self.lot(10, caller * 64 + attempt as usize) {
            lot if lot < 0.04 => Reaction::Silent,
            lot if lot < 0.08 => Reaction::Declines,
            lot if lot < 0.10 => Reaction::Busy,
            _ => Reaction::Answers,
        }
    }

    fn connect(&mut self, caller: usize, agent: usize, now: u64) {
        self.silent(agent);
        let skill = self.skill(caller);
        self.waiting[skill].remove(&caller);
        let found = &mut self.callers[caller];
        assert!(
            found.state == State::Waits,
            "who does not wait is connected"
        );
        found.state = State::Talks;
        self.waits.push(now - found.came);
        // Log-normal, with a deviation of the logarithm of 0.7.
        let radius = (-2.0 * self.lot(20, caller).ln()).sqrt();
        let normal = radius * (core::f64::consts::TAU * self.lot(21, caller)).cos();
        let talk = (MEAN_TALK_S.ln() - 0.245 + 0.7 * normal).exp() * 1_000.0;
        let end = now + talk as u64;
        let worked = (end + WRAP_UP_MS).min(self.until);
        self.worked[agent] += worked.saturating_sub(now);
        self.at(end, Step::HangUp(caller, agent));
    }

    fn happen(&mut self, system: &mut dyn Distributor, step: Step, now: u64) {
        match step {
            Step::Call(caller) => {
                let skill = self.skill(caller);
                self.waiting[skill].insert(caller);
                system.called(caller, skill, now);
            }
            Step::GiveUp(caller) => {
                if self.callers[caller].state == State::Waits {
                    self.callers[caller].state = State::Gone;
                    let skill = self.skill(caller);
                    self.waiting[skill].remove(&caller);
                    self.abandoned += 1;
                    system.gave_up(caller, now);
                }
            }
            Step::React(caller, agent, attempt) => {
                if self.rings.get(&agent) == Some(&(caller, attempt)) {
                    let how = self.reaction(caller, attempt);
                    if how != Reaction::Answers {
                        self.silent(agent);
                    }
                    system.reacted(caller, agent, how, now);
                }
            }
            Step::HangUp(caller, agent) => system.hung_up(caller, agent, now),
        }
    }

    fn outcome(&self) -> Outcome {
        let callers = self.callers.len() as f64;
        let in_time = self.waits.iter().filter(|wait| **wait <= IN_TIME_MS);
        let overtaken = self.callers.iter().filter(|caller| caller.overtaken);
        let total: u64 = self.waits.iter().sum();
        let parts = self.worked.iter();
        let parts: Vec<f64> = parts.map(|ms| *ms as f64 / self.until as f64).collect();
        let mean = parts.iter().sum::<f64>() / parts.len() as f64;
        let squares = parts.iter().map(|part| (part - mean).powi(2)).sum::<f64>();
        Outcome {
            callers,
            in_time: in_time.count() as f64 / callers,
            abandoned: self.abandoned as f64 / callers,
            mean_wait_s: total as f64 / 1_000.0 / self.waits.len() as f64,
            overtaken: overtaken.count() as f64 / callers,
            occupancy: mean,
            spread: (squares / parts.len() as f64).sqrt() / mean,
        }
    }
}

/// Lets a distributor serve these callers, until the last of them is gone.
pub fn run(load: Load, system: &mut dyn Distributor) -> Outcome {
    let mut bed = Bed::new(load);
    let mut now = 0;
    loop {
        let next = bed.steps.peek().map(|Reverse((at, ..))| *at);
        let wake = system.next();
        let Some(next) = next else {
            break;
        };
        if let Some(wake) = wake.filter(|wake| *wake <= next) {
            now = now.max(wake);
            system.wake(now);
            bed.obey(system, now);
            continue;
        }
        let Some(Reverse((_, _, step))) = bed.steps.pop() else {
            break;
        };
        now = next;
        bed.happen(system, step, now);
        bed.obey(system, now);
    }
    bed.outcome()
}
