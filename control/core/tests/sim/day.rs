//! The day of a large centre: who is at work when, how many call when, and what they want.

use super::relay::{Manners, Talk};
use super::rng::Rng;
use super::{Step, World};
use patchbay_core::centre::{
    Agent, Centre, Late, Many, Offers, Overflow, OverflowWhen, Queue, Relax, Rule, Secret,
    ServiceLevel, Strategy, Then, WhenNoAgents,
};
use patchbay_core::{Facts, Input, Medium, QueueId, Status};
use std::collections::BTreeMap;

/// A part of a day.
#[derive(Clone, Copy, Debug)]
pub struct Day {
    /// In ms from midnight.
    pub from_ms: u64,
    pub until_ms: u64,
}

/// What an agent does.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    Begin,
    Break,
    Return,
    End,
    /// Its phone is gone, which the registrar may not notice.
    Lost,
    Found,
    /// It says once more that it is ready.
    Again,
}

pub const AGENTS: u64 = 2_000;
const QUEUES: u64 = 70;
const LANGUAGES: [&str; 4] = ["german", "french", "italian", "english"];
const TOPICS: [&str; 6] = ["sales", "billing", "repair", "claims", "cards", "travel"];
const STRATEGIES: [Strategy; 7] = [
    Strategy::LongestIdle,
    Strategy::LeastOccupied,
    Strategy::RoundRobin,
    Strategy::RingAll,
    Strategy::TopDown,
    Strategy::SkillBest,
    Strategy::WeightedRandom,
];
/// Calls in each hour of a day.
const CALLS: [u64; 24] = [
    700, 450, 350, 350, 450, 900, 2_300, 4_600, 7_800, 11_000, 12_600, 11_900, 9_300, 9_700,
    11_700, 12_400, 11_200, 8_900, 6_700, 5_200, 4_000, 3_000, 2_000, 1_300,
];
const MOST_CALLS: u64 = 12_600;
/// Shifts: first and last hour, and the part of the agents in percent.
const SHIFTS: [(u64, u64, u64); 8] = [
    (6, 14, 17),
    (8, 16, 24),
    (9, 17, 14),
    (9, 13, 6),
    (10, 18, 12),
    (14, 22, 18),
    (15, 20, 4),
    (22, 30, 5),
];
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const CALLERS: u64 = 60_000;

/// How the agents of such a centre treat offers.
pub const MANNERS: Manners = Manners {
    busy: 1,
    declined: 2,
    unacceptable: 1,
    relay_full: 0,
    error: 1,
    silent: 5,
    answer_ms: 12_000,
    talk: Talk::LogNormal(270.0, 0.8),
};

fn queue_id(number: u64) -> QueueId {
    format!("q{number}").as_str().into()
}

fn queue(number: u64, rng: &mut Rng) -> Queue {
    let strategy = STRATEGIES[(number % 7) as usize];
    Queue {
        strategy,
        ring_at_once: rng.range(2, 5) as usize,
        sticky_seconds: *rng.pick(&[None, None, Some(0), Some(12)]),
        priority_per_minute: *rng.pick(&[0, 0, 1, 10]),
        service_level: rng.percent(60).then(|| ServiceLevel {
            seconds: *rng.pick(&[20, 30, 60]),
            percent: 80,
            late: *rng.pick(&[Late::InOrder, Late::InOrder, Late::Behind]),
        }),
        ring_seconds: rng.range(12, 20) as u32,
        max_wait_seconds: rng.range(240, 900) as u32,
        max_length: rng.range(3, 30) as usize,
        wrap_up_seconds: *rng.pick(&[0, 10, 20, 30]),
        when_no_agents: *rng.pick(&[WhenNoAgents::Refuse, WhenNoAgents::Wait]),
        overflow: overflow(number, rng),
        ..Queue::new(queue_id(number))
    }
}

fn overflow(number: u64, rng: &mut Rng) -> Vec<Overflow> {
    let one = |when, after_seconds| Overflow {
        when,
        after_seconds,
        key: None,
        queue: None,
        redirect: None,
        call_back: false,
        refuse: None,
        say: Vec::new(),
        say_seconds: 6,
    };
    let next = Some(queue_id((number + 7) % QUEUES));
    let mut overflow = Vec::new();
    if rng.percent(50) {
        let after = rng.range(60, 200) as u32;
        overflow.push(Overflow {
            queue: next.clone(),
            ..one(OverflowWhen::Waited, Some(after))
        });
    }
    if rng.percent(80) {
        overflow.push(Overflow {
            redirect: Some("sip:elsewhere@example.net".into()),
            ..one(OverflowWhen::Full, None)
        });
    }
    if rng.percent(50) {
        overflow.push(Overflow {
            queue: next,
            ..one(OverflowWhen::NoAgents, None)
        });
    }
    overflow
}

