//! Forking: one offer to an agent becomes calls to its devices (RFC 3261 section 16.6).
//!
//! Each device gets a transfer, and so a session on the relay, of its own; the distributor sees one
//! offer. It rings when the first device rings, it is answered when the first answers, and it has
//! failed when all have, with the best answer by section 16.7. The first 200 wins: the others are
//! cancelled, and one that answers all the same is acknowledged and ended here with a BYE, so that
//! the caller never hears of it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use patchbay_core::centre::{Devices, Notice};
use patchbay_core::{AgentId, ContactId, Input, OfferFailure, OfferId};
use patchbay_sip::dialog::Dialog;
use patchbay_sip::transaction::ClientKey;
use patchbay_sip::{HeaderName, Message, Method};
use tracing::{debug, info};

use super::call::{Branch, Call, Stage};
use super::counters::Drop;
use super::offers::NO_DEVICE;
use super::{Moment, Signalling};
use crate::registrar::{Device, Target};

/// Why a device is hung up that answered beside another (RFC 3326, with the text of RFC 3261
/// section 16.7's users: phones show no missed call).
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

/// One offer on its way over an agent's devices.
#[derive(Debug)]
pub(super) struct Hunt {
    pub(super) offer: OfferId,
    pub(super) agent: AgentId,
    /// Devices that have not been called, in the order in which they are; those of one group are
    /// called together.
    pub(super) groups: VecDeque<Vec<Device>>,
    /// Expires of the transferred INVITEs, seconds.
    pub(super) ring_s: u64,
    /// How long one group rings before the next is called.
    pub(super) group_ring: Option<Duration>,
    /// How the device that answers is asked to tell when the call is over.
    pub(super) notice: Notice,
    /// When the group that rings is given up for the next.
    pub(super) next_group: Option<Instant>,
    /// Devices called so far; tells their sessions apart.
    pub(super) attempts: u16,
    pub(super) ringing: bool,
    pub(super) cancelled: bool,
    /// The best failure so far.
    pub(super) failure: Option<(u16, OfferFailure)>,
    /// Who sent the first 2xx.
    pub(super) winner: Option<ClientKey>,
    /// That 2xx, without our Via, until it is decided who gets it.
    pub(super) answer: Option<Box<Message>>,
}

impl Hunt {
    /// Takes a device's failure: the better of two by RFC 3261 section 16.7 step 6 stays.
    fn failed(&mut self, code: u16, cause: OfferFailure) {
        let better = self
            .failure
            .is_none_or(|(before, _)| rank(code) < rank(before));
        if better {
            self.failure = Some((code, cause));
        }
        if code >= 600 || cause == OfferFailure::RelayFull {
            // Nobody else is to be asked (step 5), or could be reached: all go through the relay.
            self.groups.clear();
        }
    }
}

/// Which answer tells more, the least first: a 6xx beats all, then the lower class, and within 4xx
/// those that say what could be done, then what the agent did, then what a device could not.
fn rank(code: u16) -> (u16, u16) {
    let class = match code {
        600..=699 => 0,
        _ => code / 100,
    };
    let within = match code {
        401 | 407 | 415 | 420 | 484 | 488 => 0,
        486 => 1,
        480 | 487 => 3,
        404 | 408 | 410 | 430 => 4,
        _ => 2,
    };
    (class, within)
}

/// The devices in groups that are called one after the other (RFC 3261 section 16.6): by q, and of
/// equal q together unless each shall be alone.
pub(super) fn groups(devices: Vec<Device>, order: Devices) -> VecDeque<Vec<Device>> {
    let mut groups: VecDeque<Vec<Device>> = VecDeque::new();
    let mut sorted = devices;
    sorted.sort_by_key(|device| std::cmp::Reverse(device.q_milli));
    for device in sorted {
        match groups.back_mut() {
            Some(group)
                if order == Devices::Parallel
                    && group.iter().any(|one| one.q_milli == device.q_milli) =>
            {
                group.push(device);
            }
            _ => groups.push_back(vec![device]),
        }
    }
    groups
}

impl Signalling {
    /// Calls the next devices of an offer that has none that ring, or tells how it failed.
    pub(super) fn hunt_on(&mut self, contact: ContactId, offer: OfferId, now: Moment) {
        loop {
            let Some(call) = self.calls.get(contact) else {
                return;
            };
            let open = call.stage == Stage::Open;
            let rings = call
                .branches
                .iter()
                .any(|b| b.offer == offer && b.pending());
            let Some(hunt) = call.hunt(offer) else { return };
            if rings || hunt.winner.is_some() {
                return;
            }
            let group = hunt.groups.pop_front();
            match group.filter(|_| open && !hunt.cancelled) {
                Some(group) => self.call_group(contact, offer, group, now),
                None => return self.hunt_failed(contact, offer, now),
            }
        }
    }

    fn call_group(&mut self, contact: ContactId, offer: OfferId, group: Vec<Device>, now: Moment) {
        for device in group {
            self.transfer(contact, offer, device.ways, now);
        }
        let Some(hunt) = self.calls.get(contact).and_then(|call| call.hunt(offer)) else {
            return;
        };
        // The last group rings as long as the offer does.
        let last = hunt.groups.is_empty();
        let due = hunt.group_ring.filter(|_| !last).map(|ring| now.at + ring);
        let before = std::mem::replace(&mut hunt.next_group, due);
        self.calls.set_hunt_timer(contact, offer, before, due);
    }

