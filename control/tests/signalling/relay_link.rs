//! The node follows a relay's private API: sessions adopted, ended, taken up again after a break.
use crate::support::TWO_AGENTS;
use crate::support::tcp::{PATIENCE, RelayApi, config, directory, until};
use patchbay_control::node::{Control, EndError, start};
use patchbay_control::store::Store;
use patchbay_core::{ContactId, EndCause as Cause, What};
use patchbay_route::session::{
    EndCause, Ended, EndedBy, RelayEvent, SessionEvent, SessionList, SessionRef, SessionState,
    SessionView,
};

const CONTACT: &str = "00000000000000c1";
const OFFER: &str = "00000000000000f1";

fn session() -> SessionView {
    SessionView {
        id: "session/1".into(),
        contact: CONTACT.into(),
        offer: OFFER.into(),
        agent: "anna".into(),
        agent_uri: "sip:anna@198.51.100.1:5090".into(),
        client_uri: "sip:alice@192.0.2.10".into(),
        state: SessionState::Established,
        started_unix_ms: 1,
        answered_unix_ms: Some(2),
        pairs: Vec::new(),
    }
}

fn ended(cursor: u64) -> RelayEvent {
    let of = SessionRef {
        session: "session/1".into(),
        contact: CONTACT.into(),
        offer: OFFER.into(),
        agent: "anna".into(),
    };
    let ended = Ended {
        of,
        by: EndedBy::Agent,
        cause: EndCause::Bye,
        answered: true,
        talk_ms: 1_000,
        notice: Default::default(),
        pairs: Vec::new(),
    };
    RelayEvent {
        cursor,
        unix_ms: 3,
        event: SessionEvent::Ended(ended),
    }
}

async fn following(test: &str, relay: &RelayApi) -> Control {
    let store = Store::open(&directory(test)).await.unwrap();
    let mut config = config();
    config.relay_urls = vec![relay.url.clone()];
    let control = start(config, store).await.unwrap();
    control
        .handle
        .apply(toml::from_str(TWO_AGENTS).unwrap())
        .await
        .unwrap();
    control
}

async fn live(control: &Control) -> usize {
    control.handle.snapshot().await.unwrap().contacts.len()
}

// B1, G1
#[tokio::test]
async fn a_session_is_adopted_ended_through_the_api_and_freed_by_its_end() {
    let relay = RelayApi::start().await;
    relay.set_list(SessionList {
        instance: "i".into(),
        cursor: 6,
        sessions: vec![session()],
    });
    let control = following("signalling_relay_link_adopted", &relay).await;
    until("adopted", || async { live(&control).await == 1 }).await;
    let view = || async { control.handle.relays().await.unwrap().remove(0) };
    until("its capacity is known", || async {
        view().await.capacity.is_some()
    })
    .await;
    assert!(view().await.events_up);
    assert_eq!(view().await.sessions, 1);

    let contact: ContactId = CONTACT.parse().unwrap();
    control.handle.end_contact(contact).await.unwrap();
    assert_eq!(*relay.deleted.lock().unwrap(), ["session/1"]);
    relay.set_list(SessionList {
        instance: "i".into(),
        cursor: 7,
        sessions: Vec::new(),
    });
    relay.tell(ended(7));
    until("freed", || async { live(&control).await == 0 }).await;
    let unknown = control.handle.end_contact(contact).await;
    assert_eq!(unknown, Err(EndError::UnknownContact(contact)));
}

#[tokio::test]
async fn after_a_break_the_list_says_what_was_missed() {
    let relay = RelayApi::start().await;
    relay.set_list(SessionList {
        instance: "i".into(),
        cursor: 6,
        sessions: vec![session()],
    });
    let control = following("signalling_relay_link_break", &relay).await;
    until("adopted", || async { live(&control).await == 1 }).await;
    relay.set_list(SessionList {
        instance: "i".into(),
        cursor: 9,
        sessions: Vec::new(),
    });
    relay.break_streams();
    until("freed", || async { live(&control).await == 0 }).await;
}

// G1
#[tokio::test]
async fn a_restarted_relay_keeps_its_calls_and_tells_why_others_ended() {
    let relay = RelayApi::start().await;
    let list = |instance: &str, cursor, sessions| SessionList {
        instance: instance.into(),
        cursor,
        sessions,
    };
    let mut other = session();
    other.id = "session/2".into();
    other.contact = "00000000000000c2".into();
    other.offer = "00000000000000f2".into();
    other.agent = "bert".into();
    relay.set_list(list("first", 6, vec![session(), other.clone()]));
    let control = following("signalling_relay_link_restarted", &relay).await;
    until("adopted", || async { live(&control).await == 2 }).await;

    // One has ended before the list of the new process was asked for.
    let mut told = control.handle.subscribe();
    relay.set_list(list("second", 1, vec![other]));
    relay.tell(ended(1));
    relay.break_streams();
    let cause = loop {
        let told = tokio::time::timeout(PATIENCE, told.recv()).await;
        let stored = told.expect("its end").expect("an event");
        if let What::ContactEnded { contact, cause, .. } = stored.event.what {
            assert_eq!(contact.to_string(), CONTACT);
            break cause;
        }
    };
    assert_eq!(cause, Cause::Bye);
    let contacts = control.handle.snapshot().await.unwrap().contacts;
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].id.to_string(), "00000000000000c2");
}

#[tokio::test]
async fn a_gap_in_the_events_leads_to_the_list_again() {
    let relay = RelayApi::start().await;
    relay.set_list(SessionList {
        instance: "i".into(),
        cursor: 6,
        sessions: vec![session()],
    });
    let control = following("signalling_relay_link_gap", &relay).await;
    until("adopted", || async { live(&control).await == 1 }).await;
    relay.set_list(SessionList {
        instance: "i".into(),
        cursor: 20,
        sessions: Vec::new(),
    });
    relay.tell(ended(20));
    until("freed", || async { live(&control).await == 0 }).await;
}

#[tokio::test]
async fn a_relay_that_is_not_there_is_shown_with_the_reason() {
    let relay = RelayApi::start().await;
    let store = Store::open(&directory("signalling_relay_link_absent"))
        .await
        .unwrap();
    let mut config = config();
    config.relay_urls = vec!["http://127.0.0.1:1".into(), relay.url.clone()];
    let control = start(config, store).await.unwrap();
    let views = || async { control.handle.relays().await.unwrap() };
    until("the reason", || async {
        views().await[0].last_error.is_some()
    })
    .await;
    assert!(!views().await[0].events_up);
    until("the other", || async { views().await[1].events_up }).await;
}
