//! Contacts of which it is not decided yet what they are: a server is being asked, or their callers choose.

use super::Distributor;
use super::arrive::{Came, clipped};
use crate::event::What;
use crate::facts::Facts;
use crate::id::ContactId;
use crate::media::Usable;
use crate::snapshot::{ContactState, ContactView};
use std::collections::BTreeMap;

impl Distributor {
    /// The caller of such a contact gave up.
    pub(super) fn untyped_gone(&mut self, contact: ContactId, came: Came) {
        self.counters.abandoned += 1;
        self.counters.forgotten_early += self.memory.contact(contact, self.now.mono);
        self.tell(What::ContactAbandoned {
            contact,
            queue: None,
            agent: None,
            waited_ms: self.since_ms(came.at),
        });
    }
}

/// Such a contact as the API shows it.
pub(super) fn view(id: ContactId, state: ContactState, facts: &Facts, came: &Came) -> ContactView {
    ContactView {
        id,
        state,
        queue: None,
        call_type: String::new(),
        rule: None,
        agent: None,
        offer: None,
        waits_for: None,
        from: clipped(&facts.from),
        to: clipped(facts.called()),
        media: Usable::of(facts).kinds(),
        medium: facts.medium.unwrap_or_default(),
        carried: came.way,
        priority: 0,
        attributes: BTreeMap::new(),
        arrived_unix_ms: came.unix_ms,
        answered_unix_ms: None,
    }
}
