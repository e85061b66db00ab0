//! A server outside is asked what a contact is: what it says, and what becomes of the contact when
//! it says nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::asked::{answers, asked, asks, desk, fails, failure, typed};
use common::{call_to, centre};
use patchbay_core::asking::AskFailure;
use patchbay_core::limits::{ASK_FAILURES_IN_A_ROW, ASK_PAUSE, MAX_ASKED_WISHES, MAX_ASKING};
use patchbay_core::{Centre, Input, Output, RefuseReason, What, validate};

// D13 A3
#[test]
fn the_rules_see_what_the_server_says() {
    let mut desk = desk("");
    let contact = desk.call(1);
    assert_eq!(asked(&desk), [1]);
    assert!(desk.offers().is_empty(), "it waits for the answer");
    desk.pass(100);
    answers(
        &mut desk,
        contact,
        r#"{"customer": {"tier": "gold"}, "entitlements": ["support"]}"#,
    );
    let (rule, queue, because) = typed(&desk);
    assert_eq!((rule.as_str(), queue.as_str()), ("tier", "gold"));
    assert!(because.contains("customer.tier = \"gold\""), "{because}");
    let told = desk.events().into_iter().find_map(|what| match what {
        What::ContactAsked { took_ms, facts, .. } => Some((took_ms, facts)),
        _ => None,
    });
    let facts = ["customer.tier", "entitlements"].map(str::to_owned);
    assert_eq!(told, Some((100, facts.to_vec())));
    desk.offer();
}

