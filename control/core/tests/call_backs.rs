//! Customers who are to be called: promised, reserved an agent for, called again, and never forgotten.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to};
use patchbay_core::limits::PROMISE_GUARD;
use patchbay_core::{
    CallBackWish, ContactId, Facts, Input, OfferFailure, OfferId, Output, Promised, RefuseReason,
    Slot, What,
};
use patchbay_route::waiting::Part;

/// A queue that calls back, and one agent.
fn centre(call_back: &str) -> String {
    format!(
        r#"
queue = [{{ id = "q", ring_seconds = 10, max_wait_seconds = 600, waiting = {{}}, {call_back}
  overflow = [{{ when = "pressed", key = "1", call_back = true }}] }}]
agent = [{{ id = "anna", uri = "sip:anna@192.0.2.1" }}]
rule = [{{ id = "all", then = {{ queue = "q" }} }}]
"#
    )
}

const USUAL: &str = "call_back = {},";

fn desk(call_back: &str) -> Desk {
    let mut desk = Desk::new(&centre(call_back));
    desk.pass(3_600_000);
    desk
}

/// The same with its agent in a call.
fn busy(call_back: &str) -> (Desk, ContactId, OfferId) {
    let mut desk = desk(call_back);
    let first = desk.call_as(1, caller(1));
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.said.clear();
    (desk, first, offer)
}

fn caller(number: u64) -> Facts {
    Facts {
        from: format!("sip:c{number}@example.net"),
        ..call_to("q")
    }
}

fn ask(desk: &mut Desk, number: u64, to: &str, at_unix_ms: Option<u64>) -> ContactId {
    let contact = ContactId(number);
    let facts = Facts {
        medium: Some(Slot::CallBack),
        media: Vec::new(),
        call_back: Some(CallBackWish {
            to: to.into(),
            at_unix_ms,
        }),
        ..caller(number)
    };
    desk.tell(Input::ContactRequested {
        contact,
        facts: Box::new(facts),
    });
    contact
}

fn press(desk: &mut Desk, contact: ContactId) {
    desk.tell(Input::ContactPressed { contact, key: '1' });
}

fn kept(desk: &Desk) -> Vec<Promised> {
    let said = desk.said.iter();
    let kept = said.filter_map(|output| match output {
        Output::KeepCallBack(promised) => Some(Promised::clone(promised)),
        _ => None,
    });
    kept.collect()
}

fn forgotten(desk: &Desk) -> Vec<ContactId> {
    let said = desk.said.iter();
    let forgotten = said.filter_map(|output| match output {
        Output::ForgetCallBack { contact } => Some(*contact),
        _ => None,
    });
    forgotten.collect()
}

fn away(desk: &mut Desk, offer: OfferId) {
    desk.failed(offer, OfferFailure::CustomerAway, 480);
}

fn state(desk: &Desk, contact: ContactId) -> String {
    let snapshot = desk.snapshot();
    let mut contacts = snapshot.contacts.iter();
    let view = contacts.find(|view| view.id == contact);
    let name = |view| format!("{view:?}").to_lowercase();
    view.map_or("gone".into(), |view| name(view.state))
}

// E5, D14
#[test]
fn a_caller_who_presses_the_key_keeps_the_place_and_is_let_go_when_the_promise_is_safe() {
    let (mut desk, first, offer) = busy(USUAL);
    let second = desk.call_as(2, caller(2));
    desk.pass(1_000);
    let third = desk.call_as(3, caller(3));
    desk.said.clear();
    press(&mut desk, second);
    let promised = kept(&desk);
    assert_eq!(
        (promised[0].contact, promised[0].to.as_str()),
        (second, "sip:c2@example.net")
    );
    assert_eq!(desk.refusals(), [], "the promise is not safe yet");

    desk.tell(Input::CallBackWritten { contact: second });
    let says = desk.said.iter().any(|output| {
        matches!(output, Output::Say { say, .. } if say.parts == [Part::Recording("goodbye".into())])
    });
    assert!(says, "{:?}", desk.said);
    assert_eq!(desk.waiting(), [2, 3]);
    desk.pass(3_000);
    let let_go = (second, 480, None, RefuseReason::CalledBack);
    assert_eq!(desk.refusals(), [let_go]);
    // Its phone hangs up: that changes nothing.
    desk.gone(second);
    desk.ended(first, offer);
    let (contact, offer, _) = desk.offer();
    assert_eq!(contact, second, "it came before {third}");
    desk.tell(Input::CallBackDialled { offer });
    desk.answered(offer);
    assert_eq!(forgotten(&desk), [second]);
    assert_eq!(desk.activity("anna"), "in_call");
    desk.ended(second, offer);
    assert_eq!(desk.offer().0, third);
}

