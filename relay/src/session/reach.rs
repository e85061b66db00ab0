//! Where the parties are: a flow that they opened, an address, or a name that DNS leads from
//! (RFC 3263).
//!
//! The INVITE to an agent waits for the answer of DNS. For a dialog whose next requests go to a name it
//! is asked ahead, once the call stands, so that no request waits: until the answer is there, and
//! after all places that it names, a party is reached where it was heard from last.

use super::failover::Ways;
use super::leg::address_of;
use super::transfer::{first_hop, own_flow};
use super::{Context, Leg, Session};
use crate::edge::counters::EdgeDrop;
use crate::edge::flow_token::Source;
use crate::edge::{Output, Refusal};
use crate::engine::Side;
use crate::locate::{Candidate, Inquiry, Seeker, Wanted};
use patchbay_route::transfer::TransferTarget;
use patchbay_sip::dialog::Dialog;
use patchbay_sip::{NameAddr, Text, Transport, Uri};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A name that a dialog's requests go to is looked up again after this; within its time to live the
/// answer comes from the resolver's memory.
pub const NAME_FRESH: Duration = Duration::from_secs(300);
/// Seconds after which a call that found too many look-ups under way may be tried again.
const LOOKUP_RETRY_S: u32 = 5;

/// Where the name leads that a dialog's requests go to.
#[derive(Default)]
pub struct Named {
    /// The next hop as the dialog names it, when it was last looked at.
    hop: Text,
    found: Option<Box<Lookup>>,
}

struct Lookup {
    wanted: Wanted,
    /// None as long as DNS has not answered.
    places: Vec<Candidate>,
    asked: Instant,
}

/// Where the agent's phone is.
enum Whereabouts {
    /// By a flow that it registered through, here.
    Flow(Source),
    /// At this address.
    Address(Transport, SocketAddr),
    /// Where this name leads.
    Name(Wanted),
}

fn whereabouts(cx: &Context<'_>, target: &TransferTarget) -> Option<Whereabouts> {
    let uri = Uri::parse(&target.agent_uri).ok()?;
    let Some(path) = &target.path else {
        return by_uri(&uri);
    };
    match own_flow(cx, path) {
        Some(source) => Some(Whereabouts::Flow(source)),
        None => by_uri(&first_hop(path)?.uri),
    }
}

fn by_uri(uri: &Uri) -> Option<Whereabouts> {
    match address_of(uri) {
        Some((transport, address)) => Some(Whereabouts::Address(transport, address)),
        None => Wanted::of(uri).map(Whereabouts::Name),
    }
}

/// What the next request of a dialog goes to (RFC 3261 section 12.2.1.1), as it is written.
fn hop_of(dialog: &Dialog) -> &Text {
    dialog.route_set.first().unwrap_or(&dialog.remote_target)
}

fn name_of(dialog: &Dialog) -> Option<Wanted> {
    let uri = match dialog.route_set.first() {
        Some(route) => NameAddr::parse(route).ok()?.uri,
        None => Uri::parse(&dialog.remote_target).ok()?,
    };
    match uri.host.ip() {
        Some(_) => None,
        None => Wanted::of(&uri),
    }
}

impl Leg {
    /// The name that has to be looked up now, if the dialog's next hop is one.
    fn name_to_look_up(&mut self, now: Instant) -> Option<Wanted> {
        let dialog = self.dialog.as_ref().filter(|_| !self.pinned)?;
        if *hop_of(dialog) == self.named.hop {
            let found = self.named.found.as_mut()?;
            let stale = now.saturating_duration_since(found.asked) >= NAME_FRESH;
            return stale.then(|| {
                found.asked = now;
                found.wanted.clone()
            });
        }
        let wanted = name_of(dialog);
        self.named = Named {
            hop: hop_of(dialog).clone(),
            found: wanted.clone().map(|wanted| {
                Box::new(Lookup {
                    wanted,
                    places: Vec::new(),
                    asked: now,
                })
            }),
        };
        wanted
    }

    /// The places of the name that this side's requests go to; none if it is none, or not known yet.
    pub(super) fn named_places(&self, cx: &Context<'_>) -> Option<Ways> {
        let dialog = self.dialog.as_ref().filter(|_| !self.pinned)?;
        let found = self.named.found.as_ref()?;
        if found.places.is_empty() || *hop_of(dialog) != self.named.hop {
            return None;
        }
        let mut places = found.places.clone();
        // If the name leads to where the party was heard from, that is the best place; if not, it is
        // better than none.
        let heard = Candidate {
            transport: self.flow.transport,
            address: self.flow.remote,
        };
        let all = places.len();
        places.retain(|place| *place != heard);
        let at = if places.len() < all { 0 } else { all };
        places.insert(at, heard);
        let left = cx.places.order(places, cx.now.instant);
        Some(Ways::new(&found.wanted.host, left))
    }
}

