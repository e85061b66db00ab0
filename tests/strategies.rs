//! Who is rung, by each strategy; all who are rung together; and what phones see when two of them
//! answer at once.

use crate::support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use support::sipp::{Phone, received};
use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have};

const NAMES: [&str; 3] = ["anna", "bert", "carl"];

/// A centre with that strategy and three agents, each with those keys beside its address.
fn centre(strategy: &str, keys: [&str; 3]) -> (Centre, [SocketAddr; 3]) {
    let centre = Centre::start();
    let phones = NAMES.map(|_| centre.agent_address());
    let mut declared = Declaration::new()
        .queue("strategy", format!("\"{strategy}\""))
        .wants("sales = 1");
    for ((name, phone), keys) in NAMES.iter().zip(phones).zip(keys) {
        let skilled = match keys.contains("skills") {
            true => "",
            false => "skills = { sales = 1 }",
        };
        let uri = format!("uri = \"sip:{name}@{phone}\"");
        declared = declared.agent(name, &format!("{uri}\n{skilled}\n{keys}"));
    }
    centre.apply(&declared);
    (centre, phones)
}

/// Whom each of so many calls reached, one after the other.
fn one_by_one(strategy: &str, keys: [&str; 3], calls: usize) -> Vec<&'static str> {
    let (centre, at) = centre(strategy, keys);
    let phones = at.map(|at| {
        Sipp::agent("agent.xml", at, &centre)
            .calls(calls as u32)
            .start()
    });
    let mut order = Vec::new();
    for _ in 0..calls {
        let before = phones.each_ref().map(rung);
        let caller = Sipp::caller("caller.xml", CALLER, &centre)
            .hold(Duration::from_millis(100))
            .start();
        caller.succeeds(CALL);
        let more = |at: &usize| rung(&phones[*at]) > before[*at];
        order.push((0..3).find(more).map_or("nobody", |at| NAMES[at]));
        centre.wait_empty();
        for name in NAMES {
            centre.wait_available(name);
        }
    }
    order
}

/// How many calls have reached a phone.
fn rung(phone: &Phone) -> usize {
    let seen = phone.messages();
    let invites = received(&seen).filter(|sip| sip.is_request("INVITE"));
    let calls: BTreeSet<_> = invites.filter_map(|sip| sip.header("Call-ID")).collect();
    calls.len()
}

// A4
#[test]
fn round_robin_takes_turns() {
    if !have(&["sipp"]) {
        return;
    }
    let rung = one_by_one("round_robin", [""; 3], 4);
    assert_eq!(rung, ["anna", "bert", "carl", "anna"]);
}

// A4
#[test]
fn top_down_stays_with_the_first_tier() {
    if !have(&["sipp"]) {
        return;
    }
    let tiers = ["tiers = { support = 2 }", "tiers = { support = 1 }", ""];
    assert_eq!(one_by_one("top_down", tiers, 2), ["bert", "bert"]);
}

// A4
#[test]
fn the_best_skilled_gets_it_as_long_as_it_is_free() {
    if !have(&["sipp"]) {
        return;
    }
    let skills = [
        "skills = { sales = 3 }",
        "skills = { sales = 4 }",
        "skills = { sales = 7 }",
    ];
    assert_eq!(one_by_one("skill_best", skills, 2), ["carl", "carl"]);
}

// A4
#[test]
fn the_least_occupied_gets_it_and_lots_reach_everybody_in_time() {
    if !have(&["sipp"]) {
        return;
    }
    let rung = one_by_one("least_occupied", [""; 3], 3);
    assert_eq!(rung, ["anna", "bert", "carl"]);
    let weights = [
        "weights = { support = 1 }",
        "weights = { support = 1000 }",
        "",
    ];
    let rung = one_by_one("weighted_random", weights, 3);
    assert!(
        rung.iter().filter(|name| **name == "bert").count() >= 2,
        "{rung:?}"
    );
}

// A4
#[test]
fn all_are_rung_together_and_those_who_did_not_answer_are_cancelled() {
    if !have(&["sipp"]) {
        return;
    }
    let (centre, at) = centre("ring_all", [""; 3]);
    let [anna, bert, carl] = at;
    let slow = [anna, carl].map(|at| Sipp::agent("agent_does_not_answer.xml", at, &centre).start());
    let quick = Sipp::agent("agent.xml", bert, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .hold(Duration::from_millis(300))
        .start();
    let heard = caller.succeeds(CALL);
    let answers = received(&heard).filter(|sip| sip.is_answer(200, "INVITE"));
    assert_eq!(answers.count(), 1);
    quick.succeeds(SOON);
    for phone in slow {
        let seen = phone.succeeds(SOON);
        assert!(received(&seen).any(|sip| sip.is_request("CANCEL")));
    }
    centre.wait_empty();
    for name in NAMES {
        centre.wait_available(name);
    }
}

// A4
#[test]
fn of_agents_who_answer_at_once_one_has_the_call_and_the_others_are_hung_up() {
    if !have(&["sipp"]) {
        return;
    }
    let (centre, at) = centre("ring_all", [""; 3]);
    for _ in 0..3 {
        let phones = at.map(|at| Sipp::agent("agent_races.xml", at, &centre).start());
        let caller = Sipp::caller("caller.xml", CALLER, &centre)
            .hold(Duration::from_millis(300))
            .start();
        let heard = caller.succeeds(CALL);
        let tags: Vec<_> = received(&heard)
            .filter(|sip| sip.is_answer(200, "INVITE"))
            .filter_map(|sip| sip.header("To").map(str::to_owned))
            .collect();
        assert!(tags.iter().all(|tag| *tag == tags[0]), "{tags:?}");
        assert!(
            !received(&heard).any(|sip| sip.is_request("BYE")),
            "the caller hears of one alone"
        );
        for phone in phones {
            let seen = phone.succeeds(CALL);
            assert!(received(&seen).any(|sip| sip.is_request("BYE")));
        }
        centre.wait_empty();
        for name in NAMES {
            centre.wait_available(name);
        }
    }
}

// A4
#[test]
fn a_caller_who_gives_up_silences_all_phones() {
    if !have(&["sipp"]) {
        return;
    }
    let (centre, at) = centre("ring_all", [""; 3]);
    let phones = at.map(|at| Sipp::agent("agent_does_not_answer.xml", at, &centre).start());
    let caller = Sipp::caller("caller_cancels.xml", CALLER, &centre)
        .hold(Duration::from_millis(300))
        .word("before", "182")
        .word("after", "180")
        .start();
    caller.succeeds(CALL);
    for phone in phones {
        let seen = phone.succeeds(SOON);
        assert!(received(&seen).any(|sip| sip.is_request("CANCEL")));
    }
    centre.wait_empty();
    for name in NAMES {
        centre.wait_available(name);
    }
}
