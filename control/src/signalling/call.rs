//! The calls that control still answers for.

use patchbay_sip::shards::Shards;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use patchbay_core::{AgentId, ContactId, OfferId};
use patchbay_sip::transaction::{ClientKey, Flow, ServerKey};
use patchbay_sip::{Message, Uri};
use rustc_hash::FxHashSet;

use super::farewell::Farewell;
use super::hearing::Hearing;
use super::hunt::{Hunt, Ways};
use super::onward::Onward;
use crate::registrar::Target;

/// Calls that are waiting, ringing or answered a short while ago; the next INVITE is answered 503.
pub const MAX_CALLS: usize = 100_000;

/// What names a request beyond its branch (RFC 3261 section 8.2.2.2): Call-ID, From tag, CSeq.
pub(super) type RequestName = Arc<(String, String, u32)>;

/// Where a call stands towards its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// No final answer yet.
    Open,
    /// The caller cancelled; its 487 waits for the phones to let go.
    Cancelled,
    /// The final answer was given. With the offer whose 2xx it was, repeated 2xx are passed on.
    Answered(Option<OfferId>),
}

/// One device being called for one offer.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) offer: OfferId,
    pub(super) client: ClientKey,
    /// Where its messages travel.
    pub(super) flow: Flow,
    /// The way by which the device is being called.
    pub(super) target: Target,
    /// Other ways to the same device.
    pub(super) ways: Ways,
    pub(super) cancelled: bool,
    /// Its 2xx came.
    pub(super) answered: bool,
}

impl Branch {
    /// Whether its final answer has not come.
    pub(super) fn pending(&self) -> bool {
        !self.answered
    }
}

/// What only a call needs that has no final answer.
#[derive(Debug)]
pub(super) struct Open {
    /// The caller's INVITE.
    pub(super) request: Message,
    /// The last provisional answer, which is repeated every minute.
    pub(super) progress: Option<Message>,
    /// The one device that it is for (RFC 5627).
    pub(super) device: Option<Uri>,
}

/// One caller's INVITE.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) server: ServerKey,
    pub(super) flow: Flow,
    /// Gone after the final answer, when no device is left that could still answer.
    pub(super) open: Option<Box<Open>>,
    pub(super) name: RequestName,
    /// The To tag of our own answers.
    pub(super) tag: String,
    pub(super) stage: Stage,
    pub(super) hunts: Vec<Hunt>,
    pub(super) branches: Vec<Branch>,
    /// What its caller hears meanwhile.
    pub(super) hearing: Option<Box<Hearing>>,
    /// What its caller is told before the call ends.
    pub(super) farewell: Option<Box<Farewell>>,
    /// Its caller has a 200 and waits in the call: nothing more is answered to its INVITE.
    pub(super) waits_in_call: bool,
    /// Where such a caller is being sent.
    pub(super) onward: Option<Onward>,
    pub(super) timer: Instant,
}

impl Call {
    /// The caller's INVITE, as long as it is there.
    pub(super) fn request(&self) -> Option<&Message> {
        self.open.as_ref().map(|open| &open.request)
    }

    /// The one device that it is for, if it is for one.
    pub(super) fn device(&self) -> Option<Uri> {
        self.open.as_ref().and_then(|open| open.device.clone())
    }

    /// Whether the caller hears something while it waits.
    pub(super) fn hears(&self) -> bool {
        self.hearing
            .as_ref()
            .is_some_and(|hearing| hearing.is_heard())
    }

    /// Whether one phone and no other may still answer.
    pub(super) fn rings_once(&self) -> bool {
        self.branches.iter().filter(|one| one.pending()).count() == 1
    }

    /// Forgets, at the final answer, what repeated and late messages do not need.
    pub(super) fn settle(&mut self) {
        // A device that answers all the same is ended in the caller's name.
        if !self.branches.iter().any(Branch::pending) {
            self.open = None;
        }
        for hunt in &mut self.hunts {
            hunt.groups = VecDeque::new();
            hunt.answer = None;
        }
        for branch in &mut self.branches {
            branch.ways = Ways::new();
        }
    }

    pub(super) fn hunt(&mut self, offer: OfferId) -> Option<&mut Hunt> {
        self.hunts.iter_mut().find(|hunt| hunt.offer == offer)
    }

    pub(super) fn take_hunt(&mut self, offer: OfferId) -> Option<Hunt> {
        let place = self.hunts.iter().position(|hunt| hunt.offer == offer)?;
        Some(self.hunts.swap_remove(place))
    }

    pub(super) fn branch(&mut self, client: ClientKey) -> Option<&mut Branch> {
        self.branches
            .iter_mut()
            .find(|branch| branch.client == client)
    }

    pub(super) fn take_branch(&mut self, client: ClientKey) -> Option<Branch> {
        let place = self
            .branches
            .iter()
            .position(|branch| branch.client == client)?;
        Some(self.branches.swap_remove(place))
    }
}