/// A language for all, and topics: those of the queues that it serves.
fn agent(number: u64, rng: &mut Rng) -> Agent {
    let first = rng.range(0, QUEUES - 1);
    let served = (0..rng.range(3, 7)).map(|step| (first + 7 * step + step) % QUEUES);
    let served: Vec<QueueId> = served.map(queue_id).collect();
    let mut skills = BTreeMap::new();
    for skill in LANGUAGES.iter().chain(&TOPICS) {
        if rng.percent(70) {
            skills.insert((*skill).to_string(), rng.range(1, 5) as u8);
        }
    }
    let part = |percent: u64, rng: &mut Rng| rng.percent(percent);
    Agent {
        tiers: [(served[0].clone(), rng.range(1, 4) as u8)].into(),
        weights: [(served[0].clone(), rng.range(1, 30) as u16)].into(),
        queues: Some(served),
        skills,
        password: Some(Secret::new("secret")),
        capacity: if part(2, rng) { 3 } else { 1 },
        ..Agent::new(format!("a{number}").as_str())
    }
}

/// Two kinds of call for each queue: one that asks for skills, and for less later, and the rest.
fn rules(number: u64, rng: &mut Rng) -> [Rule; 2] {
    let then = Then {
        queue: Some(queue_id(number)),
        priority: *rng.pick(&[0, 0, 0, 5]),
        ..Then::default()
    };
    let language = rng.pick(&LANGUAGES).to_string();
    let topic = rng.pick(&TOPICS).to_string();
    let skills = BTreeMap::from([(language.clone(), 2), (topic, rng.range(1, 3) as u8)]);
    let relax = [(30, BTreeMap::from([(language, 1)])), (90, BTreeMap::new())];
    let relax = relax.map(|(after_seconds, skills)| Relax {
        after_seconds,
        skills,
    });
    let skilled = Then {
        skills,
        relax: relax.into(),
        ..then.clone()
    };
    [("s", skilled), ("q", then)].map(|(kind, then)| {
        let mut rule = Rule {
            id: format!("{kind}{number}").as_str().into(),
            when: Default::default(),
            then,
        };
        rule.when.to = Some(Many::One(format!("{kind}{number}@*")));
        rule
    })
}

/// The whole centre.
pub fn centre(rng: &mut Rng) -> Centre {
    let rest = Rule {
        id: "rest".into(),
        when: Default::default(),
        then: Then {
            refuse: Some(404),
            ..Then::default()
        },
    };
    Centre {
        queues: (0..QUEUES).map(|number| queue(number, rng)).collect(),
        agents: (0..AGENTS).map(|number| agent(number, rng)).collect(),
        rules: (0..QUEUES)
            .flat_map(|number| rules(number, rng))
            .chain([rest])
            .collect(),
        offers: Offers {
            back_off_seconds: 5,
            skip_seconds: 30,
            pause_after_missed: 3,
            ..Offers::default()
        },
        ..Centre::default()
    }
}

/// Calls in an hour at that time: from the middle of an hour to the middle of the next one it changes
/// evenly.
fn calls_an_hour(ms: u64) -> u64 {
    let from_middle = (ms + 23 * HOUR + HOUR / 2) % (24 * HOUR);
    let (hour, part) = ((from_middle / HOUR) as usize, from_middle % HOUR);
    let (now, then) = (CALLS[hour], CALLS[(hour + 1) % 24]);
    (now * (HOUR - part) + then * part) / HOUR
}

impl World {
    pub(super) fn begin_day(&mut self) {
        self.relay.manners = MANNERS;
        let several = self.centre.agents.iter().filter(|agent| agent.capacity > 1);
        let several = several.map(|agent| (agent.id.clone(), agent.capacity));
        self.relay.lines.extend(several);
        let now = self.now_ms;
        let day = self.profile.day.expect("a day");
        for agent in 0..self.staff.len() {
            let mut percent = agent as u64 * 100 / AGENTS;
            let shift = SHIFTS.iter().find(|(_, _, part)| {
                let found = percent < *part;
                percent = percent.saturating_sub(*part);
                found
            });
            let (from, until, _) = shift.expect("parts add up to 100");
            let late = self.rng.range(0, 20 * MINUTE);
            // The night's shift began the day before, too.
            for (from, until) in [
                (*from, *until),
                (from.saturating_sub(24), until.saturating_sub(24)),
            ] {
                let end = until * HOUR + late;
                if end > now && until > from && from * HOUR < day.until_ms {
                    let begin = (from * HOUR + late).saturating_sub(now);
                    self.after(begin, Step::Work(agent, Work::Begin));
                    self.after(end - now, Step::Work(agent, Work::End));
                }
            }
        }
    }

