//! Models of how other distributors are documented to behave. They are not those programs: whatever
//! the documents do not say is taken in their favour, and nothing of them takes any time.

use super::bed::{Distributor, Load, Order, RING_MS, Reaction, WRAP_UP_MS};

/// Which one, and by which strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    CallCenter(CallCenter),
    AppQueue(AppQueue),
    /// The module call_center of OpenSIPS: skills link flows and agents, calls of a flow of higher
    /// priority go first (its documentation, "Call Flows"); of the free agents the one who has been
    /// so for longest.
    OpenSips,
}

/// `strategy` of a queue in FreeSWITCH's mod_callcenter, as its documentation's table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallCenter {
    /// "Rings the agent who has been idle the longest".
    LongestIdle,
    /// "Rings the agent in position but remember last tried agent".
    RoundRobin,
    /// "Rings the agent in order position starting from 1 for every member".
    TopDown,
    /// "Rings the agent with least talk time".
    LeastTalkTime,
    /// "Rings the agent with fewest calls".
    FewestCalls,
}

/// `strategy` of a queue in Asterisk's app_queue, as queues.conf.sample says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppQueue {
    /// "ring interface which was least recently hung up by this queue".
    LeastRecent,
    /// "ring the one with fewest completed calls from this queue".
    FewestCalls,
    /// "round robin with memory, remember where we left off last ring pass".
    RrMemory,
    /// "ring all available channels until one answers".
    RingAll,
}

/// mod_callcenter looks for agents in turns; how often is not documented.
const CALL_CENTER_TURN_MS: u64 = 100;
/// `reject-delay-time` and `busy-delay-time`: how long an agent is left alone who rejected, or was
/// busy. The values are those of the sample configuration. `no-answer-delay-time` is not in it: 0.
const REJECT_DELAY_MS: u64 = 10_000;
const BUSY_DELAY_MS: u64 = 60_000;
/// `max-no-answer` of the sample: so many in a row set the agent's status to On Break.
const MAX_NO_ANSWER: u32 = 3;
/// Until somebody who is On Break returns; the same people work for all.
const BREAK_MS: u64 = 300_000;
/// queues.conf.sample, `retry`: until all members are tried again after an attempt that failed.
const RETRY_MS: u64 = 5_000;
/// How often a caller of app_queue looks whether it is its turn (`autofill`: as many callers have
/// theirs as members are free); not documented.
const TURN_MS: u64 = 1_000;
/// OpenSIPS serves the calls in its queue by a timer of one second.
const OPENSIPS_TURN_MS: u64 = 1_000;

#[derive(Clone, Debug, Default)]
struct Agent {
    skills: Vec<usize>,
    busy: bool,
    /// Left alone until then.
    until: u64,
    last_end: u64,
    last_offer: u64,
    talked: u64,
    began: u64,
    calls: u64,
    missed: u32,
    /// By queue: when its last call ended, and how many it completed.
    of_queue: Vec<(u64, u64)>,
}

struct Caller {
    number: usize,
    skill: usize,
    /// Agents whose phones ring for it, and until when.
    rings: Vec<usize>,
    rings_until: u64,
    /// When it is looked at next (app_queue).
    again: u64,
    /// Tried and busy or not willing in this attempt (app_queue).
    tried: Vec<usize>,
}

pub struct Model {
    peer: Peer,
    agents: Vec<Agent>,
    /// In the order of arrival.
    waiting: Vec<Caller>,
    talking: Vec<(usize, usize, usize)>,
    orders: Vec<Order>,
    offers: u64,
    /// When it looks at the waiting next.
    turn: u64,
}

impl Model {
    pub fn new(peer: Peer, load: Load) -> Self {
        let agent = |number| Agent {
            skills: load.skills_of(number),
            of_queue: vec![(0, 0); load.skills],
            ..Agent::default()
        };
        Self {
            peer,
            agents: (0..load.agents).map(agent).collect(),
            waiting: Vec::new(),
            talking: Vec::new(),
            orders: Vec::new(),
            offers: 0,
            turn: 0,
        }
    }

