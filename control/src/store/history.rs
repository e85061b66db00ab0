//! Contacts as their events tell them: the list, newest first, and the story of one.
//!
//! Nothing about a contact is stored beside its events, so the list always agrees with them.

use std::collections::BTreeMap;

use patchbay_core::{Activity, AgentId, ContactId, EndCause, QueueId, RefuseReason, RuleId, What};
use serde::{Deserialize, Serialize};

use super::error::while_doing;
use super::events::Row;
use super::{Store, StoreError, StoredEvent, signed, unsigned};
use crate::story::{Call, Ending};

/// Most contacts on one page.
pub const MAX_PAGE: usize = 200;

/// Events read for one contact; one that was offered so often has no more to say.
pub const MAX_STORY: usize = 2_000;

/// Events of agents that are looked through for the end of a wrap-up.
pub const MAX_WRAP_UP_SEARCH: usize = 1_000;

/// The status of a caller who was told to call somebody else (RFC 3261 section 21.3.3).
const REDIRECTED: u16 = 302;

/// How a contact stands or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Waits, or an agent's phone rings.
    Waiting,
    /// In a call.
    Connected,
    /// Was in a call, which is over.
    Served,
    /// Was refused.
    Refused,
    /// The caller was told to call somebody else.
    Redirected,
    /// The caller gave up.
    Abandoned,
    /// The process ended before the contact did, and no relay had it afterwards.
    Lost,
}

impl Outcome {
    /// Whether nothing more is to come.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Outcome::Waiting | Outcome::Connected)
    }
}

/// What a contact's events come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PastContact {
    /// Which.
    pub id: ContactId,
    /// How it stands or ended.
    pub outcome: Outcome,
    /// The rule that typed it.
    pub rule: Option<RuleId>,
    /// The call type's name.
    pub call_type: Option<String>,
    /// Its queue.
    pub queue: Option<QueueId>,
    /// The agent that answered, else the last one whose phone was called.
    pub agent: Option<AgentId>,
    /// The caller's URI.
    pub from: Option<String>,
    /// The URI called.
    pub to: Option<String>,
    /// Offers made.
    pub offers: u32,
    /// Why it ended, if it was served.
    pub end_cause: Option<EndCause>,
    /// Why it was refused.
    pub refuse_reason: Option<RefuseReason>,
    /// The SIP status that it was refused with.
    pub status: Option<u16>,
    /// When its first event was, in milliseconds of Unix time.
    pub began_unix_ms: u64,
    /// When its last event was, if that ended it, in milliseconds of Unix time.
    pub ended_unix_ms: Option<u64>,
    /// From arrival to the answer or the end without one, in milliseconds.
    pub waited_ms: u64,
    /// From answer to end, in milliseconds.
    pub talk_ms: u64,
    /// The cursor of its first event; the list goes on below it.
    pub first_cursor: u64,
    /// The cursor of its last event.
    pub last_cursor: u64,
}

/// One page of contacts, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The contacts.
    pub contacts: Vec<PastContact>,
    /// What to give as `before` for the next page; `None` on the last.
    pub next_before: Option<u64>,
}

/// A contact with everything that happened to it.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactStory {
    /// What it comes to.
    pub contact: PastContact,
    /// Its events in their order.
    pub events: Vec<StoredEvent>,
}

