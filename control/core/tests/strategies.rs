//! Who is chosen: each strategy, several agents at once, and what changes while a contact waits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to, centre};
use patchbay_core::explain::Verdict;
use patchbay_core::{
    ContactId, Facts, Input, OfferEnd, OfferFailure, OfferId, Output, Status, What, validate,
};
use std::collections::BTreeMap;

/// Three agents; `queue` and `agents` are added to what is declared of them.
fn three(queue: &str, agents: [&str; 3]) -> Desk {
    let [a, b, c] = agents;
    Desk::new(&format!(
        r#"
queue = [{{ id = "q", ring_seconds = 10, max_wait_seconds = 60, {queue} }}]
agent = [
  {{ id = "anna", uri = "sip:anna@192.0.2.1", {a} }},
  {{ id = "bert", uri = "sip:bert@192.0.2.2", {b} }},
  {{ id = "carl", uri = "sip:carl@192.0.2.3", {c} }},
]
rule = [
  {{ id = "deutsch", when = {{ to = "deutsch@*" }}, then = {{ queue = "q", skills = {{ german = 1 }} }} }},
  {{ id = "all", then = {{ queue = "q" }} }},
]
"#
    ))
}

/// A call that the chosen agent takes for so long; who it was.
fn served(desk: &mut Desk, contact: u64, ms: u64) -> String {
    let contact = desk.call(contact);
    let (_, offer, agent) = desk.offer();
    desk.answered(offer);
    desk.pass(ms);
    desk.ended(contact, offer);
    agent
}

/// Everybody who is rung for a new call.
fn rung(desk: &mut Desk, contact: u64) -> BTreeMap<String, OfferId> {
    desk.call(contact);
    let offers = desk.offers().into_iter();
    offers.map(|(_, offer, agent)| (agent, offer)).collect()
}

fn cancelled(desk: &mut Desk) -> Vec<OfferId> {
    let orders = desk.orders().into_iter();
    let cancelled = orders.filter_map(|order| match order {
        Output::CancelOffer { offer, .. } => Some(offer),
        _ => None,
    });
    cancelled.collect()
}

// A4
#[test]
fn round_robin_goes_around_whatever_the_calls_last() {
    let mut desk = three("strategy = \"round_robin\"", [""; 3]);
    let mut order = Vec::new();
    for (contact, ms) in (1..).zip([9_000, 1_000, 500, 4_000, 1, 700]) {
        order.push(served(&mut desk, contact, ms));
        desk.pass(10);
    }
    assert_eq!(order, ["anna", "bert", "carl", "anna", "bert", "carl"]);
}

// A4
#[test]
fn top_down_takes_the_lowest_tier_and_in_it_the_first_declared() {
    let tiers = ["tiers = { q = 2 }", "", "tiers = { q = 1 }"];
    let mut desk = three("strategy = \"top_down\"", tiers);
    let agents = [1, 2, 3].map(|contact| {
        desk.call(contact);
        desk.offer().2
    });
    assert_eq!(agents, ["bert", "carl", "anna"]);
}

// A4
#[test]
fn skill_best_takes_the_one_who_knows_most() {
    let skills = [
        "skills = { german = 2 }",
        "skills = { german = 9 }",
        "skills = { german = 5 }",
    ];
    let mut desk = three("strategy = \"skill_best\"", skills);
    let agents = [1, 2, 3].map(|contact| {
        desk.call_as(contact, call_to("deutsch"));
        let choice = desk.events().into_iter().find_map(|what| match what {
            What::ContactOffered { choice, .. } => Some(choice),
            _ => None,
        });
        desk.said.retain(|said| !matches!(said, Output::Event(_)));
        let Verdict::Chosen { score, .. } = choice.unwrap().considered[0].verdict else {
            panic!("the first is the one chosen");
        };
        (desk.offer().2, score)
    });
    let expected = [("bert", 9), ("carl", 5), ("anna", 2)];
    assert_eq!(agents, expected.map(|(a, s)| (a.to_string(), Some(s))));
}

// A4
#[test]
fn least_occupied_takes_the_one_who_worked_least_of_late() {
    let mut desk = three("strategy = \"least_occupied\"", [""; 3]);
    assert_eq!(served(&mut desk, 1, 600_000), "anna");
    assert_eq!(served(&mut desk, 2, 60_000), "bert");
    assert_eq!(served(&mut desk, 3, 300_000), "carl");
    // Anna has been idle for longest, and yet is last.
    let agents = [4, 5, 6].map(|contact| {
        desk.call(contact);
        desk.offer().2
    });
    assert_eq!(agents, ["bert", "carl", "anna"]);
}

