//! A relay in the same process: its link is a pair of queues, its events are read where they happen.
use std::sync::Arc;

use crate::support::tcp::{PATIENCE, RelayApi, config, directory, until};
use crate::support::{Scene, TWO_AGENTS, vias};
use patchbay_control::link::NearEvents;
use patchbay_control::node::{Control, start};
use patchbay_control::store::Store;
use patchbay_core::What;
use patchbay_route::session::{
    EndCause, Ended, EndedBy, RelayEvent, SessionEvent, SessionList, SessionRef,
};
use patchbay_sip::{Handed, Message};
use tokio::sync::{broadcast, mpsc};

/// The relay's end of a link.
struct Link {
    to_control: mpsc::Sender<Handed>,
    from_control: mpsc::Receiver<Handed>,
}

impl Link {
    async fn open(control: &Control) -> Link {
        let (to_control, there) = mpsc::channel(16);
        let (to_us, from_control) = mpsc::channel(16);
        let own = "127.0.0.1:8090".parse().unwrap();
        control.near.send((own, to_us, there)).await.unwrap();
        Link {
            to_control,
            from_control,
        }
    }

    async fn send(&self, message: &Message) {
        self.to_control
            .send(Handed::new(message.clone()))
            .await
            .unwrap();
    }

    /// The next message; none when control has ended the link.
    async fn next(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.from_control.recv()).await;
        let handed = next.expect("a message or the end")?;
        // What the relay would read from the bytes is what it is handed.
        let read = Message::parse(handed.bytes()).unwrap();
        let message = handed.read().unwrap();
        assert_eq!(message, read);
        Some(message)
    }
}

async fn node(test: &str, relay: &RelayApi, events: NearEvents) -> Control {
    let store = Store::open(&directory(test)).await.unwrap();
    let mut config = config();
    config.relay_urls = vec![relay.url.clone()];
    config.near = Some((relay.url.clone(), events));
    let control = start(config, store).await.unwrap();
    let centre = toml::from_str(TWO_AGENTS).unwrap();
    control.handle.apply(centre).await.unwrap();
    control
}

fn ended(of: SessionRef, cursor: u64) -> Arc<RelayEvent> {
    let ended = Ended {
        of,
        by: EndedBy::Agent,
        cause: EndCause::Bye,
        answered: true,
        talk_ms: 1_000,
        notice: Default::default(),
        pairs: Vec::new(),
    };
    Arc::new(RelayEvent {
        cursor,
        unix_ms: 3,
        event: SessionEvent::Ended(ended),
    })
}

// A5, B1
#[tokio::test]
async fn a_call_is_transferred_and_ended_without_a_socket() {
    let relay = RelayApi::start().await;
    relay.set_list(SessionList {
        instance: "i".into(),
        cursor: 0,
        sessions: Vec::new(),
    });
    let (live, _) = broadcast::channel(16);
    let read = live.clone();
    let events = NearEvents::new(move |_| Some((Vec::new(), read.subscribe())));
    let control = node("signalling_near_call", &relay, events).await;
    let mut told = control.handle.subscribe();
    let mut link = Link::open(&control).await;
    let invite = Scene::new(TWO_AGENTS).invite("call-1");
    link.send(&invite).await;
    let transferred = link.next().await.unwrap();
    let mut ok = Message::response_to(&transferred, 200, "");
    ok.set_to_tag("relay");
    link.send(&ok).await;
    let answer = loop {
        let answer = link.next().await.unwrap();
        if answer.status() == Some(200) {
            break answer;
        }
    };
    assert_eq!(vias(&answer), vias(&invite));
    let (contact, offer) = loop {
        let told = tokio::time::timeout(PATIENCE, told.recv()).await;
        if let What::ContactConnected { contact, offer, .. } = told.unwrap().unwrap().event.what {
            break (contact, offer);
        }
    };
    until("the events are followed", || async {
        live.receiver_count() > 0
    })
    .await;
    let of = SessionRef {
        session: "session/1".into(),
        contact: contact.to_string(),
        offer: offer.to_string(),
        agent: "anna".into(),
    };
    live.send(ended(of, 1)).unwrap();
    until("freed", || async {
        control.handle.snapshot().await.unwrap().contacts.is_empty()
    })
    .await;
    control.handle.shutdown().await;
    assert!(link.next().await.is_none(), "the link ends with control");
}

// B1
#[tokio::test]
async fn a_link_that_is_gone_frees_its_callers_and_a_new_one_serves() {
    let relay = RelayApi::start().await;
    let events = NearEvents::new(|_| None);
    let control = node("signalling_near_gone", &relay, events).await;
    let mut link = Link::open(&control).await;
    link.send(&Scene::new(TWO_AGENTS).invite("call-1")).await;
    assert!(link.next().await.is_some());
    drop(link);
    until("the call is given up", || async {
        control.handle.snapshot().await.unwrap().contacts.is_empty()
    })
    .await;
    let mut link = Link::open(&control).await;
    link.send(&Scene::new(TWO_AGENTS).invite("call-2")).await;
    assert!(link.next().await.is_some());
}

// G1
#[tokio::test]
async fn events_that_were_missed_lead_to_the_list_again() {
    let relay = RelayApi::start().await;
    let (live, _) = broadcast::channel(16);
    let read = live.clone();
    let events = NearEvents::new(move |_| Some((Vec::new(), read.subscribe())));
    let control = node("signalling_near_gap", &relay, events).await;
    until("the events are followed", || async {
        live.receiver_count() > 0
    })
    .await;
    let view = || async { control.handle.relays().await.unwrap().remove(0) };
    let of = SessionRef {
        session: "session/1".into(),
        contact: "00000000000000c1".into(),
        offer: "00000000000000f1".into(),
        agent: "anna".into(),
    };
    live.send(ended(of, 20)).unwrap();
    until("the break is told", || async {
        view().await.last_error.is_some()
    })
    .await;
    until("followed again", || async {
        view().await.events_up && live.receiver_count() > 0
    })
    .await;
}