// E5
#[test]
fn a_caller_who_hangs_up_at_once_is_called_back_all_the_same() {
    let (mut desk, first, offer) = busy(USUAL);
    let second = desk.call_as(2, caller(2));
    press(&mut desk, second);
    desk.gone(second);
    desk.tell(Input::CallBackWritten { contact: second });
    desk.pass(20_000);
    assert_eq!(desk.refusals(), [], "there is nobody to be told");
    desk.ended(first, offer);
    assert_eq!(desk.offer().0, second);
}

// E5
#[test]
fn a_promise_that_cannot_be_written_does_not_keep_its_caller_on_the_line() {
    let (mut desk, first, offer) = busy(USUAL);
    let second = desk.call_as(2, caller(2));
    press(&mut desk, second);
    desk.ended(first, offer);
    assert_eq!(desk.offers(), [], "no agent before the promise is safe");
    desk.pass(u64::try_from(PROMISE_GUARD.as_millis()).unwrap());
    assert_eq!(desk.offers().len(), 1);
    assert_eq!(desk.refusals().len(), 1);
    desk.tell(Input::CallBackWritten { contact: second });
    desk.pass(3_000);
    assert_eq!(desk.refusals(), []);
}

// E5
#[test]
fn the_reservation_is_one_agents_alone_and_goes_on_to_the_next() {
    let mut desk = Desk::new(
        r#"
queue = [{ id = "q", ring_seconds = 10, call_back = {} }]
agent = [{ id = "anna", uri = "sip:a@192.0.2.1" }, { id = "bert", uri = "sip:b@192.0.2.2" }]
rule = [{ id = "all", then = { queue = "q" } }]
"#,
    );
    let contact = ask(&mut desk, 1, "tel:+4930123456", None);
    let (_, first, agent) = desk.offer();
    desk.call_as(2, caller(2));
    let (_, other, second) = desk.offer();
    assert_ne!(agent, second);
    desk.answered(other);
    desk.pass(10_000);
    assert_eq!(desk.activity(&agent), "resting");
    desk.answered(first);
    assert_eq!(state(&desk, contact), "waiting", "that offer is over");
    desk.ended(ContactId(2), other);
    let (again, third, by) = desk.offer();
    assert_eq!((again, &by), (contact, &second));
    for _ in 0..2 {
        desk.tell(Input::CallBackDialled { offer: third });
        desk.answered(third);
    }
    assert_eq!(state(&desk, contact), "connected");
    assert_eq!(desk.activity(&second), "in_call");
}

// E5
#[test]
fn a_call_back_at_a_time_waits_for_it_and_then_comes_first() {
    let (mut desk, first, offer) = busy(USUAL);
    let at = desk.now().unix_ms + 600_000;
    let contact = ask(&mut desk, 2, "sip:dora@example.net", Some(at));
    assert_eq!(kept(&desk)[0].due_unix_ms, at);
    desk.ended(first, offer);
    assert_eq!(desk.offers(), []);
    desk.pass(595_000);
    let third = desk.call_as(3, caller(3));
    let (_, busy, _) = desk.offer();
    desk.answered(busy);
    desk.call_as(4, caller(4));
    assert_eq!(
        (desk.waiting(), state(&desk, contact)),
        (vec![4], "scheduled".into())
    );
    desk.pass(5_000);
    assert_eq!(desk.waiting(), [2, 4]);
    desk.pass(7_000);
    desk.said.clear();
    desk.ended(third, busy);
    let waited = desk.events().into_iter().find_map(|what| match what {
        What::ContactOffered {
            contact, waited_ms, ..
        } => Some((contact, waited_ms)),
        _ => None,
    });
    assert_eq!(waited, Some((contact, 7_000)), "it waits from its time on");
}

// E5
#[test]
fn a_customer_who_does_not_answer_is_called_again_and_at_last_given_up() {
    let mut desk = desk("call_back = { attempts = 2, retry_seconds = 100 },");
    let contact = ask(&mut desk, 1, "sip:dora@example.net", None);
    let (_, offer, _) = desk.offer();
    desk.tell(Input::CallBackDialled { offer });
    desk.said.clear();
    away(&mut desk, offer);
    assert_eq!(desk.activity("anna"), "idle", "it is not the agent's fault");
    assert_eq!(kept(&desk)[0].tries, 1);
    assert_eq!(state(&desk, contact), "scheduled");
    desk.pass(99_999);
    assert_eq!(desk.offers(), []);
    desk.pass(1);
    let (_, offer, _) = desk.offer();
    away(&mut desk, offer);
    assert_eq!(
        desk.refusals().first().map(|refused| refused.3),
        Some(RefuseReason::CustomerAway)
    );
    assert_eq!(state(&desk, contact), "gone");
    ask(&mut desk, 2, "sip:dora@example.net", None);
    assert_eq!(desk.offer().0, ContactId(2), "nothing is left of the first");
}