// A4
#[test]
fn a_pause_does_not_count_as_rest() {
    let mut desk = three("strategy = \"least_occupied\"", [""; 3]);
    desk.status("carl", Status::LoggedOut);
    assert_eq!(served(&mut desk, 1, 60_000), "anna");
    let reason = "lunch".to_string();
    desk.status("anna", Status::Paused { reason });
    assert_eq!(served(&mut desk, 2, 50_000), "bert");
    desk.pass(3_600_000);
    desk.status("anna", Status::Ready);
    desk.call(3);
    assert_eq!(desk.offer().2, "bert", "who rested for an hour");
}

// A4
#[test]
fn lots_fall_as_the_weights_say() {
    let weights = [
        "weights = { q = 10 }",
        "weights = { q = 30 }",
        "weights = { q = 60 }",
    ];
    let mut desk = three("strategy = \"weighted_random\"", weights);
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    for contact in 1..=6_000 {
        *count.entry(served(&mut desk, contact, 1)).or_default() += 1;
        desk.said.clear();
    }
    for (agent, expected) in [("anna", 600), ("bert", 1_800), ("carl", 3_600)] {
        let off = count[agent].abs_diff(expected);
        assert!(off < 150, "{agent}: {} of {expected}", count[agent]);
    }
}

const ALL: &str = "strategy = \"ring_all\", ring_at_once = 3";

// A4
#[test]
fn all_ring_and_the_first_who_answers_has_it() {
    let mut desk = three(ALL, [""; 3]);
    let rung = rung(&mut desk, 1);
    assert_eq!(rung.len(), 3);
    desk.answered(rung["bert"]);
    let orders = desk.orders();
    let accept = Output::Accept {
        contact: ContactId(1),
        offer: rung["bert"],
    };
    assert_eq!(orders.first(), Some(&accept));
    assert_eq!(orders.len(), 3, "{orders:?}");
    for agent in ["anna", "carl"] {
        desk.failed(rung[agent], OfferFailure::NoAnswer, 487);
        let ended = desk.events().into_iter().rev().find_map(|what| match what {
            What::OfferFailed { why, .. } => Some(why),
            _ => None,
        });
        assert_eq!(ended, Some(OfferEnd::AnsweredElsewhere));
        assert_eq!(desk.activity(agent), "idle", "at once, and not rested");
    }
}

// A4
#[test]
fn of_two_who_answer_at_once_one_has_it_and_the_other_is_free_again() {
    let mut desk = three(ALL, [""; 3]);
    let rung = rung(&mut desk, 1);
    desk.answered(rung["anna"]);
    desk.orders();
    desk.answered(rung["bert"]);
    let end = desk.orders();
    assert!(
        matches!(end[..], [Output::EndSession { offer, .. }] if offer == rung["bert"]),
        "{end:?}"
    );
    assert_eq!(desk.activity("bert"), "in_call");
    desk.ended(ContactId(1), rung["bert"]);
    assert_eq!(desk.activity("bert"), "idle");
    assert_eq!(desk.snapshot().queues[0].connected, 1);
}

// A4
#[test]
fn a_caller_who_gives_up_silences_all() {
    let mut desk = three(ALL, [""; 3]);
    let rung = rung(&mut desk, 1);
    desk.gone(ContactId(1));
    assert_eq!(cancelled(&mut desk).len(), 3);
    for (agent, offer) in rung {
        assert_eq!(desk.activity(&agent), "reserved");
        desk.failed(offer, OfferFailure::NoAnswer, 487);
        assert_eq!(desk.activity(&agent), "idle");
    }
}

// A4
#[test]
fn who_becomes_free_rings_too_and_who_is_busy_is_not_waited_for() {
    let mut desk = three(ALL, [""; 3]);
    let reason = String::new();
    desk.status("carl", Status::Paused { reason });
    let rung = rung(&mut desk, 1);
    assert_eq!(rung.len(), 2);
    desk.status("carl", Status::Ready);
    assert_eq!(desk.offer().2, "carl");
    desk.failed(rung["anna"], OfferFailure::Busy, 486);
    assert_eq!(desk.waiting(), [1]);
    assert_eq!(desk.offers(), [], "nobody else is free");
    desk.answered(rung["bert"]);
    assert_eq!(desk.waiting(), [] as [u64; 0]);
}

