//! Those who asked for an agent over the API and call here to be led to it (requirement D12): the name that
//! they call proves what was offered to them.

use patchbay_core::{ContactId, Input, OfferId};
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{Message, Uri};
use sha2::{Digest, Sha256};
use tracing::info;

use super::call::RequestName;
use super::counters::Drop;
use super::reply::reply;
use super::{Effect, Moment, Signalling};

/// What the user part of such a name begins with.
const PREFIX: &str = "claim-";

/// Bytes of the proof: nobody guesses 128 bits while an agent is reserved.
const PROOF_BYTES: usize = 16;

/// A call by such a name.
#[derive(Debug)]
pub struct Claim {
    /// The contact that was asked for.
    pub contact: ContactId,
    /// The offer of its agent.
    pub offer: OfferId,
    pub(super) server: ServerKey,
    pub(super) flow: Flow,
    pub(super) name: RequestName,
    pub(super) request: Message,
}

impl Signalling {
    /// The user part of the URI by which whoever asked for the contact is led to its agent.
    #[must_use]
    pub fn claim_name(&self, contact: ContactId, offer: OfferId) -> String {
        format!("{PREFIX}{contact}-{offer}-{}", self.proof(contact, offer))
    }

    fn proof(&self, contact: ContactId, offer: OfferId) -> String {
        // Of a fixed length, behind a secret of a fixed length; and only half of the digest is shown.
        let digest = Sha256::new()
            .chain_update(self.claims)
            .chain_update(contact.0.to_be_bytes())
            .chain_update(offer.0.to_be_bytes())
            .finalize();
        let shown = digest.iter().take(PROOF_BYTES);
        shown.map(|byte| format!("{byte:02x}")).collect()
    }

    /// What an INVITE claims; `Err` if it proves nothing, or calls nobody that was ever offered.
    pub(super) fn claimed_by(&self, request: &Message) -> Option<Result<(ContactId, OfferId), ()>> {
        let uri = request.uri().and_then(|uri| Uri::parse(uri).ok())?;
        let mut parts = uri.user.as_deref()?.strip_prefix(PREFIX)?.split('-');
        let (contact, offer) = (parts.next()?.parse(), parts.next()?.parse());
        let (Ok(contact), Ok(offer), Some(proof), None) =
            (contact, offer, parts.next(), parts.next())
        else {
            return None;
        };
        let same = same_text(proof, &self.proof(contact, offer));
        Some(same.then_some((contact, offer)).ok_or(()))
    }

    pub(super) fn claims(&mut self, claim: Claim) {
        self.effects.push_back(Effect::Claim(Box::new(claim)));
    }

    /// The call belongs to its contact from now on.
    pub fn take_claim(&mut self, claim: Claim, now: Moment) {
        let Claim { contact, offer, .. } = claim;
        info!(%contact, %offer, call_id = %claim.name.0, "claimed");
        let call = self.new_call(
            (claim.server, claim.flow),
            claim.name,
            (claim.request, None),
            now,
        );
        self.calls.insert(contact, call);
        self.tell(Input::ContactClaimed { contact, offer });
    }

    /// What it claims is over, or was claimed before.
    pub fn refuse_claim(&mut self, claim: &Claim, now: Moment) {
        self.counters.drop(Drop::NoClaim);
        let tag = self.layer.fresh_tag();
        let answer = reply(&claim.request, 404, "Offer Is Over", &tag);
        self.respond(claim.server, answer, now);
        self.pump(now);
    }
}

/// Compares in a time that does not depend on where two texts differ.
fn same_text(one: &str, other: &str) -> bool {
    let pairs = one.bytes().zip(other.bytes());
    let differing = pairs.fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && differing == 0
}