// E5
#[test]
fn a_customer_whose_answer_is_never_reported_counts_as_away() {
    let mut desk = desk("call_back = { answer_seconds = 40 },");
    let contact = ask(&mut desk, 1, "sip:dora@example.net", None);
    let (_, offer, _) = desk.offer();
    desk.pass(9_000);
    desk.tell(Input::CallBackDialled { offer });
    desk.pass(39_999);
    assert_eq!(
        desk.activity("anna"),
        "reserved",
        "the customer's phone rings"
    );
    desk.pass(1);
    assert_eq!(
        (desk.activity("anna").as_str(), state(&desk, contact)),
        ("idle", "scheduled".into())
    );
    desk.answered(offer);
    assert_eq!(state(&desk, contact), "scheduled");
}

// E5, G1
#[test]
fn promises_go_on_after_a_restart_in_their_order() {
    let (mut desk, ..) = busy(USUAL);
    let at = desk.now().unix_ms + 60_000;
    let later = ask(&mut desk, 2, "sip:later@example.net", Some(at));
    desk.pass(1_000);
    let second = desk.call_as(3, caller(3));
    press(&mut desk, second);
    let promised = kept(&desk);
    assert_eq!(promised.len(), 2);
    let json = serde_json::to_string(&promised).unwrap();
    let promised: Vec<Promised> = serde_json::from_str(&json).unwrap();

    let mut after = Desk::new(&centre(USUAL));
    after.ms = desk.ms + 10_000;
    let caller = after.call_as(9, caller(9));
    let (_, offer, _) = after.offer();
    after.answered(offer);
    for one in promised {
        after.tell(Input::CallBackKept(Box::new(one.clone())));
        after.tell(Input::CallBackKept(Box::new(one)));
    }
    assert_eq!(after.distributor.counters().dropped_repeated_contact, 2);
    assert_eq!(after.waiting(), [3]);
    let newer = after.call_as(10, call_to("q"));
    after.pass(49_000);
    assert_eq!(after.waiting(), [2, 3, 10], "by when they asked");
    after.said.clear();
    after.ended(caller, offer);
    let (contact, offer, _) = after.offer();
    assert_eq!(contact, later);
    after.tell(Input::CallBackWithdrawn { contact: later });
    assert_eq!(after.activity("anna"), "reserved", "for the next at once");
    assert_ne!(after.offer().1, offer);
    after.gone(newer);
    assert_eq!(after.waiting(), [3]);
}

// E5
#[test]
fn what_cannot_be_kept_is_not_promised() {
    let week = 7 * 86_400_000;
    let mut desk = desk("call_back = { at_most = 2 },");
    let refused = |desk: &mut Desk| desk.refusals().first().map(|refused| refused.3);
    let at = desk.now().unix_ms + week;
    ask(&mut desk, 1, "sip:a@example.net", Some(at + 1));
    assert_eq!(refused(&mut desk), Some(RefuseReason::CannotCallBack));
    for bad in ["", "dora", "tel:abc", "sip:anonymous@anonymous.invalid"] {
        ask(&mut desk, 2, bad, None);
        assert_eq!(refused(&mut desk), Some(RefuseReason::CannotCallBack));
        desk.pass(200_000);
    }
    ask(&mut desk, 3, "sip:a@example.net", Some(at));
    assert_eq!(refused(&mut desk), None);
    ask(&mut desk, 4, "sip:a@example.net", None);
    assert_eq!(refused(&mut desk), Some(RefuseReason::PromisedBefore));
    ask(&mut desk, 5, "sip:b@example.net", Some(at));
    ask(&mut desk, 6, "sip:c@example.net", None);
    assert_eq!(refused(&mut desk), Some(RefuseReason::CallBacksFull));
    desk.tell(Input::CallBackWithdrawn {
        contact: ContactId(3),
    });
    ask(&mut desk, 7, "sip:c@example.net", None);
    assert_eq!(desk.offer().0, ContactId(7));

    let mut none = Desk::new(common::ONE_AGENT);
    ask(&mut none, 1, "sip:a@example.net", None);
    assert_eq!(refused(&mut none), Some(RefuseReason::NoCallBacks));
}

