//! What the tests of the store share.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use patchbay_core::{AgentId, ContactId, EndCause, Event, OfferId, QueueId, RefuseReason, What};

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
    let what = What::ContactTyped {
        contact: ContactId(contact),
        call_type: "help".into(),
        rule: "support".into(),
        version: 1,
        because: vec!["to support@*".into()],
        queue: QueueId::new("support"),
        skills: BTreeMap::new(),
        priority: 0,
        attributes: BTreeMap::new(),
        from: "sip:caller@example.org".into(),
        to: "sip:support@example.com".into(),
        media: vec!["audio".into()],
        info: BTreeMap::new(),
    };
    event(unix_ms, what)
}

pub fn connected(contact: u64, unix_ms: u64) -> Event {
    let what = What::ContactConnected {
        contact: ContactId(contact),
        offer: OfferId(contact),
        agent: AgentId::new("anna"),
        queue: QueueId::new("support"),
        waited_ms: 1_500,
    };
    event(unix_ms, what)
}

pub fn ended(contact: u64, unix_ms: u64) -> Event {
    let what = What::ContactEnded {
        contact: ContactId(contact),
        offer: OfferId(contact),
        agent: AgentId::new("anna"),
        queue: Some(QueueId::new("support")),
        cause: EndCause::Bye,
        waited_ms: 1_500,
        talk_ms: 60_000,
    };
    event(unix_ms, what)
}

pub fn refused(contact: u64, unix_ms: u64) -> Event {
    let what = What::ContactRefused {
        contact: ContactId(contact),
        queue: Some(QueueId::new("support")),
        status: 480,
        retry_after_s: Some(30),
        why: RefuseReason::QueueFull,
        waited_ms: 0,
    };
    event(unix_ms, what)
}
