//! The oracle's model beside a whole snapshot: what was told is what is.

use super::model::{Contact, Kind, Model};
use patchbay_core::snapshot::{AgentView, ContactState, ContactView, QueueView, Snapshot};
use patchbay_core::{AgentId, ContactId, Slot};
use std::collections::BTreeSet;

/// The snapshot shows what the distributor said.
pub fn compare(model: &Model, snapshot: &Snapshot, now: u64) {
    let known: BTreeSet<&AgentId> = model.agents.keys().collect();
    let shown: BTreeSet<&AgentId> = snapshot.agents.iter().map(|agent| &agent.id).collect();
    assert_eq!(shown, known, "the agents");
    for view in &snapshot.agents {
        compare_agent(model, view, now);
    }
    assert_eq!(snapshot.queues.len(), model.queues.len(), "the queues");
    for view in &snapshot.queues {
        compare_queue(model, view);
    }
    compare_contacts(model, snapshot);
}

fn compare_agent(model: &Model, view: &AgentView, now: u64) {
    let agent = &model.agents[&view.id];
    let shown = (&view.status, view.reachable, &view.activity, view.declared);
    let told = (
        &agent.status,
        agent.reachable,
        &agent.activity,
        agent.declared,
    );
    assert_eq!(shown, told, "events and state of {}", view.id);
    assert_eq!(view.calls, agent.legs.len(), "what {} holds", view.id);
    let held = model.held(agent);
    for slot in Slot::ALL {
        let free = view.free_for.contains(&slot);
        let may = agent.ready() && agent.room(slot, &held);
        assert!(!free || may, "{} takes contacts", view.id);
        let must = agent.free(slot, &held, now);
        assert!(free || !must, "{} takes no contacts: {view:?}", view.id);
    }
    let calls = view.free_for.contains(&Slot::Call);
    assert_eq!(view.available, calls, "{} takes calls", view.id);
}

/// Everybody without a final answer is in its queue, in the order of priority and arrival, whatever
/// happened to its offers.
fn compare_queue(model: &Model, view: &QueueView) {
    let queue = &model.queues[&view.id];
    let shown: Vec<ContactId> = view.waiting.iter().map(|waiting| waiting.contact).collect();
    let places: Vec<ContactId> = queue
        .places
        .iter()
        .map(|(_, _, contact)| *contact)
        .collect();
    assert_eq!(shown, places, "places in {}", view.id);
    for waiting in &view.waiting {
        let contact = &model.contacts[&waiting.contact];
        let rung = contact.offers.iter().map(|offer| &model.legs[offer].agent);
        assert!(
            rung.eq(&waiting.offered_to),
            "who is rung for {}: {:?}",
            waiting.contact,
            waiting.offered_to
        );
    }
}

fn compare_contacts(model: &Model, snapshot: &Snapshot) {
    let mut unanswered = 0;
    let mut connected = 0;
    for view in &snapshot.contacts {
        if view.state == ContactState::Connected {
            connected += 1;
            let leg = view.offer.and_then(|offer| model.legs.get(&offer));
            let calls = leg.is_some_and(|leg| leg.kind == Kind::Live && leg.contact == view.id);
            assert!(calls, "{} is connected by {:?}", view.id, view.offer);
        } else {
            unanswered += 1;
            let contact = model.contacts.get(&view.id);
            let contact = contact.unwrap_or_else(|| panic!("{} has its answer and waits", view.id));
            compare_waiting(model, view, contact);
        }
    }
    let lost = model.contacts.len() - unanswered;
    assert_eq!(lost, 0, "contacts without a final answer are lost");
    let live = model.legs.values().filter(|leg| leg.kind == Kind::Live);
    assert_eq!(connected, live.count(), "calls");
}

fn compare_waiting(model: &Model, view: &ContactView, contact: &Contact) {
    let asks = matches!(view.state, ContactState::Asking | ContactState::InMenu);
    assert_eq!(
        asks,
        contact.asks_until.is_some(),
        "{} is asked about",
        view.id
    );
    let scheduled = view.state == ContactState::Scheduled;
    assert_eq!(scheduled, contact.scheduled(), "{} is for later", view.id);
    let waits = asks || scheduled || view.state == ContactState::Waiting;
    assert_eq!(waits, contact.waiting(), "{} waits", view.id);
    assert_eq!(view.queue, contact.queue, "the queue of {}", view.id);
    // Whose queue is gone keeps for whom it waited, which means nothing.
    let queue = contact.queue.as_ref();
    if !scheduled && queue.is_some_and(|queue| model.queues.contains_key(queue)) {
        let sticks = contact.waits_for.as_ref().map(|(agent, _)| agent);
        assert_eq!(
            view.waits_for.as_ref(),
            sticks,
            "for whom {} waits",
            view.id
        );
    }
}