    fn free(&self, agent: usize, skill: usize, now: u64) -> bool {
        let found = &self.agents[agent];
        !found.busy && found.until <= now && found.skills.contains(&skill)
    }

    /// The smallest is rung first; then the agent's position.
    fn metric(&self, agent: usize, skill: usize) -> u64 {
        let found = &self.agents[agent];
        let (ended, completed) = found.of_queue[skill];
        match self.peer {
            Peer::OpenSips | Peer::CallCenter(CallCenter::LongestIdle) => found.last_end,
            Peer::CallCenter(CallCenter::RoundRobin) | Peer::AppQueue(AppQueue::RrMemory) => {
                found.last_offer
            }
            Peer::CallCenter(CallCenter::TopDown) | Peer::AppQueue(AppQueue::RingAll) => 0,
            Peer::CallCenter(CallCenter::LeastTalkTime) => found.talked,
            Peer::CallCenter(CallCenter::FewestCalls) => found.calls,
            Peer::AppQueue(AppQueue::LeastRecent) => ended,
            Peer::AppQueue(AppQueue::FewestCalls) => completed,
        }
    }

    fn best(&self, caller: &Caller, now: u64) -> Option<usize> {
        let agents = 0..self.agents.len();
        let free = agents.filter(|agent| self.free(*agent, caller.skill, now));
        let untried = free.filter(|agent| !caller.tried.contains(agent));
        untried.min_by_key(|agent| (self.metric(*agent, caller.skill), *agent))
    }

    fn ring(&mut self, at: usize, agent: usize, now: u64) {
        self.offers += 1;
        let found = &mut self.agents[agent];
        (found.busy, found.last_offer) = (true, self.offers);
        let caller = &mut self.waiting[at];
        caller.rings.push(agent);
        caller.rings_until = now + RING_MS;
        let caller = caller.number;
        self.orders.push(Order::Ring { caller, agent });
    }

    fn rings_all(&self) -> bool {
        self.peer == Peer::AppQueue(AppQueue::RingAll)
    }

    /// Looks for an agent for one caller.
    fn try_for(&mut self, at: usize, now: u64) {
        while let Some(agent) = self.best(&self.waiting[at], now) {
            self.ring(at, agent, now);
            if !self.rings_all() {
                return;
            }
        }
    }

    /// Takes the agent from those that ring for a caller. Its place among the waiting.
    fn silence(&mut self, caller: usize, agent: usize) -> usize {
        self.agents[agent].busy = false;
        let at = self.waiting.iter().position(|found| found.number == caller);
        let at = at.expect("a caller that waits");
        self.waiting[at].rings.retain(|other| *other != agent);
        at
    }

    fn stop_all(&mut self, at: usize) {
        let caller = &mut self.waiting[at];
        let number = caller.number;
        for agent in core::mem::take(&mut caller.rings) {
            self.agents[agent].busy = false;
            let caller = number;
            self.orders.push(Order::Stop { caller, agent });
        }
    }

    /// What an agent's failure means for the agent.
    fn failed(&mut self, agent: usize, how: Reaction, now: u64) {
        let found = &mut self.agents[agent];
        found.until = match self.peer {
            Peer::CallCenter(_) => match how {
                Reaction::Declines => now + REJECT_DELAY_MS,
                Reaction::Busy => now + BUSY_DELAY_MS,
                _ => {
                    found.missed += 1;
                    let on_break = found.missed >= MAX_NO_ANSWER;
                    now + u64::from(on_break) * BREAK_MS
                }
            },
            // So that a call that was not taken is redistributed to another one.
            Peer::OpenSips => now + WRAP_UP_MS,
            Peer::AppQueue(_) => now,
        };
        if found.missed >= MAX_NO_ANSWER {
            found.missed = 0;
        }
    }

    /// A caller's attempt is over; app_queue waits before the next one.
    fn attempt_over(&mut self, at: usize, now: u64) {
        let caller = &mut self.waiting[at];
        caller.tried.clear();
        caller.again = now + RETRY_MS;
    }

    fn rung_out(&mut self, at: usize, now: u64) {
        for agent in self.waiting[at].rings.clone() {
            self.failed(agent, Reaction::Silent, now);
        }
        self.stop_all(at);
        self.attempt_over(at, now);
    }

