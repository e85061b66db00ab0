//! Early media of several phones behind one offer (RFC 3261 section 13.2.2.4, RFC 3960).
//!
//! Each provisional answer with a description moves the agent's side to the phone that sent it:
//! the caller hears the one that spoke up last. The final answer's phone has it from then on.

use super::Context;
use super::media::{Ends, MediaState};
use crate::engine::Side;
use crate::readdress::sdp::Description;
use patchbay_sip::Message;

/// Phones of one fork whose early answers are kept. What others answer counts when it comes.
pub const MAX_FORKS: usize = 8;

impl MediaState {
    /// Keeps what one phone of a fork answered early.
    pub(super) fn remember_fork(&mut self, message: &Message, answer: &Description) {
        let (Some(tag), Some(101..=199)) = (message.to_tag(), message.status()) else {
            return;
        };
        self.forks.retain(|(known, _)| known.as_str() != &*tag);
        if self.forks.len() < MAX_FORKS {
            self.forks.push((tag.to_string(), answer.clone()));
        }
    }

    /// A final answer without a description: what the same phone answered early holds, and not
    /// what another one answered after it.
    pub(super) fn follow_fork(
        &mut self,
        cx: &mut Context<'_>,
        ends: Ends,
        side: Side,
        message: &Message,
    ) {
        let (Some(tag), Some(200..=299)) = (message.to_tag(), message.status()) else {
            return;
        };
        let known = self.forks.iter().find(|(known, _)| known.as_str() == &*tag);
        if let (Some((_, early)), Some((offerer, offer))) = (known.cloned(), self.offer.take()) {
            if offerer != side {
                self.agree(cx, ends, (offerer, &offer), (side, &early));
            }
            self.offer = Some((offerer, offer));
        }
    }

    /// A further offer begins while the call rings (RFC 3311, RFC 3262 section 5): what holds
    /// until then is put aside.
    pub(super) fn begin(&mut self) {
        self.settle_terms();
        self.shelf = self.offer.take();
        self.keeps = true;
    }

    /// The further offer was refused, or nobody answered it: what held before holds on.
    pub(super) fn withdraw(&mut self) {
        self.forget_pending();
        self.offer = self.shelf.take();
        self.answer = None;
    }

    /// The further offer was answered with the phone `fork` of the agent: whoever answers the
    /// INVITE does it on this ground.
    pub(super) fn stand(&mut self, fork: Option<String>) {
        match (self.offer.take(), self.answer.take()) {
            (Some((offerer, offer)), Some(answer)) => {
                let (client, agent) = match offerer {
                    Side::Client => (offer, answer),
                    Side::Agent => (answer, offer),
                };
                self.offer = Some((Side::Client, client));
                self.forks = fork.map(|fork| (fork, agent)).into_iter().collect();
                self.shelf = None;
                self.settle_terms();
            }
            _ => self.withdraw(),
        }
    }
}