// A4
#[test]
fn when_all_ring_out_all_ring_again() {
    let mut desk = three(ALL, [""; 3]);
    let rung = rung(&mut desk, 1);
    desk.pass(10_000);
    assert_eq!(cancelled(&mut desk).len(), 3);
    for offer in rung.values() {
        desk.failed(*offer, OfferFailure::NoAnswer, 487);
    }
    desk.pass(5_000);
    assert_eq!(desk.offers().len(), 3, "after their moment of rest");
    assert_eq!(desk.waiting(), [1]);
}

// A4
#[test]
fn no_agent_is_rung_for_two_callers() {
    let mut desk = three(ALL, [""; 3]);
    assert_eq!(rung(&mut desk, 1).len(), 3);
    assert_eq!(rung(&mut desk, 2).len(), 0);
    assert_eq!(desk.waiting(), [1, 2]);
}

// A4
#[test]
fn who_asked_for_much_asks_for_less_in_time() {
    let mut desk = Desk::new(
        r#"
queue = [{ id = "q", max_wait_seconds = 100 }]
agent = [
  { id = "anna", uri = "sip:a@192.0.2.1", skills = { german = 2 } },
  { id = "bert", uri = "sip:b@192.0.2.2" },
]
rule = [{ id = "all", then = { queue = "q", skills = { german = 5 }, relax = [
  { after_seconds = 10, skills = { german = 3 } },
  { after_seconds = 20, skills = { german = 1 } },
  { after_seconds = 30 },
] } }]
"#,
    );
    desk.call(1);
    desk.call(2);
    desk.pass(19_999);
    assert_eq!(desk.offers(), []);
    desk.pass(1);
    let (contact, _, agent) = desk.offer();
    assert_eq!((contact.0, agent.as_str()), (1, "anna"));
    desk.pass(10_000);
    let (contact, _, agent) = desk.offer();
    assert_eq!((contact.0, agent.as_str()), (2, "bert"));
    let steps = desk.events().into_iter().filter_map(|what| match what {
        What::ContactRelaxed {
            contact,
            step,
            skills,
            ..
        } => Some((contact.0, step, skills.get("german").copied())),
        _ => None,
    });
    let steps: Vec<_> = steps.collect();
    let both = |step, level| [(1, step, level), (2, step, level)];
    let expected = [both(1, Some(3)), both(2, Some(1)), both(3, None)].concat();
    assert_eq!(steps, expected);
}

// A4
#[test]
fn steps_that_ask_for_more_or_come_earlier_are_problems() {
    let text = r#"
queue = [{ id = "q" }]
rule = [{ id = "all", then = { queue = "q", skills = { german = 2 }, relax = [
  { after_seconds = 10, skills = { german = 3 } },
  { after_seconds = 10, skills = { french = 1 } },
] } }]
"#;
    let problems = validate(&toml::from_str(text).unwrap());
    let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "rule[0].then.relax[0].skills.german",
            "rule[0].then.relax[1].after_seconds",
            "rule[0].then.relax[1].skills.french",
        ]
    );
}

fn of(caller: &str) -> Facts {
    Facts {
        from: format!("sip:{caller}@example.net"),
        ..call_to("q")
    }
}

/// Bert serves the caller; then anna has been idle for longest.
fn known_to_bert(queue: &str) -> Desk {
    let mut desk = three(queue, [""; 3]);
    served(&mut desk, 1, 1_000);
    let contact = desk.call_as(2, of("gustav"));
    let (_, offer, agent) = desk.offer();
    assert_eq!(agent, "bert");
    desk.answered(offer);
    desk.pass(60_000);
    desk.ended(contact, offer);
    desk.said.clear();
    desk
}

// A4
#[test]
fn who_served_a_caller_before_serves_it_again() {
    let mut desk = known_to_bert("sticky_seconds = 0");
    desk.call_as(3, of("gustav"));
    assert_eq!(desk.offer().2, "bert", "although carl has never worked");
    desk.call_as(4, of("gustav"));
    assert_eq!(
        desk.offer().2,
        "carl",
        "bert is not free, and not waited for"
    );
}