// E5
#[test]
fn a_caller_who_cannot_be_called_stays_on_the_line() {
    let (mut desk, ..) = busy("call_back = { at_most = 1 },");
    let second = desk.call_as(2, caller(2));
    let hidden = desk.call_as(
        3,
        Facts {
            from: "sip:anonymous@anonymous.invalid".into(),
            ..call_to("q")
        },
    );
    press(&mut desk, hidden);
    press(&mut desk, second);
    let fourth = desk.call_as(4, caller(4));
    press(&mut desk, fourth);
    desk.tell(Input::CallBackWritten { contact: second });
    desk.pass(3_000);
    let let_go = desk.refusals();
    assert_eq!(let_go.len(), 1);
    assert_eq!(let_go[0].0, second);
    assert_eq!(desk.waiting(), [2, 3, 4]);
}

// E5
#[test]
fn a_promise_is_withdrawn_in_whatever_state() {
    for stage in 0..4 {
        let (mut desk, first, offer) = busy(USUAL);
        let at = desk.now().unix_ms + 60_000;
        let contact = ask(
            &mut desk,
            2,
            "sip:a@example.net",
            (stage == 0).then_some(at),
        );
        if stage > 1 {
            desk.ended(first, offer);
            let (_, offer, _) = desk.offer();
            if stage == 3 {
                desk.tell(Input::CallBackDialled { offer });
            }
        }
        desk.tell(Input::CallBackWithdrawn { contact });
        assert_eq!(forgotten(&desk), [contact], "stage {stage}");
        assert_eq!(state(&desk, contact), "gone");
        if stage > 1 {
            assert_eq!(desk.activity("anna"), "idle");
        }
        desk.pass(100_000);
        assert_eq!(desk.offers(), []);
    }
}

// E5
#[test]
fn a_promise_that_no_agent_takes_in_time_is_over() {
    let (mut desk, ..) = busy("call_back = { keep_seconds = 60 },");
    let contact = ask(&mut desk, 2, "sip:a@example.net", None);
    desk.pass(60_000);
    assert_eq!(
        desk.refusals()
            .first()
            .map(|refused| (refused.0, refused.3)),
        Some((contact, RefuseReason::WaitedTooLong))
    );
    assert_eq!(forgotten(&desk), []);
}

// E5
#[test]
fn a_long_wait_on_the_line_takes_nothing_from_the_time_that_is_promised() {
    let (mut desk, first, offer) = busy("call_back = { keep_seconds = 60 },");
    let second = desk.call_as(2, caller(2));
    desk.pass(100_000);
    press(&mut desk, second);
    desk.tell(Input::CallBackWritten { contact: second });
    desk.pass(59_000);
    assert_eq!(desk.waiting(), [2]);
    desk.said.clear();
    desk.ended(first, offer);
    let waited = desk.events().into_iter().find_map(|what| match what {
        What::ContactOffered { waited_ms, .. } => Some(waited_ms),
        _ => None,
    });
    assert_eq!(waited, Some(159_000), "on the line and off it");
}

// E5
#[test]
fn who_was_called_for_a_customer_who_was_away_is_not_waited_for_alone() {
    let mut desk = desk("sticky_seconds = 30, call_back = { retry_seconds = 10 },");
    let first = desk.call_as(1, caller(2));
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    ask(&mut desk, 2, "sip:a@example.net", None);
    desk.ended(first, offer);
    let (_, offer, _) = desk.offer();
    away(&mut desk, offer);
    let two = format!(
        "{}agent = [{{ id = \"anna\", uri = \"sip:anna@192.0.2.1\", paused = true }}, \
         {{ id = \"bert\", uri = \"sip:bert@192.0.2.2\" }}]\n\
         rule = [{{ id = \"all\", then = {{ queue = \"q\" }} }}]",
        centre("sticky_seconds = 30, call_back = {},")
            .split("agent =")
            .next()
            .unwrap()
    );
    desk.tell(Input::Configure(common::centre(&two)));
    desk.pass(10_000);
    assert_eq!(desk.offer().2, "bert");
}

// E5
#[test]
fn a_caller_is_let_go_before_its_call_back_is_connected() {
    let (mut desk, first, offer) = busy(USUAL);
    let second = desk.call_as(2, caller(2));
    press(&mut desk, second);
    desk.tell(Input::CallBackWritten { contact: second });
    desk.ended(first, offer);
    let (_, offer, _) = desk.offer();
    desk.said.clear();
    desk.answered(offer);
    let orders = desk.orders();
    let kinds: Vec<&str> = orders
        .iter()
        .filter_map(|order| match order {
            Output::Refuse { .. } => Some("let go"),
            Output::Accept { .. } => Some("connected"),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["let go", "connected"]);
}