/// All calls, found by any of their names.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Shards<ContactId, Box<Call>>,
    servers: Shards<ServerKey, ContactId>,
    clients: Shards<ClientKey, ContactId>,
    names: Shards<RequestName, ContactId>,
    timers: BTreeSet<(Instant, ContactId)>,
    /// When offers go on to the next devices.
    hunts: BTreeSet<(Instant, ContactId, OfferId)>,
    /// BYEs under way to devices that answered beside another.
    farewells: FxHashSet<ClientKey>,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Calls that have no final answer yet.
    pub(super) fn open(&self) -> impl Iterator<Item = ContactId> {
        self.calls
            .iter()
            .filter(|(_, call)| matches!(call.stage, Stage::Open | Stage::Cancelled))
            .map(|(contact, _)| *contact)
    }

    /// Those among them whose callers wait in calls, by this connection.
    pub(super) fn waiting_by(&self, connection: u64) -> Vec<ContactId> {
        let calls = self
            .calls
            .iter()
            .filter(|(_, call)| call.waits_answered() && call.flow.connection == connection);
        calls.map(|(contact, _)| *contact).collect()
    }

    /// Calls whose 2xx went to the caller: contact, offer, agent.
    pub(super) fn answered(&self) -> impl Iterator<Item = (ContactId, OfferId, AgentId)> {
        self.calls.iter().filter_map(|(contact, call)| {
            let Stage::Answered(Some(offer)) = call.stage else {
                return None;
            };
            let hunt = call.hunts.iter().find(|hunt| hunt.offer == offer)?;
            Some((*contact, offer, hunt.agent.clone()))
        })
    }

    pub(super) fn is_known(&self, name: &RequestName) -> bool {
        self.names.contains_key(name)
    }

    pub(super) fn insert(&mut self, contact: ContactId, call: Call) {
        self.servers.insert(call.server, contact);
        self.names.insert(call.name.clone(), contact);
        self.timers.insert((call.timer, contact));
        self.calls.insert(contact, Box::new(call));
    }

    pub(super) fn get(&mut self, contact: ContactId) -> Option<&mut Call> {
        self.calls.get_mut(&contact).map(Box::as_mut)
    }

    pub(super) fn of_server(&self, server: ServerKey) -> Option<ContactId> {
        self.servers.get(&server).copied()
    }

    pub(super) fn of_client(&self, client: ClientKey) -> Option<ContactId> {
        self.clients.get(&client).copied()
    }

    pub(super) fn name_client(&mut self, client: ClientKey, contact: ContactId) {
        self.clients.insert(client, contact);
    }

    pub(super) fn forget_client(&mut self, client: ClientKey) {
        self.clients.remove(&client);
    }

    pub(super) fn set_timer(&mut self, contact: ContactId, at: Instant) {
        if let Some(call) = self.calls.get_mut(&contact) {
            self.timers.remove(&(call.timer, contact));
            call.timer = at;
            self.timers.insert((at, contact));
        }
    }

    pub(super) fn set_hunt_timer(
        &mut self,
        contact: ContactId,
        offer: OfferId,
        before: Option<Instant>,
        due: Option<Instant>,
    ) {
        if let Some(before) = before {
            self.hunts.remove(&(before, contact, offer));
        }
        if let Some(due) = due {
            self.hunts.insert((due, contact, offer));
        }
    }

    /// An offer whose devices rang as long as they may; it has no timer from then on.
    pub(super) fn due_hunt(&mut self, now: Instant) -> Option<(ContactId, OfferId)> {
        let (at, contact, offer) = *self.hunts.first()?;
        if at > now {
            return None;
        }
        self.hunts.pop_first();
        Some((contact, offer))
    }

    pub(super) fn said_farewell(&mut self, client: ClientKey) {
        self.farewells.insert(client);
    }

    /// Whether a transaction is such a BYE, which is then over.
    pub(super) fn farewell_over(&mut self, client: ClientKey) -> bool {
        self.farewells.remove(&client)
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        let call = self.timers.first().map(|(at, _)| *at);
        let hunt = self.hunts.first().map(|(at, _, _)| *at);
        call.into_iter().chain(hunt).min()
    }

    /// A call whose timer is due; the caller sets the next timer or removes the call.
    pub(super) fn due(&self, now: Instant) -> Option<ContactId> {
        self.timers
            .first()
            .filter(|(at, _)| *at <= now)
            .map(|(_, contact)| *contact)
    }

    /// Gives back the ways that its transfers took.
    pub(super) fn remove(&mut self, contact: ContactId) -> Vec<Flow> {
        let Some(call) = self.calls.remove(&contact) else {
            return Vec::new();
        };
        self.timers.remove(&(call.timer, contact));
        self.servers.remove(&call.server);
        // It may have come again meanwhile.
        if self.names.get(&call.name) == Some(&contact) {
            self.names.remove(&call.name);
        }
        for hunt in call.hunts {
            self.set_hunt_timer(contact, hunt.offer, hunt.next_group, None);
        }
        let branches = call.branches.iter().map(|it| (it.client, it.flow));
        let hearing = call.hearing.iter();
        let hearing = hearing.filter_map(|it| Some((it.client?, it.flow)));
        let onward = call.onward.iter().map(|it| (it.client, it.flow));
        let transfers = branches.chain(hearing).chain(onward);
        transfers
            .map(|(client, flow)| {
                self.clients.remove(&client);
                flow
            })
            .collect()
    }
}
