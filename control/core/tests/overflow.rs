//! Contacts that cannot stay in their queue, and agents that take several calls or miss them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to};
use patchbay_core::{ContactId, OfferFailure, Output, RefuseReason, Status, What, validate};

/// Queue `a` with that overflow and no agent, and queue `b` with one.
fn two(overflow: &str) -> Desk {
    Desk::new(&format!(
        r#"
queue = [
  {{ id = "a", max_length = 1, max_wait_seconds = 60, {overflow} }},
  {{ id = "b", max_wait_seconds = 50 }},
]
agent = [
  {{ id = "anna", uri = "sip:a@192.0.2.1", queues = ["a"] }},
  {{ id = "bert", uri = "sip:b@192.0.2.2", queues = ["b"], skills = {{ german = 3 }} }},
]
rule = [
  {{ id = "b", when = {{ to = "b@*" }}, then = {{ queue = "b" }} }},
  {{ id = "deutsch", when = {{ to = "deutsch@*" }}, then = {{ queue = "a", skills = {{ german = 2 }} }} }},
  {{ id = "all", then = {{ queue = "a" }} }},
]
"#
    ))
}

/// An answered call that keeps the agent of that queue busy.
fn busy(desk: &mut Desk, contact: u64, queue: &str) {
    desk.call_as(contact, call_to(queue));
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.said.clear();
}

fn moved(desk: &Desk) -> Vec<(u64, String)> {
    let moved = desk.events().into_iter().filter_map(|what| match what {
        What::ContactMoved { contact, queue, .. } => Some((contact.0, queue.to_string())),
        _ => None,
    });
    moved.collect()
}

// A4 D14
#[test]
fn who_waited_long_enough_goes_to_the_other_queue_and_keeps_its_place() {
    let mut desk = two("overflow = [{ when = \"waited\", after_seconds = 20, queue = \"b\" }]");
    busy(&mut desk, 1, "a");
    busy(&mut desk, 2, "b");
    desk.call_as(3, call_to("a"));
    desk.pass(10_000);
    desk.call_as(4, call_to("b"));
    desk.pass(10_000);
    assert_eq!(moved(&desk), [(3, "b".to_string())]);
    let waiting = desk.snapshot().queues[1].waiting.clone();
    let waiting: Vec<u64> = waiting.iter().map(|view| view.contact.0).collect();
    assert_eq!(waiting, [3, 4], "it came first");
    assert!(desk.snapshot().queues[0].waiting.is_empty());
    desk.pass(50_000);
    let refused: Vec<u64> = desk.refusals().iter().map(|refused| refused.0.0).collect();
    assert_eq!(refused, [4, 3], "each after the longest wait of its queue");
}

// A4 D14
#[test]
fn who_finds_the_queue_full_goes_where_it_says() {
    let mut desk = two("overflow = [{ when = \"full\", queue = \"b\" }]");
    busy(&mut desk, 1, "a");
    desk.call_as(2, call_to("a"));
    desk.call_as(3, call_to("deutsch"));
    let (contact, _, agent) = desk.offer();
    assert_eq!((contact.0, agent.as_str()), (3, "bert"), "with its skills");
}

// A4 D14
#[test]
fn who_finds_nobody_is_redirected_or_refused_as_declared() {
    let redirect = "overflow = [{ when = \"no_agents\", redirect = \"sip:mail@example.com\" }]";
    for (overflow, status) in [
        (redirect, None),
        (
            "overflow = [{ when = \"no_agents\", refuse = 486 }]",
            Some(486),
        ),
        ("overflow = [{ when = \"full\", refuse = 486 }]", Some(480)),
    ] {
        let mut desk = two(overflow);
        desk.status("anna", Status::LoggedOut);
        desk.call_as(1, call_to("a"));
        let orders = desk.orders();
        match status {
            None => assert_eq!(
                orders,
                [Output::Redirect {
                    contact: ContactId(1),
                    to: "sip:mail@example.com".into()
                }]
            ),
            Some(wanted) => assert!(
                matches!(orders[..], [Output::Refuse { status, why: RefuseReason::NoAgents, .. }]
                    if status == wanted),
                "{orders:?}"
            ),
        }
        assert_eq!(desk.snapshot().contacts.len(), 0);
    }
}

// A4
#[test]
fn nobody_goes_around_in_circles() {
    let mut desk = Desk::new(
        r#"
queue = [
  { id = "a", max_wait_seconds = 300, overflow = [{ when = "waited", after_seconds = 5, queue = "b" }] },
  { id = "b", max_wait_seconds = 300, overflow = [{ when = "waited", after_seconds = 5, queue = "a" }] },
]
agent = [{ id = "anna", uri = "sip:a@192.0.2.1" }]
rule = [{ id = "all", then = { queue = "a" } }]
"#,
    );
    busy(&mut desk, 1, "a");
    desk.call_as(2, call_to("a"));
    desk.pass(100_000);
    assert_eq!(moved(&desk), [(2, "b".to_string())], "and it stays there");
    assert_eq!(desk.snapshot().queues[1].waiting.len(), 1);
}

