//! What the tests of the store share: events as the distributor tells them.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use patchbay_core::centre::OverflowWhen;
use patchbay_core::explain::Choice;
use patchbay_core::{
    Activity, AgentId, ContactId, EndCause, Event, OfferEnd, OfferId, QueueId, RefuseReason,
    Status, What,
};
use patchbay_route::session::EndedBy;

/// An empty directory of this test's own.
pub fn directory(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    if path.exists() {
        std::fs::remove_dir_all(&path).unwrap();
    }
    path
}

pub fn event(unix_ms: u64, what: What) -> Event {
    Event { unix_ms, what }
}

pub fn typed(contact: u64, unix_ms: u64) -> Event {
    typed_for(contact, "support", unix_ms)
}

pub fn typed_for(contact: u64, queue: &str, unix_ms: u64) -> Event {
    let what = What::ContactTyped {
        contact: ContactId(contact),
        call_type: "help".into(),
        rule: "support".into(),
        version: 1,
        because: vec!["to support@*".into()],
        queue: QueueId::new(queue),
        skills: BTreeMap::new(),
        priority: 0,
        attributes: BTreeMap::new(),
        from: "sip:caller@example.org".into(),
        to: "sip:support@example.com".into(),
        media: vec!["audio".into()],
        medium: patchbay_core::Slot::Call,
        carried: patchbay_core::Way::Relay,
        info: BTreeMap::new(),
    };
    event(unix_ms, what)
}

pub fn queued(contact: u64, position: usize, unix_ms: u64) -> Event {
    let what = What::ContactQueued {
        contact: ContactId(contact),
        queue: QueueId::new("support"),
        position,
        expected_ms: None,
        choice: Choice::default(),
    };
    event(unix_ms, what)
}

pub fn moved(contact: u64, to: &str, when: OverflowWhen, waited_ms: u64, unix_ms: u64) -> Event {
    let what = What::ContactMoved {
        contact: ContactId(contact),
        from: QueueId::new("support"),
        queue: QueueId::new(to),
        when,
        waited_ms,
    };
    event(unix_ms, what)
}

pub fn redirected(contact: u64, when: OverflowWhen, waited_ms: u64, unix_ms: u64) -> Event {
    let what = What::ContactRedirected {
        contact: ContactId(contact),
        queue: Some(QueueId::new("support")),
        to: "sip:elsewhere@example.com".into(),
        when: Some(when),
        waited_ms,
    };
    event(unix_ms, what)
}

pub fn offered(contact: u64, offer: u64, agent: &str, unix_ms: u64) -> Event {
    offered_for(contact, offer, agent, 20_000, unix_ms)
}

pub fn offered_for(contact: u64, offer: u64, agent: &str, ring_ms: u64, unix_ms: u64) -> Event {
    let what = What::ContactOffered {
        contact: ContactId(contact),
        offer: OfferId(offer),
        agent: AgentId::new(agent),
        queue: QueueId::new("support"),
        waited_ms: 0,
        ring_ms,
        choice: Choice::default(),
    };
    event(unix_ms, what)
}

pub fn failed(contact: u64, offer: u64, agent: &str, why: OfferEnd, unix_ms: u64) -> Event {
    let what = What::OfferFailed {
        contact: ContactId(contact),
        offer: OfferId(offer),
        agent: AgentId::new(agent),
        why,
        code: 480,
    };
    event(unix_ms, what)
}

pub fn connected(contact: u64, unix_ms: u64) -> Event {
    connected_by(contact, contact, "anna", 1_500, unix_ms)
}

pub fn connected_by(contact: u64, offer: u64, agent: &str, waited_ms: u64, unix_ms: u64) -> Event {
    let what = What::ContactConnected {
        contact: ContactId(contact),
        offer: OfferId(offer),
        agent: AgentId::new(agent),
        queue: QueueId::new("support"),
        waited_ms,
        carried: patchbay_core::Way::Relay,
    };
    event(unix_ms, what)
}

pub fn ended(contact: u64, unix_ms: u64) -> Event {
    ended_by(contact, contact, "anna", None, 60_000, unix_ms)
}

pub fn ended_by(
    contact: u64,
    offer: u64,
    agent: &str,
    by: Option<EndedBy>,
    talk_ms: u64,
    unix_ms: u64,
) -> Event {
    let what = What::ContactEnded {
        contact: ContactId(contact),
        offer: OfferId(offer),
        agent: AgentId::new(agent),
        queue: Some(QueueId::new("support")),
        cause: EndCause::Bye,
        by,
        waited_ms: 1_500,
        talk_ms,
    };
    event(unix_ms, what)
}

pub fn abandoned(contact: u64, waited_ms: u64, unix_ms: u64) -> Event {
    let what = What::ContactAbandoned {
        contact: ContactId(contact),
        queue: Some(QueueId::new("support")),
        agent: None,
        waited_ms,
    };
    event(unix_ms, what)
}

pub fn refused(contact: u64, unix_ms: u64) -> Event {
    refused_for(contact, RefuseReason::QueueFull, 0, unix_ms)
}

pub fn refused_for(contact: u64, why: RefuseReason, waited_ms: u64, unix_ms: u64) -> Event {
    let what = What::ContactRefused {
        contact: ContactId(contact),
        queue: Some(QueueId::new("support")),
        status: 480,
        retry_after_s: Some(30),
        why,
        waited_ms,
    };
    event(unix_ms, what)
}

pub fn status(agent: &str, status: Status, reachable: bool, unix_ms: u64) -> Event {
    let what = What::AgentStatus {
        agent: AgentId::new(agent),
        status,
        reachable,
    };
    event(unix_ms, what)
}

pub fn state(agent: &str, activity: Activity, unix_ms: u64) -> Event {
    let what = What::AgentState {
        agent: AgentId::new(agent),
        activity,
    };
    event(unix_ms, what)
}

pub fn in_call(contact: u64, offer: u64) -> Activity {
    Activity::InCall {
        offer: OfferId(offer),
        contact: ContactId(contact),
    }
}

pub fn paused(reason: &str) -> Status {
    Status::Paused {
        reason: reason.into(),
    }
}

/// One call that rings out at ben, is answered by anna, and whose caller hangs up; then anna works on.
pub fn second_agent_answers() -> Vec<Event> {
    vec![
        typed(1, 10_000),
        queued(1, 2, 10_000),
        offered_for(1, 11, "ben", 3_000, 12_000),
        event(
            12_200,
            What::OfferRinging {
                contact: ContactId(1),
                offer: OfferId(11),
                agent: AgentId::new("ben"),
            },
        ),
        // Ben's offer is taken back first; what became of it is told later.
        offered(1, 12, "anna", 15_000),
        failed(1, 11, "ben", OfferEnd::NoAnswer, 15_100),
        connected_by(1, 12, "anna", 6_500, 16_500),
        state("anna", in_call(1, 12), 16_500),
        ended_by(1, 12, "anna", Some(EndedBy::Client), 60_000, 76_500),
        state(
            "anna",
            Activity::WrapUp {
                until_unix_ms: 86_500,
            },
            76_500,
        ),
        state("ben", Activity::Idle, 77_000),
        state("anna", Activity::Idle, 80_000),
    ]
}