    /// app_queue: every caller looks by itself.
    fn look(&mut self, now: u64) {
        let mut before = vec![0; self.agents.first().map_or(0, |a| a.of_queue.len())];
        for at in 0..self.waiting.len() {
            let caller = &self.waiting[at];
            if !caller.rings.is_empty() {
                continue;
            }
            let skill = caller.skill;
            if caller.again <= now {
                let agents = 0..self.agents.len();
                let free = agents.filter(|agent| self.free(*agent, skill, now)).count();
                if free > before[skill] {
                    self.try_for(at, now);
                }
                self.waiting[at].again = now + TURN_MS;
            }
            before[skill] += usize::from(self.waiting[at].rings.is_empty());
        }
    }

    fn turn_ms(&self) -> u64 {
        match self.peer {
            Peer::CallCenter(_) => CALL_CENTER_TURN_MS,
            _ => OPENSIPS_TURN_MS,
        }
    }
}

impl Distributor for Model {
    fn called(&mut self, caller: usize, skill: usize, now: u64) {
        self.waiting.push(Caller {
            number: caller,
            skill,
            rings: Vec::new(),
            rings_until: 0,
            again: now,
            tried: Vec::new(),
        });
        match self.peer {
            Peer::AppQueue(_) => self.look(now),
            // A call that finds a free agent need not wait for the timer.
            Peer::OpenSips => self.try_for(self.waiting.len() - 1, now),
            Peer::CallCenter(_) => {}
        }
    }

    fn gave_up(&mut self, caller: usize, _: u64) {
        let at = self.waiting.iter().position(|found| found.number == caller);
        let at = at.expect("a caller that waits");
        self.stop_all(at);
        self.waiting.remove(at);
    }

    fn reacted(&mut self, caller: usize, agent: usize, how: Reaction, now: u64) {
        let at = self.silence(caller, agent);
        if how == Reaction::Answers {
            self.stop_all(at);
            let skill = self.waiting.remove(at).skill;
            let found = &mut self.agents[agent];
            (found.busy, found.began, found.missed) = (true, now, 0);
            self.talking.push((caller, agent, skill));
            self.orders.push(Order::Connect { caller, agent });
            return;
        }
        self.failed(agent, how, now);
        if let Peer::AppQueue(_) = self.peer {
            self.waiting[at].tried.push(agent);
            // The next member is tried at once; when there is none the attempt is over.
            if !self.rings_all() {
                self.try_for(at, now);
            }
            if self.waiting[at].rings.is_empty() {
                self.attempt_over(at, now);
            }
        }
    }

    fn hung_up(&mut self, caller: usize, agent: usize, now: u64) {
        let at = self.talking.iter().position(|(other, ..)| *other == caller);
        let (_, _, skill) = self.talking.swap_remove(at.expect("a call"));
        let found = &mut self.agents[agent];
        found.busy = false;
        found.until = now + WRAP_UP_MS;
        found.last_end = now;
        found.talked += now - found.began;
        found.calls += 1;
        found.of_queue[skill] = (now, found.of_queue[skill].1 + 1);
    }

    fn wake(&mut self, now: u64) {
        for at in 0..self.waiting.len() {
            let caller = &self.waiting[at];
            if !caller.rings.is_empty() && caller.rings_until <= now {
                self.rung_out(at, now);
            }
        }
        if let Peer::AppQueue(_) = self.peer {
            return self.look(now);
        }
        if self.turn <= now {
            self.turn = (now / self.turn_ms() + 1) * self.turn_ms();
            for at in 0..self.waiting.len() {
                if self.waiting[at].rings.is_empty() {
                    self.try_for(at, now);
                }
            }
        }
    }

    fn next(&self) -> Option<u64> {
        let each = self.waiting.iter().map(|caller| match self.peer {
            _ if !caller.rings.is_empty() => caller.rings_until,
            Peer::AppQueue(_) => caller.again,
            _ => self.turn,
        });
        each.min()
    }

    fn orders(&mut self) -> Vec<Order> {
        core::mem::take(&mut self.orders)
    }
}