// A4
#[test]
fn what_cannot_be_meant_is_a_problem() {
    let text = r#"
queue = [{ id = "a", overflow = [
  { when = "waited", queue = "a" },
  { when = "full", after_seconds = 3, redirect = "mailbox" },
  { when = "full", refuse = 200 },
  { when = "no_agents", refuse = 486, queue = "a" },
] }]
rule = [{ id = "all", then = { queue = "a" } }]
"#;
    let problems = validate(&toml::from_str(text).unwrap());
    let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "queue[0].overflow[0].after_seconds",
            "queue[0].overflow[0].queue",
            "queue[0].overflow[1].after_seconds",
            "queue[0].overflow[1].redirect",
            "queue[0].overflow[2]",
            "queue[0].overflow[2].refuse",
            "queue[0].overflow[3]",
        ]
    );
}

const AUTOMATED: &str = r#"
queue = [{ id = "q", wrap_up_seconds = 30 }]
agent = [{ id = "bot", uri = "sip:bot@192.0.2.1", capacity = 3 }]
rule = [{ id = "all", then = { queue = "q" } }]
"#;

// A4 D6
#[test]
fn an_automated_agent_takes_as_many_calls_as_it_may_and_has_no_wrap_up() {
    let mut desk = Desk::new(AUTOMATED);
    let offers = [1, 2, 3, 4].map(|contact| {
        desk.call(contact);
        desk.offers().pop()
    });
    let held: Vec<_> = offers
        .iter()
        .flatten()
        .map(|(contact, ..)| contact.0)
        .collect();
    assert_eq!(held, [1, 2, 3]);
    for (_, offer, _) in offers.iter().flatten() {
        desk.answered(*offer);
    }
    assert_eq!(desk.waiting(), [4]);
    let (contact, offer, _) = offers[1].clone().unwrap();
    desk.ended(contact, offer);
    assert_eq!(desk.offer().0.0, 4, "at once");
    let agent = desk.snapshot().agents[0].clone();
    assert_eq!(
        (agent.calls, agent.capacity, agent.available),
        (3, 3, false)
    );
}

// A4
#[test]
fn an_agent_that_misses_too_much_is_logged_out() {
    let mut desk = Desk::new(
        r#"
queue = [{ id = "q", ring_seconds = 5, when_no_agents = "wait" }]
agent = [{ id = "anna", uri = "sip:a@192.0.2.1" }]
rule = [{ id = "all", then = { queue = "q" } }]
offers = { back_off_seconds = 1, skip_seconds = 1, log_out_after_missed = 2 }
"#,
    );
    desk.call(1);
    for _ in 0..2 {
        let (_, offer, _) = desk.offer();
        assert_eq!(desk.snapshot().agents[0].status, Status::Ready);
        desk.pass(5_000);
        desk.failed(offer, OfferFailure::NoAnswer, 487);
        desk.pass(2_000);
    }
    assert_eq!(desk.snapshot().agents[0].status, Status::LoggedOut);
    assert_eq!(desk.offers(), []);
    desk.status("anna", Status::Ready);
    assert_eq!(desk.offer().0.0, 1);
}

// D14
#[test]
fn a_caller_who_goes_is_told_before_and_one_who_stays_is_not() {
    let text = r#"
queue = [
  { id = "q", max_length = 0, waiting = { language = "de" }, overflow = [
    { when = "full", refuse = 486, say = ["closed", "goodbye"], say_seconds = 9 },
    { when = "no_agents", queue = "other" },
  ] },
  { id = "other" },
]
agent = [{ id = "anna", uri = "sip:anna@192.0.2.1" }]
rule = [{ id = "all", then = { queue = "q" } }]
"#;
    let mut desk = Desk::new(text);
    desk.call(1);
    desk.said.clear();
    let contact = desk.call(2);
    let orders = desk.orders();
    let [
        Output::Farewell {
            contact: told,
            language,
            say,
            lasts,
        },
        Output::Refuse { status, .. },
    ] = orders.as_slice()
    else {
        panic!("{orders:?}")
    };
    assert_eq!((*told, language.as_str(), *status), (contact, "de", 486));
    assert_eq!((say.parts.len(), lasts.as_secs()), (2, 9));
    for (right, wrong, path) in [
        (
            "queue = \"other\" }",
            "queue = \"other\", say = [\"x\"] }",
            "queue[0].overflow[1].say",
        ),
        (
            "say_seconds = 9",
            "say_seconds = 61",
            "queue[0].overflow[0].say_seconds",
        ),
        ("\"closed\"", "\"clo sed\"", "queue[0].overflow[0].say[0]"),
    ] {
        let problems = validate(&toml::from_str(&text.replace(right, wrong)).unwrap());
        let paths: Vec<&str> = problems.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, [path], "{wrong}");
    }
}