// D13
#[test]
fn the_server_decides_and_nobody_waits_for_another_one() {
    let mut desk = desk("");
    let [first, second, third] = [1, 2, 3].map(|n| desk.call(n));
    // The second is answered before the first.
    answers(
        &mut desk,
        second,
        r#"{"decision": {"queue": "q", "skills": {"french": 2}, "priority": 7}}"#,
    );
    let (rule, _, because) = typed(&desk);
    assert_eq!(rule, "crm");
    assert_eq!(because, "asked crm: queue q, french 2");
    let (contact, _, agent) = desk.offer();
    assert_eq!((contact, agent.as_str()), (second, "bert"), "by its skill");
    answers(
        &mut desk,
        first,
        r#"{"decision": {"queue": "q", "agent": "anna"}}"#,
    );
    let (contact, _, agent) = desk.offer();
    assert_eq!((contact, agent.as_str()), (first, "anna"));
    desk.said.clear();
    answers(&mut desk, third, r#"{"decision": {"refuse": 603}}"#);
    assert_eq!(
        desk.refusals(),
        [(third, 603, None, RefuseReason::ByServer)]
    );
    let fourth = desk.call(4);
    answers(
        &mut desk,
        fourth,
        r#"{"decision": {"redirect": "sip:mail@x.example"}}"#,
    );
    assert!(desk.said.iter().any(|output| matches!(
        output,
        Output::Redirect { contact, to } if *contact == fourth && to == "sip:mail@x.example"
    )));
}

// D13
#[test]
fn skills_that_no_rule_asks_for_find_their_agents_free_busy_and_later() {
    let mut desk = desk("");
    let wish = r#"{"decision": {"queue": "q", "skills": {"german": 2}}}"#;
    let first = desk.call(1);
    answers(&mut desk, first, wish);
    let (_, offer, agent) = desk.offer();
    assert_eq!(agent, "anna");
    desk.answered(offer);
    let second = desk.call(2);
    answers(&mut desk, second, wish);
    assert!(desk.offers().is_empty(), "bert speaks no German");
    // The declaration changes while it waits.
    let centre: Centre = centre(&asks("time_limit_ms = 400"));
    desk.tell(Input::Configure(centre));
    desk.ended(first, offer);
    let (contact, _, agent) = desk.offer();
    assert_eq!((contact, agent.as_str()), (second, "anna"));
}

// D13
#[test]
fn servers_cannot_make_endless_wishes() {
    let mut desk = desk("");
    for level in 0..MAX_ASKED_WISHES as u64 + 1 {
        let contact = desk.call(level);
        let skill = format!("s{level}");
        let text = format!(r#"{{"decision": {{"queue": "q", "skills": {{"{skill}": 1}}}}}}"#);
        desk.said.clear();
        answers(&mut desk, contact, &text);
        let expected = (level == MAX_ASKED_WISHES as u64).then_some(AskFailure::Invalid);
        assert_eq!(failure(&desk), expected, "{level}");
        desk.gone(contact);
    }
}

// D13
#[test]
fn without_an_answer_in_time_the_rules_decide_and_a_late_one_is_dropped() {
    let mut desk = desk("time_limit_ms = 250");
    let contact = desk.call(1);
    desk.pass(249);
    assert_eq!(failure(&desk), None);
    desk.pass(1);
    assert_eq!(failure(&desk), Some(AskFailure::TimeLimit));
    assert_eq!(typed(&desk).0, "all");
    answers(&mut desk, contact, r#"{"decision": {"refuse": 603}}"#);
    assert!(desk.refusals().is_empty());
    assert_eq!(desk.distributor.counters().dropped_late_answer, 1);
    let view = &desk.distributor.servers()[0];
    assert_eq!((view.asked, view.answered, view.waiting), (1, 0, 0));
    let late = view
        .failed
        .iter()
        .find(|(why, _)| *why == AskFailure::TimeLimit);
    assert_eq!(late, Some(&(AskFailure::TimeLimit, 1)));
}

// D13
#[test]
fn every_failure_leads_to_the_queue_that_is_declared_for_it() {
    for why in AskFailure::ALL {
        let mut desk = desk("on_failure = \"night\"");
        let contact = desk.call(1);
        fails(&mut desk, contact, why);
        let (rule, queue, because) = typed(&desk);
        assert_eq!((rule.as_str(), queue.as_str()), ("crm", "night"));
        assert!(because.contains(why.text()), "{because}");
        assert_eq!(desk.offer().2, "nora");
        assert_eq!(failure(&desk), Some(why));
    }
}

// D13
#[test]
fn a_decision_that_the_declaration_does_not_know_is_a_failure_with_its_reason() {
    let mut desk = desk("");
    let contact = desk.call(1);
    answers(&mut desk, contact, r#"{"decision": {"queue": "sales"}}"#);
    let told = desk.events().into_iter().find_map(|what| match what {
        What::ContactAsked {
            failure, detail, ..
        } => Some((failure, detail)),
        _ => None,
    });
    let (failure, detail) = told.expect("it was told");
    assert_eq!(failure, Some(AskFailure::Invalid));
    assert!(detail.contains("there is no queue `sales`"), "{detail}");
    assert_eq!(typed(&desk).0, "all");
}

// D13 B6
#[test]
fn a_caller_who_gives_up_meanwhile_is_abandoned_once() {
    let mut desk = desk("");
    let contact = desk.call(1);
    desk.gone(contact);
    desk.gone(contact);
    answers(&mut desk, contact, "{}");
    desk.pass(1_000);
    let abandoned = |what: &What| matches!(what, What::ContactAbandoned { queue: None, .. });
    assert_eq!(
        desk.events().iter().filter(|what| abandoned(what)).count(),
        1
    );
    assert!(desk.offers().is_empty());
    let counters = desk.distributor.counters();
    assert_eq!((counters.arrived, counters.abandoned), (1, 1));
    assert_eq!(desk.distributor.held().contacts, 0);
    assert_eq!(desk.distributor.held().timers, 0);
    desk.call(1);
    assert_eq!(desk.distributor.counters().dropped_repeated_contact, 1);
}

// D13
#[test]
fn a_server_that_fails_in_a_row_is_left_alone_for_a_while() {
    let mut desk = desk("");
    for n in 0..u64::from(ASK_FAILURES_IN_A_ROW) {
        let contact = desk.call(n);
        fails(&mut desk, contact, AskFailure::Unreachable);
    }
    desk.said.clear();
    desk.call(100);
    assert!(asked(&desk).is_empty());
    assert_eq!(failure(&desk), Some(AskFailure::Paused));
    assert_eq!(typed(&desk).0, "all", "at once");
    assert!(desk.distributor.servers()[0].paused);
    // The declaration may change: what is declared as before stays as it is.
    let other = format!("{}\n[offers]\nback_off_seconds = 9", asks(""));
    desk.tell(Input::Configure(centre(&other)));
    assert!(desk.distributor.servers()[0].paused);
    desk.pass(ASK_PAUSE.as_millis() as u64);
    desk.said.clear();
    let probe = desk.call(101);
    desk.call(102);
    assert_eq!(asked(&desk), [101], "one tries it out");
    answers(&mut desk, probe, "{}");
    desk.call(103);
    assert_eq!(asked(&desk), [101, 103]);
}

// D13
#[test]
fn only_so_many_wait_for_answers() {
    let mut desk = desk("time_limit_ms = 5000");
    for n in 0..MAX_ASKING as u64 {
        desk.call(n);
    }
    desk.said.clear();
    desk.call(MAX_ASKING as u64);
    assert!(asked(&desk).is_empty());
    assert_eq!(failure(&desk), Some(AskFailure::TooMany));
    assert!(!desk.distributor.servers()[0].paused, "it is not its fault");
}

// D13
#[test]
fn waiting_for_the_answer_is_waiting() {
    let mut desk = desk("time_limit_ms = 5000, when = 'to.user == \"slow\"'");
    // Nobody is free, so that the order shows.
    for agent in ["anna", "bert"] {
        desk.reachable(agent, false);
    }
    let wait = centre(
        &asks("time_limit_ms = 5000, when = 'to.user == \"slow\"'").replace(
            "max_wait_seconds = 60",
            "max_wait_seconds = 60, when_no_agents = \"wait\"",
        ),
    );
    desk.tell(Input::Configure(wait));
    let first = desk.call_as(1, call_to("slow"));
    assert_eq!(asked(&desk), [1]);
    desk.pass(1_000);
    desk.call_as(2, call_to("q"));
    assert_eq!(asked(&desk), [1], "it does not fit the condition");
    desk.pass(1_000);
    answers(&mut desk, first, "{}");
    assert_eq!(desk.waiting(), [1, 2], "who came first is first");
    let waited = desk.snapshot().queues[0].waiting[0].waited_ms;
    assert_eq!(waited, 2_000);
}

// D13
#[test]
fn a_declaration_that_cannot_be_meant_is_refused_with_what_to_do() {
    let problems = |keys: &str| {
        let centre: Centre = toml::from_str(&asks(keys)).unwrap();
        let problems = validate(&centre).into_iter();
        problems
            .map(|problem| format!("{}: {}", problem.path, problem.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(problems(""), Vec::<String>::new());
    for (keys, words) in [
        (
            "time_limit_ms = 9",
            "ask[0].time_limit_ms: 9 is out of range",
        ),
        (
            "on_failure = \"nowhere\"",
            "ask[0].on_failure: there is no queue `nowhere`",
        ),
        (
            "when = 'customerr.tier'",
            "ask[0].when: there is no variable `customerr`",
        ),
        (
            "when = 'earlier.contacts > 1'",
            "ask[0].when: nothing is known of `earlier`",
        ),
        ("zone = \"Europe/Zurich\"", "ask[0].zone: the zone"),
        ("when = 'true', zone = \"Mars\"", "ask[0].zone"),
    ] {
        let found = problems(keys).join("\n");
        assert!(found.contains(words), "{keys}: {found}");
    }
    let all = |change: &dyn Fn(&mut Centre)| {
        let mut centre = centre(&asks(""));
        change(&mut centre);
        let paths = validate(&centre).into_iter().map(|problem| problem.path);
        paths.collect::<Vec<String>>()
    };
    assert_eq!(all(&|c| c.asks[0].id = "all".into()), ["ask[0].id"]);
    assert_eq!(
        all(&|c| c.asks[0].url = "http://192.0.2.1/".into()),
        ["ask[0].url"]
    );
    assert_eq!(
        all(&|c| c.asks[0].url = "ldap://192.0.2.1/".into()),
        ["ask[0].url"]
    );
    let lax = all(&|c| (c.asks[0].url, c.asks[0].insecure) = ("http://192.0.2.1/".into(), true));
    assert!(lax.is_empty());
    let short = patchbay_core::centre::Secret::new("short");
    assert_eq!(
        all(&|c| c.asks[0].secret = short.clone()),
        ["ask[0].secret"]
    );
    let twice = all(&|c| {
        let mut second = c.asks[0].clone();
        second.id = "erp".into();
        c.asks.push(second);
    });
    assert_eq!(twice, ["ask[1]"], "never asked");
}