impl Store {
    /// Contacts whose first event has a cursor below `before` (`None`: from the newest on), newest
    /// first, `limit` at most (and [`MAX_PAGE`]).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn contacts(&self, before: Option<u64>, limit: usize) -> Result<Page, StoreError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let rows: Vec<(String, i64, i64, i64, String)> = sqlx::query_as(
            "SELECT c.id, c.first_cursor, e.cursor, e.unix_ms, e.body \
             FROM (SELECT id, first_cursor FROM contact WHERE first_cursor < $1 \
                   ORDER BY first_cursor DESC LIMIT $2) AS c \
             JOIN event AS e ON e.story = c.first_cursor ORDER BY c.first_cursor DESC, e.cursor",
        )
        .bind(before.map_or(i64::MAX, signed))
        .bind(signed(limit as u64))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(while_doing("read past contacts"))?;
        let mut stories: BTreeMap<i64, (String, Vec<Row>)> = BTreeMap::new();
        for (id, first, cursor, unix_ms, body) in rows {
            let story = stories.entry(first).or_insert_with(|| (id, Vec::new()));
            story.1.push((cursor, unix_ms, body));
        }
        let full = stories.len() == limit;
        let next_before = stories.first_key_value().map(|(first, _)| unsigned(*first));
        let contacts = stories.into_iter().rev().filter_map(|(_, (id, rows))| {
            let events = self.read_rows(rows);
            summary(id.parse().ok()?, &events)
        });
        Ok(Page {
            contacts: contacts.collect(),
            next_before: next_before.filter(|_| full),
        })
    }

    /// One contact with its events; `None` if there is none of this name (any more).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn contact(&self, contact: ContactId) -> Result<Option<ContactStory>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT cursor, unix_ms, body FROM event \
             WHERE story = (SELECT first_cursor FROM contact WHERE id = $1) \
             ORDER BY cursor LIMIT $2",
        )
        .bind(contact.to_string())
        .bind(signed(MAX_STORY as u64))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(while_doing("read a contact"))?;
        let events = self.read_rows(rows);
        Ok(summary(contact, &events).map(|contact| ContactStory { contact, events }))
    }

    /// How long an agent worked on after the call that ended at `cursor`, in milliseconds; `None`
    /// without wrap-up, while it goes on, or if it is not over within [`MAX_WRAP_UP_SEARCH`] events of
    /// agents.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn wrap_up_after(
        &self,
        cursor: u64,
        agent: &AgentId,
    ) -> Result<Option<u64>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT cursor, unix_ms, body FROM event WHERE story IS NULL AND cursor > $1 \
             ORDER BY cursor LIMIT $2",
        )
        .bind(signed(cursor))
        .bind(signed(MAX_WRAP_UP_SEARCH as u64))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(while_doing("read what an agent did"))?;
        let events = self.read_rows(rows);
        let mut states = events.iter().filter_map(|stored| match &stored.event.what {
            What::AgentState {
                agent: of,
                activity,
            } if of == agent => Some((stored.unix_ms, activity)),
            _ => None,
        });
        let Some((began, Activity::WrapUp { .. })) = states.next() else {
            return Ok(None);
        };
        Ok(states.next().map(|(ended, _)| ended.saturating_sub(began)))
    }
}

/// What a contact's events come to; `None` without any.
fn summary(id: ContactId, events: &[StoredEvent]) -> Option<PastContact> {
    let (first, last) = (events.first()?, events.last()?);
    let mut call = Call::new(id, first.unix_ms);
    for stored in events {
        call.take(&stored.event);
    }
    Some(PastContact::of(call, first.cursor, last.cursor))
}

impl PastContact {
    fn of(call: Call, first_cursor: u64, last_cursor: u64) -> PastContact {
        let (ended_unix_ms, ending) = call.end.unzip();
        let (status, refuse_reason) = refusal(ending);
        let kind = call.kind.as_ref();
        PastContact {
            id: call.id,
            outcome: outcome(&call),
            rule: kind.map(|kind| kind.rule.clone()),
            call_type: kind.map(|kind| kind.call_type.clone()),
            queue: call.queue().cloned(),
            from: kind.map(|kind| kind.from.clone()),
            to: kind.map(|kind| kind.to.clone()),
            agent: call.agent.or(call.rung),
            offers: call.offers,
            end_cause: match ending {
                Some(Ending::Served(cause, _)) => Some(cause),
                _ => None,
            },
            refuse_reason,
            status,
            began_unix_ms: call.arrived_unix_ms,
            ended_unix_ms,
            waited_ms: call.waited_ms,
            talk_ms: call.talked_ms,
            first_cursor,
            last_cursor,
        }
    }
}

fn outcome(call: &Call) -> Outcome {
    match call.end {
        Some((_, Ending::Served(..))) => Outcome::Served,
        Some((_, Ending::Refused(..))) => Outcome::Refused,
        Some((_, Ending::Redirected(_))) => Outcome::Redirected,
        Some((_, Ending::Abandoned)) => Outcome::Abandoned,
        Some((_, Ending::Lost)) => Outcome::Lost,
        None if call.answered_unix_ms.is_some() => Outcome::Connected,
        None => Outcome::Waiting,
    }
}

/// The status that a caller was refused with, and why.
fn refusal(ending: Option<Ending>) -> (Option<u16>, Option<RefuseReason>) {
    match ending {
        Some(Ending::Refused(status, why)) => (Some(status), Some(why)),
        Some(Ending::Redirected(_)) => (Some(REDIRECTED), None),
        _ => (None, None),
    }
}