    /// The next call of the day, if there is one: callers who come by chance, at a rate that changes.
    pub(super) fn next_of_day(&mut self, day: Day) -> Option<u64> {
        let mut at = self.now_ms as f64;
        loop {
            at += self.rng.exponential(HOUR as f64 / MOST_CALLS as f64);
            if at as u64 >= day.until_ms {
                return None;
            }
            let part = calls_an_hour(at as u64) * 100 / MOST_CALLS;
            if self.rng.percent(part) {
                return Some(at as u64 - self.now_ms);
            }
        }
    }

    pub(super) fn facts_of_day(&mut self) -> Facts {
        let kind = self.rng.pick(&["s", "q"]);
        // The first queues get more than the last.
        let most = self.rng.range(0, QUEUES - 1);
        let queue = self.rng.range(0, most);
        let one = self.rng.percent(1);
        Facts {
            request_uri: format!("sip:{kind}{queue}@centre.example"),
            to: format!("sip:{kind}{queue}@centre.example"),
            from: format!("sip:caller{}@example.net", self.rng.range(0, CALLERS)),
            wanted_agent: one.then(|| self.rng.pick(&self.staff).clone()),
            media: vec![Medium {
                kind: "audio".into(),
                port: 4_000,
                protocol: "RTP/AVP".into(),
                codecs: vec!["PCMU".into()],
            }],
            ..Facts::default()
        }
    }

    /// Most are patient, some hang up at once.
    pub(super) fn patience_of_day(&mut self) -> u64 {
        match self.rng.percent(3) {
            true => self.rng.range(1, 3_000),
            false => (self.rng.exponential(240.0) * 1_000.0) as u64,
        }
    }

    pub(super) fn work(&mut self, number: usize, work: Work) {
        let begins = matches!(work, Work::Begin);
        if !begins && !self.on_shift[number] {
            return;
        }
        let status = match work {
            Work::Begin | Work::Return | Work::Again => Some(Status::Ready),
            Work::Break => Some(Status::Paused {
                reason: "break".into(),
            }),
            Work::End => Some(Status::LoggedOut),
            Work::Lost | Work::Found => None,
        };
        match work {
            Work::Begin | Work::Found => self.phone(number, true, true),
            Work::Lost => {
                let noticed = self.rng.percent(60);
                self.phone(number, false, noticed);
            }
            Work::End => self.phone(number, false, true),
            Work::Break | Work::Return | Work::Again => {}
        }
        if let Some(status) = status {
            let agent = self.staff[number].clone();
            self.tell(Input::AgentStatus { agent, status });
        }
        self.on_shift[number] = !matches!(work, Work::End);
        let next: &[(u64, u64, Work)] = match work {
            Work::Begin => &[
                (30, 120, Work::Break),
                (10, 900, Work::Lost),
                (5, 60, Work::Again),
            ],
            Work::Break => &[(5, 30, Work::Return)],
            Work::Return => &[(30, 120, Work::Break)],
            Work::Lost => &[(0, 10, Work::Found)],
            Work::Found => &[(10, 900, Work::Lost)],
            Work::Again => &[(5, 60, Work::Again)],
            Work::End => &[],
        };
        for (soonest, latest, work) in next {
            let after = self.rng.range(soonest * MINUTE, latest * MINUTE);
            self.after(after, Step::Work(number, *work));
        }
    }

    fn phone(&mut self, number: usize, reachable: bool, noticed: bool) {
        let agent = self.staff[number].clone();
        self.relay.registered.insert(agent.clone(), reachable);
        if noticed {
            self.tell(Input::AgentReachable { agent, reachable });
        }
    }

    /// What becomes of the whole centre now and then: control or the relay is restarted, or somebody
    /// changes the declaration.
    pub(super) fn disturb_day(&mut self) {
        match self.rng.range(0, 9) {
            0 => {
                self.tally.restarts += 1;
                self.start_control();
                self.log_in_again();
            }
            1 => self.crash_relay(),
            2..5 => self.configure(),
            _ => {
                let queue = self.rng.range(0, QUEUES - 1);
                self.centre.queues[queue as usize] = super::day::queue(queue, &mut self.rng);
                let number = self.rng.range(0, AGENTS - 1);
                self.centre.agents[number as usize] = agent(number, &mut self.rng);
                self.configure();
            }
        }
    }

    /// A control process that begins finds all agents ready that have a phone; those who are not at
    /// work say so.
    fn log_in_again(&mut self) {
        for number in 0..self.staff.len() {
            if !self.on_shift[number] {
                let (agent, status) = (self.staff[number].clone(), Status::LoggedOut);
                self.tell(Input::AgentStatus { agent, status });
            }
        }
    }
}
