//! The declarations that a simulated centre changes between.

use super::rng::Rng;
use super::sites;
use patchbay_core::Slot;
use patchbay_core::centre::{
    Agent, Ask, CallBacks, Centre, Choice, EXPECTED_WAIT, HandOver, Late, Many, Menu, Offers,
    Overflow, OverflowWhen, POSITION, Queue, Relax, Rule, Secret, ServiceLevel, Strategy, Then,
    Waiting, WhenNoAgents,
};
use std::collections::BTreeMap;

pub const AGENTS: u64 = 10;
pub const SKILLS: [&str; 2] = ["german", "billing"];

const STRATEGIES: [Strategy; 7] = [
    Strategy::LongestIdle,
    Strategy::LeastOccupied,
    Strategy::RoundRobin,
    Strategy::RingAll,
    Strategy::TopDown,
    Strategy::SkillBest,
    Strategy::WeightedRandom,
];

fn queue(id: &str, rng: &mut Rng) -> Queue {
    let hand_over = match rng.percent(15) {
        true => HandOver::Redirect,
        false => HandOver::Relay,
    };
    let waiting = rng.percent(40).then(|| waiting(hand_over, rng));
    let calls_back = rng.percent(60);
    Queue {
        strategy: *rng.pick(&STRATEGIES),
        ring_at_once: rng.range(2, 6) as usize,
        hand_over,
        sticky_seconds: *rng.pick(&[None, None, Some(0), Some(15)]),
        priority_per_minute: *rng.pick(&[0, 0, 1, 60]),
        service_level: rng.percent(30).then(|| ServiceLevel {
            seconds: rng.range(5, 40) as u32,
            percent: 80,
            late: *rng.pick(&[Late::InOrder, Late::Behind]),
        }),
        ring_seconds: rng.range(2, 25) as u32,
        // Some outlast the patience of those whom nobody asks about.
        max_wait_seconds: match rng.percent(15) {
            true => 300,
            false => rng.range(5, 120) as u32,
        },
        max_length: rng.range(0, 12) as usize,
        wrap_up_seconds: *rng.pick(&[0, 0, 5, 20]),
        when_no_agents: *rng.pick(&[WhenNoAgents::Refuse, WhenNoAgents::Wait]),
        call_back: calls_back.then(|| call_back(rng)),
        overflow: overflow(id, (waiting.is_some(), calls_back), rng),
        waiting,
        ..Queue::new(id)
    }
}

fn waiting(hand_over: HandOver, rng: &mut Rng) -> Waiting {
    let say = [POSITION, EXPECTED_WAIT, "thanks"].map(str::to_owned);
    Waiting {
        say: say.into_iter().filter(|_| rng.percent(70)).collect(),
        first_seconds: rng.range(0, 10) as u32,
        every_seconds: *rng.pick(&[0, 10, 30]),
        // Who was answered cannot be redirected.
        answer: hand_over == HandOver::Relay && rng.percent(25),
        ..Waiting::default()
    }
}

fn call_back(rng: &mut Rng) -> CallBacks {
    CallBacks {
        at_most: rng.range(1, 10) as u32,
        ahead_seconds: rng.range(20, 200) as u32,
        keep_seconds: rng.range(60, 200) as u32,
        attempts: rng.range(1, 3) as u32,
        retry_seconds: rng.range(1, 60) as u32,
        answer_seconds: rng.range(5, 40) as u32,
        say_seconds: rng.range(0, 3) as u32,
        ..CallBacks::default()
    }
}

fn overflow(id: &str, (heard, calls_back): (bool, bool), rng: &mut Rng) -> Vec<Overflow> {
    let cases = [
        OverflowWhen::Full,
        OverflowWhen::NoAgents,
        OverflowWhen::Waited,
        OverflowWhen::Pressed,
    ];
    let mut overflow = Vec::new();
    for when in cases {
        let pressed = when == OverflowWhen::Pressed;
        if rng.percent(60) || (pressed && !heard) {
            continue;
        }
        let other = if id == "sales" { "support" } else { "sales" };
        let mut one = Overflow {
            when,
            key: pressed.then_some('1'),
            after_seconds: (when == OverflowWhen::Waited).then_some(rng.range(1, 40) as u32),
            queue: None,
            redirect: None,
            call_back: false,
            refuse: None,
            say: Vec::new(),
            say_seconds: 6,
        };
        match rng.range(0, 3) {
            _ if calls_back && rng.percent(40) => one.call_back = true,
            0 => one.refuse = Some(486),
            1 => one.redirect = Some("sip:elsewhere@example.net".into()),
            2 if heard => {
                one.say = vec!["thanks".into()];
                one.refuse = Some(480);
            }
            _ => one.queue = Some(other.into()),
        }
        overflow.push(one);
    }
    overflow
}

fn agent(number: u64, queues: &[&str], rng: &mut Rng) -> Agent {
    let registers = number.is_multiple_of(2);
    let mut skills = BTreeMap::new();
    for skill in SKILLS {
        if rng.percent(60) {
            skills.insert(skill.to_string(), rng.range(1, 4) as u8);
        }
    }
    Agent {
        skills,
        queues: rng.percent(60).then(|| {
            let served = queues.iter().filter(|_| rng.percent(70));
            served.map(|id| (*id).into()).collect()
        }),
        tiers: [("sales".into(), rng.range(1, 3) as u8)].into(),
        weights: [("sales".into(), rng.range(1, 30) as u16)].into(),
        password: registers.then(|| Secret::new("secret")),
        uri: (!registers).then(|| format!("sip:a{number}@192.0.2.{number}")),
        paused: rng.percent(5),
        capacity: *rng.pick(&[1, 1, 1, 3]),
        capacities: capacities(rng),
        blocks: blocks(rng),
        ..Agent::new(format!("a{number}").as_str())
    }
}

