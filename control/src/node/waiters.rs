//! Those who wait for a contact that is carried outside to stand otherwise.

use patchbay_core::ContactId;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

use super::stand::Routed;

/// Requests that wait for a change of one contact; beyond that the first is answered as it stands.
pub const MAX_WAITERS: usize = 8;

/// The way back to one who waits; none: there is no such contact.
pub(super) type Waiter = oneshot::Sender<Option<Routed>>;

/// All who wait. Whoever has given up is forgotten when the next one comes, or with the contact.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_contact: FxHashMap<ContactId, Vec<Waiter>>,
}

impl Waiters {
    /// Lets one wait. Gives back one for whom there is no more room.
    pub(super) fn wait(&mut self, contact: ContactId, waiter: Waiter) -> Option<Waiter> {
        let waiting = self.by_contact.entry(contact).or_default();
        waiting.retain(|one| !one.is_closed());
        waiting.push(waiter);
        (waiting.len() > MAX_WAITERS).then(|| waiting.remove(0))
    }

    /// Those who wait for a change of a contact, which has come.
    pub(super) fn take(&mut self, contact: ContactId) -> Vec<Waiter> {
        self.by_contact.remove(&contact).unwrap_or_default()
    }
}