    /// Gives up the groups that rang as long as they may; the next is called when they have let go.
    pub(super) fn run_hunt_timers(&mut self, now: Moment) {
        while let Some((contact, offer)) = self.calls.due_hunt(now.at) {
            debug!(%contact, %offer, "the next devices' turn");
            if let Some(hunt) = self.calls.get(contact).and_then(|call| call.hunt(offer)) {
                hunt.next_group = None;
            }
            self.cancel_branches(contact, offer, None, now);
        }
    }

    /// All devices failed, or the offer was taken back.
    fn hunt_failed(&mut self, contact: ContactId, offer: OfferId, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let Some(hunt) = call.take_hunt(offer) else {
            return;
        };
        let last = call.hunts.is_empty();
        let stage = call.stage;
        self.calls
            .set_hunt_timer(contact, offer, hunt.next_group, None);
        let (code, cause) = hunt
            .failure
            .unwrap_or((NO_DEVICE, OfferFailure::Unreachable));
        self.tell(Input::OfferFailed { offer, cause, code });
        if stage == Stage::Cancelled && last {
            self.terminated(contact, now);
        }
    }

    /// A device failed. Another way to the same device is tried when its flow is gone (RFC 5626
    /// section 7), then the next group when all of this one have failed.
    pub(super) fn device_failed(
        &mut self,
        contact: ContactId,
        branch: Branch,
        (code, cause): (u16, OfferFailure),
        now: Moment,
    ) {
        let Branch { offer, ways, .. } = branch;
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let open = call.stage == Stage::Open;
        let Some(hunt) = call.hunt(offer) else { return };
        let again = open
            && cause == OfferFailure::Unreachable
            && !branch.cancelled
            && !hunt.cancelled
            && !ways.is_empty();
        if again {
            self.transfer(contact, offer, ways, now);
        } else {
            hunt.failed(code, cause);
            if code >= 600 {
                self.cancel_branches(contact, offer, None, now);
            }
        }
        self.hunt_on(contact, offer, now);
    }

    /// Cancels the calls of an offer that have no final answer, but for one.
    pub(super) fn cancel_branches(
        &mut self,
        contact: ContactId,
        offer: OfferId,
        but: Option<ClientKey>,
        now: Moment,
    ) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let others = call.branches.iter_mut();
        let others = others.filter(|b| b.offer == offer && b.pending() && Some(b.client) != but);
        let mut clients = Vec::new();
        for branch in others {
            branch.cancelled = true;
            branch.ways.clear();
            clients.push(branch.client);
        }
        for client in clients {
            let _gone_already = self.layer.cancel(client, now.at);
        }
    }

    /// A device answered beside the one that won: it is acknowledged and ended in the caller's name,
    /// who does not hear of it (RFC 3261 section 13.2.2.4 asks the same of a caller).
    pub(super) fn hang_up(&mut self, contact: ContactId, response: &Message, now: Moment) {
        let Some(call) = self.calls.get(contact) else {
            return;
        };
        let flow = call.flow;
        let Some((ack, bye)) = farewell(call, response) else {
            self.counters.drop(Drop::LateAnswer);
            return;
        };
        info!(%contact, "another device answered as well");
        self.counters.forks_ended += 1;
        self.layer.send_ack(ack, flow, &self.sent_by);
        match self.layer.send_request(bye, flow, &self.sent_by, now.at) {
            Ok(client) => self.calls.said_farewell(client),
            Err(_) => self.counters.drop(Drop::NotSent),
        }
    }
}

/// ACK and BYE for a 2xx that nobody wants. They go straight to the relay that gave it.
fn farewell(call: &Call, response: &Message) -> Option<(Message, Message)> {
    let mut dialog = Dialog::uac(call.request()?, response).ok()?;
    dialog.route_set.clear();
    let cseq = response.cseq().ok()?.number;
    dialog.local_cseq = cseq;
    let ack = dialog.ack(cseq);
    let mut bye = dialog.request(Method::Bye);
    bye.headers.push(HeaderName::Reason, ELSEWHERE);
    Some((ack, bye))
}

/// The ways to a device that have not been tried.
pub(super) type Ways = VecDeque<Target>;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn device(name: &str, q_milli: u16) -> Device {
        let way = Target {
            uri: name.into(),
            path: Vec::new(),
            key: name.into(),
        };
        Device {
            q_milli,
            ways: VecDeque::from([way]),
        }
    }

    fn names(groups: VecDeque<Vec<Device>>) -> Vec<Vec<String>> {
        let name = |device: Device| device.ways.front().unwrap().uri.clone();
        groups
            .into_iter()
            .map(|group| group.into_iter().map(name).collect())
            .collect()
    }

    // RFC 3261 section 16.6
    #[test]
    fn devices_are_grouped_by_q() {
        let devices = || vec![device("a", 500), device("b", 1000), device("c", 500)];
        assert_eq!(
            names(groups(devices(), Devices::Parallel)),
            [vec!["b"], vec!["a", "c"]]
        );
        assert_eq!(
            names(groups(devices(), Devices::Sequential)),
            [vec!["b"], vec!["a"], vec!["c"]]
        );
        assert!(groups(Vec::new(), Devices::Parallel).is_empty());
    }

    // RFC 3261 section 16.7 step 6
    #[test]
    fn the_best_answer_tells_most() {
        let best = |codes: &[u16]| {
            codes
                .iter()
                .copied()
                .min_by_key(|code| rank(*code))
                .unwrap()
        };
        assert_eq!(best(&[503, 486, 408]), 486);
        assert_eq!(best(&[408, 603, 486]), 603);
        assert_eq!(best(&[430, 480]), 480);
        assert_eq!(best(&[500, 404]), 404);
        assert_eq!(best(&[486, 415]), 415);
    }
}