impl Session {
    /// Calls the agent, or asks first where it is.
    pub(super) fn start(&mut self, cx: &mut Context<'_>) {
        if self.hearing.is_some() {
            return self.start_hearing(cx);
        }
        match whereabouts(cx, &self.target) {
            Some(Whereabouts::Flow(source)) => self.call_agent(cx, source),
            Some(Whereabouts::Address(transport, address)) => {
                match cx.paths.flow_to(transport, address, cx.outputs) {
                    Some(flow) => {
                        let pinned = false;
                        self.call_agent(cx, Source { flow, pinned });
                    }
                    None => self.refuse_offer(cx, Refusal::plain(430, "Flow Failed")),
                }
            }
            Some(Whereabouts::Name(wanted)) => {
                if !self.look_up(cx, Seeker::Offer, wanted) {
                    let why = EdgeDrop::LookupsFull;
                    let refusal = Refusal::busy(why, "Too Many Look-ups", LOOKUP_RETRY_S);
                    self.refuse_offer(cx, refusal);
                }
            }
            None => self.refuse_offer(cx, Refusal::plain(404, "Agent URI Unusable")),
        }
    }

    /// Calls the agent by a flow.
    pub(super) fn call_agent(&mut self, cx: &mut Context<'_>, source: Source) {
        self.agent.flow = source.flow;
        self.agent.pinned = source.pinned;
        self.agent.sips = self.target.agent_uri.starts_with("sips:");
        if !cx.paths.is_alive(&source.flow) {
            // RFC 5626 section 11.1: the flow that the phone registered by is gone.
            return self.refuse_offer(cx, Refusal::plain(430, "Flow Failed"));
        }
        if let Err(refusal) = self.send_offer(cx, source.flow) {
            self.refuse_offer(cx, refusal);
        }
    }

    /// Asks DNS; false if too many do.
    fn look_up(&mut self, cx: &mut Context<'_>, seeker: Seeker, wanted: Wanted) -> bool {
        let room = cx.places.ask();
        if room {
            let inquiry = Inquiry {
                session: self.id,
                seeker,
                wanted,
                spoken: cx.paths.spoken(),
                seed: cx.ids.number(),
            };
            cx.outputs.push_back(Output::Locate(Box::new(inquiry)));
        }
        room
    }

    /// Asks where the names lead that the dialogs' requests go to, if they are new or old.
    pub(super) fn look_up_legs(&mut self, cx: &mut Context<'_>) {
        if self.answered.is_none() || self.ended {
            return;
        }
        for side in Side::ALL {
            let Some(wanted) = self.leg(side).name_to_look_up(cx.now.instant) else {
                continue;
            };
            if !self.look_up(cx, Seeker::Leg(side), wanted) {
                cx.counters.drop(EdgeDrop::LookupsFull);
            }
        }
    }

    /// DNS has answered.
    pub(super) fn located(
        &mut self,
        cx: &mut Context<'_>,
        inquiry: &Inquiry,
        places: Vec<Candidate>,
    ) {
        match inquiry.seeker {
            Seeker::Offer => self.agent_located(cx, &inquiry.wanted, places),
            Seeker::Leg(side) => {
                let found = self.leg(side).named.found.as_mut();
                // A name that is gone meanwhile has been looked up since, and one that leads nowhere
                // now may have led somewhere before.
                if let Some(found) = found.filter(|found| found.wanted == inquiry.wanted)
                    && !places.is_empty()
                {
                    found.places = places;
                }
            }
        }
    }

    fn agent_located(&mut self, cx: &mut Context<'_>, wanted: &Wanted, places: Vec<Candidate>) {
        let waits = matches!(&self.invite, Some(invite) if invite.client.is_none());
        if self.ended || !waits {
            return;
        }
        if places.is_empty() {
            return self.refuse_offer(cx, Refusal::plain(404, "Agent's Host Unknown"));
        }
        let left = cx.places.order(places, cx.now.instant);
        let mut ways = Ways::new(&wanted.host, left);
        match ways.next(cx) {
            Some(first) => self.call_place(cx, first, ways),
            None => self.refuse_offer(cx, Refusal::plain(430, "Flow Failed")),
        }
    }
}