fn capacities(rng: &mut Rng) -> BTreeMap<Slot, usize> {
    let others = Slot::ALL.into_iter().filter(|slot| *slot != Slot::Call);
    let declared = others.filter(|_| rng.percent(20)).collect::<Vec<_>>();
    let declared = declared.into_iter();
    declared
        .map(|slot| (slot, rng.range(0, 3) as usize))
        .collect()
}

fn blocks(rng: &mut Rng) -> BTreeMap<Slot, Vec<Slot>> {
    let mut blocks = BTreeMap::new();
    for slot in Slot::ALL {
        if rng.percent(15) {
            let others = Slot::ALL.into_iter().filter(|other| *other != slot);
            blocks.insert(slot, others.filter(|_| rng.percent(50)).collect());
        }
    }
    blocks
}

fn rule(id: &str, to: Option<&str>, then: Then) -> Rule {
    let mut rule = Rule {
        id: id.into(),
        when: Default::default(),
        then,
    };
    rule.when.to = to.map(|to| Many::One(to.to_string()));
    rule
}

fn then(queue: &str, rng: &mut Rng) -> Then {
    let mut skills = BTreeMap::new();
    if rng.percent(50) {
        let skill = rng.pick(&SKILLS).to_string();
        skills.insert(skill, rng.range(1, 3) as u8);
    }
    let less: BTreeMap<String, u8> = skills.keys().map(|skill| (skill.clone(), 1)).collect();
    let relax = [(rng.range(1, 20) as u32, less), (40, BTreeMap::new())];
    let relax = relax.map(|(after_seconds, skills)| Relax {
        after_seconds,
        skills,
    });
    Then {
        queue: Some(queue.into()),
        relax: match skills.is_empty() {
            true => Vec::new(),
            false => relax.into_iter().take(rng.range(0, 2) as usize).collect(),
        },
        skills,
        priority: *rng.pick(&[0, 0, 5, -5]),
        ..Then::default()
    }
}

fn asks(rng: &mut Rng) -> Vec<Ask> {
    let ask = Ask {
        id: "crm".into(),
        url: "https://crm.example.com/".into(),
        secret: Secret::new("0123456789abcdef"),
        when: Some("from.user.endsWith(\"1\")".into()),
        zone: None,
        time_limit_ms: rng.range(50, 500) as u32,
        on_failure: rng.percent(50).then(|| "sales".into()),
        ca_file: None,
        insecure: false,
    };
    Vec::from_iter(rng.percent(40).then_some(ask))
}

/// How long a menu may last, in ms.
pub const LONGEST_MENU_MS: u64 = 3 * 20_000 + 100;

fn menus(rng: &mut Rng) -> Vec<Menu> {
    if !rng.percent(40) {
        return Vec::new();
    }
    let menu = |id: &str, rng: &mut Rng| Menu {
        id: id.into(),
        title: String::new(),
        say: vec!["welcome".into()],
        language: "en".into(),
        music: "music".into(),
        answer: false,
        seconds: rng.range(3, 20) as u32,
        times: rng.range(1, 3) as u32,
        repeat: None,
        default: rng.percent(60).then(|| "more".into()),
        choices: vec![choice('1', "more"), choice('#', "less")],
    };
    vec![menu("first", rng), menu("finer", rng)]
}

fn choice(key: char, answer: &str) -> Choice {
    Choice {
        key,
        answer: answer.into(),
        title: String::new(),
    }
}

/// A centre; some of them lack a queue or agents that others have.
pub fn any(rng: &mut Rng) -> Centre {
    let mut queues = vec!["sales", "support"];
    if rng.percent(70) {
        queues.push("vip");
    }
    let menus = menus(rng);
    let mut rules = vec![
        rule("sales", Some("sales@*"), then("sales", rng)),
        rule("german", Some("deutsch@*"), then("support", rng)),
    ];
    if queues.contains(&"vip") {
        rules.push(rule("vip", Some("vip@*"), then("vip", rng)));
    }
    if rng.percent(30) {
        let mut again = rule("again", None, then("sales", rng));
        again.when.expression = Some("earlier.contacts > 1".into());
        rules.push(again);
    }
    if !menus.is_empty() {
        let finer = Then {
            menu: Some("finer".into()),
            ..Then::default()
        };
        let first = Then {
            menu: Some("first".into()),
            ..Then::default()
        };
        rules.push(rule("first", Some("support@*"), first));
        let mut again = rule("finer", None, finer);
        again
            .when
            .answer
            .insert("first".into(), Many::One("more".into()));
        rules.push(again);
    }
    let refuse = Then {
        refuse: Some(404),
        ..Then::default()
    };
    rules.push(rule("nobody", Some("nobody@*"), refuse));
    rules.push(rule("rest", None, then("support", rng)));
    let declared: Vec<Queue> = queues.iter().map(|id| queue(id, rng)).collect();
    let sites = sites::declared(&declared, rng);
    Centre {
        phones: Default::default(),
        queues: declared,
        agents: (0..AGENTS)
            .filter(|_| rng.number() % 100 < 85)
            .collect::<Vec<_>>()
            .into_iter()
            .map(|number| agent(number, &queues, rng))
            .collect(),
        calendars: Vec::new(),
        menus,
        sites,
        asks: asks(rng),
        rules,
        offers: Offers {
            back_off_seconds: rng.range(1, 8) as u32,
            skip_seconds: rng.range(1, 40) as u32,
            pause_after_missed: *rng.pick(&[0, 0, 2, 3]),
            log_out_after_missed: *rng.pick(&[0, 0, 4]),
            outside_seconds: rng.range(10, 60) as u32,
        },
    }
}