// A4
#[test]
fn a_caller_waits_for_its_agent_for_a_while() {
    let mut desk = known_to_bert("sticky_seconds = 20");
    desk.call_as(3, of("heidi"));
    assert_eq!(desk.offer().2, "carl");
    desk.call_as(4, of("heidi"));
    let (other, offer, agent) = desk.offer();
    assert_eq!(agent, "anna");
    desk.answered(offer);
    desk.call_as(5, of("ida"));
    let (_, busy, agent) = desk.offer();
    assert_eq!(agent, "bert");
    desk.answered(busy);
    desk.call_as(6, of("gustav"));
    desk.ended(other, offer);
    assert_eq!(
        desk.offers(),
        [],
        "anna is free, and the caller waits for bert"
    );
    desk.pass(5_000);
    desk.ended(ContactId(5), busy);
    assert_eq!(desk.offer().2, "bert");
}

// A4
#[test]
fn a_caller_does_not_wait_for_its_agent_too_long_nor_for_one_who_leaves() {
    for leaves in [false, true] {
        let mut desk = known_to_bert("sticky_seconds = 20");
        desk.call_as(3, of("ida"));
        let (_, other, agent) = desk.offer();
        assert_eq!(agent, "carl");
        desk.answered(other);
        desk.call_as(4, of("gustav"));
        let (_, offer, agent) = desk.offer();
        assert_eq!(agent, "bert");
        desk.call_as(5, of("gustav"));
        assert_eq!(desk.offers(), []);
        if leaves {
            desk.answered(offer);
            desk.status("bert", Status::LoggedOut);
        } else {
            desk.answered(offer);
            desk.pass(19_999);
            assert_eq!(desk.offers(), []);
            desk.pass(1);
        }
        assert_eq!(desk.offer().2, "anna", "leaves: {leaves}");
    }
}

const TWO_QUEUES: &str = r#"
queue = [
  { id = "a", AAA },
  { id = "b", BBB },
]
agent = [{ id = "anna", uri = "sip:a@192.0.2.1" }]
rule = [
  { id = "a", when = { to = "a@*" }, then = { queue = "a" } },
  { id = "b", when = { to = "b@*" }, then = { queue = "b", priority = 0 } },
  { id = "important", when = { to = "important@*" }, then = { queue = "b", priority = 5 } },
  { id = "all", then = { queue = "a" } },
]
"#;

/// Keeps the one agent busy, lets those calls come, frees it: who is served.
fn first_of(a: &str, b: &str, calls: &[(&str, u64)]) -> u64 {
    let mut desk = Desk::new(&TWO_QUEUES.replace("AAA", a).replace("BBB", b));
    let busy = desk.call_as(100, call_to("a"));
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    for (contact, (to, then_ms)) in (1..).zip(calls) {
        desk.call_as(contact, call_to(to));
        desk.pass(*then_ms);
    }
    desk.ended(busy, offer);
    desk.offer().0.0
}

// A4
#[test]
fn queues_that_share_an_agent_are_weighed_by_their_service_levels() {
    let (fast, slow) = (
        "service_level = { seconds = 10, percent = 80 }",
        "service_level = { seconds = 60, percent = 80 }",
    );
    let calls = [("a", 5_000), ("b", 4_000)];
    assert_eq!(first_of(fast, slow, &calls), 1);
    assert_eq!(
        first_of(slow, fast, &calls),
        2,
        "4 s of 10 are more than 9 of 60"
    );
    assert_eq!(first_of(slow, slow, &calls), 1);
}

// A4
#[test]
fn priority_grows_where_it_is_told_to() {
    let calls = [("a", 200_000), ("important", 1_000)];
    assert_eq!(first_of("max_length = 9", "max_length = 9", &calls), 2);
    assert_eq!(
        first_of("priority_per_minute = 2", "max_length = 9", &calls),
        1
    );
}

// A4
#[test]
fn a_declaration_of_another_strategy_holds_for_those_who_are_free() {
    let mut desk = three("strategy = \"longest_idle\"", [""; 3]);
    served(&mut desk, 1, 1_000);
    let text = r#"
queue = [{ id = "q", strategy = "top_down" }]
agent = [
  { id = "carl", uri = "sip:carl@192.0.2.3" },
  { id = "anna", uri = "sip:anna@192.0.2.1" },
]
rule = [{ id = "all", then = { queue = "q" } }]
"#;
    desk.tell(Input::Configure(centre(text)));
    desk.call(2);
    assert_eq!(desk.offer().2, "carl", "the first declared");
}
