//! What a token stands for.

use patchbay_core::{AgentId, QueueId};
use serde::{Deserialize, Serialize};

use super::{BOOTSTRAP, Digest, Permission, Presented, Role};

/// A token as it is kept: everything but its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// 16 hexadecimal digits; part of the token's text.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Whose it is, for [`Role::Agent`].
    pub agent: Option<AgentId>,
    /// What it may, for [`Role::Integration`].
    pub scopes: Vec<Permission>,
    /// The queues that its contacts name, and may only wait in; empty: the rules place its contacts.
    #[serde(default)]
    pub queues: Vec<QueueId>,
    /// When it was given out, in milliseconds of Unix time.
    pub created_unix_ms: u64,
    /// From when on it opens nothing; `None`: never.
    pub expires_unix_ms: Option<u64>,
    /// When it was revoked.
    pub revoked_unix_ms: Option<u64>,
    /// What its text comes to.
    pub digest: Digest,
    /// What its text before the last rotation came to, and until when that counts.
    pub before: Option<(Digest, u64)>,
}

/// Why a token opens nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was revoked.
    Revoked,
    /// Its time is over.
    Expired,
}

impl Grant {
    /// What the token of the data directory stands for. `digest` is that of its text.
    #[must_use]
    pub fn bootstrap(digest: Digest) -> Grant {
        Grant {
            id: BOOTSTRAP.to_owned(),
            name: "api-token of the data directory".to_owned(),
            role: Role::Admin,
            agent: None,
            scopes: Vec::new(),
            queues: Vec::new(),
            created_unix_ms: 0,
            expires_unix_ms: None,
            revoked_unix_ms: None,
            digest,
            before: None,
        }
    }

    /// Whether it has a permission without regard to whose the thing is.
    #[must_use]
    pub fn allows(&self, permission: Permission) -> bool {
        self.role.allows(permission, &self.scopes)
    }

    /// Whether it may ask for agents of a queue that it names, or of those that the rules decide on.
    #[must_use]
    pub fn may_ask(&self, queue: Option<&QueueId>) -> bool {
        match queue {
            None => self.queues.is_empty(),
            Some(queue) => self.role == Role::Admin || self.queues.contains(queue),
        }
    }

    /// Why it opens nothing at `now`, in milliseconds of Unix time; `None` while it does.
    #[must_use]
    pub fn ended(&self, now: u64) -> Option<Ended> {
        if self.revoked_unix_ms.is_some() {
            return Some(Ended::Revoked);
        }
        let expired = self.expires_unix_ms.is_some_and(|until| until <= now);
        expired.then_some(Ended::Expired)
    }

    /// Whether a client that shows this shows the token, or at `now` still the one before it.
    #[must_use]
    pub fn is_shown(&self, shown: &Presented<'_>, now: u64) -> bool {
        let current = self.digest.matches(&shown.digest);
        let former = self.before.as_ref();
        let former =
            former.is_some_and(|(digest, until)| *until > now && digest.matches(&shown.digest));
        current || former
    }
}
