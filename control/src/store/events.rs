//! Events: appended in batches, read from a cursor, the oldest removed beyond a limit.

use patchbay_core::{ContactId, Event, What};
use sqlx::SqliteConnection;

use super::error::while_doing;
use super::rows::{self, Batch};
use super::{Store, StoreError, StoredEvent, signed, unsigned};

/// Most events that one call of [`Store::events_after`] gives.
pub const MAX_EVENTS_READ: usize = 1_000;

/// Surplus events that make a removal worth its while.
const PRUNE_EVERY: u64 = 1_024;

impl Store {
    /// Appends events in their order and gives the cursor of the last one; theirs are the numbers
    /// up to it. They are committed together when this returns. Without events: the last cursor.
    ///
    /// # Errors
    /// [`StoreError::Database`]; then none of them is stored, and their cursors go to the next.
    pub async fn append_events(&self, events: &[Event]) -> Result<u64, StoreError> {
        let mut writer = self.inner.writing.lock().await;
        if events.is_empty() {
            return Ok(writer.last_cursor);
        }
        let doing = "store events";
        let mut transaction = self.inner.swift.begin().await.map_err(while_doing(doing))?;
        let unknown = writer.stories.unknown(events);
        let found = rows::stories_of(&mut transaction, unknown)
            .await
            .map_err(while_doing(doing))?;
        let batch = Batch::new(events, writer.last_cursor, &writer.stories, found)?;
        let last = writer.last_cursor + events.len() as u64;
        let stories = rows::insert(&mut transaction, batch)
            .await
            .map_err(while_doing(doing))?;
        let surplus = last.saturating_sub(self.inner.events_kept);
        let prune = surplus >= writer.pruned_to + PRUNE_EVERY;
        if prune {
            remove_up_to(&mut transaction, surplus)
                .await
                .map_err(while_doing(doing))?;
        }
        transaction.commit().await.map_err(while_doing(doing))?;
        writer.last_cursor = last;
        writer.stories.learn(stories);
        if prune {
            writer.pruned_to = surplus;
        }
        Ok(last)
    }

    /// Events with a cursor above `cursor` in their order, `limit` at most (and
    /// [`MAX_EVENTS_READ`]).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn events_after(
        &self,
        cursor: u64,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let limit = signed(limit.clamp(1, MAX_EVENTS_READ) as u64);
        let mut after = signed(cursor);
        loop {
            let rows: Vec<Row> = sqlx::query_as(
                "SELECT cursor, unix_ms, body FROM event WHERE cursor > $1 \
                 ORDER BY cursor LIMIT $2",
            )
            .bind(after)
            .bind(limit)
            .fetch_all(&self.inner.readers)
            .await
            .map_err(while_doing("read events"))?;
            let Some((last, ..)) = rows.last() else {
                return Ok(Vec::new());
            };
            after = *last;
            let events = self.read_rows(rows);
            // No event means the end, so a stretch that cannot be read is stepped over.
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// The cursor of the last event; 0 before the first.
    pub async fn last_cursor(&self) -> u64 {
        self.inner.writing.lock().await.last_cursor
    }

    /// Events up to this cursor were removed to keep the store within its limit.
    pub async fn pruned_to(&self) -> u64 {
        self.inner.writing.lock().await.pruned_to
    }

    /// Turns rows into events; one that this version cannot read is left out and counted.
    pub(super) fn read_rows(&self, rows: Vec<Row>) -> Vec<StoredEvent> {
        let mut events = Vec::with_capacity(rows.len());
        for (cursor, unix_ms, body) in rows {
            match serde_json::from_str(&body) {
                Ok(event) => events.push(StoredEvent {
                    cursor: unsigned(cursor),
                    unix_ms: unsigned(unix_ms),
                    event,
                }),
                Err(error) => self.count_unreadable("event", &cursor.to_string(), &error),
            }
        }
        events
    }
}

/// Cursor, time, body.
pub(super) type Row = (i64, i64, String);

/// A contact whose beginning is removed is removed whole from the list: half a story misleads.
async fn remove_up_to(connection: &mut SqliteConnection, cursor: u64) -> Result<(), sqlx::Error> {
    for statement in [
        "DELETE FROM event WHERE cursor <= $1",
        "DELETE FROM contact WHERE first_cursor <= $1",
        "DELETE FROM caller WHERE story <= $1",
    ] {
        sqlx::query(statement)
            .bind(signed(cursor))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The contact that an event is about, if it is about one.
#[must_use]
pub fn contact_of(event: &Event) -> Option<ContactId> {
    match &event.what {
        What::ContactAsking { contact, .. }
        | What::ContactInMenu { contact, .. }
        | What::ContactChose { contact, .. }
        | What::ContactAsked { contact, .. }
        | What::ContactTyped { contact, .. }
        | What::ContactQueued { contact, .. }
        | What::SiteAsked { contact, .. }
        | What::SiteFailed { contact, .. }
        | What::ContactClaimed { contact, .. }
        | What::ContactLate { contact, .. }
        | What::ContactRelaxed { contact, .. }
        | What::ContactPressed { contact, .. }
        | What::ContactMoved { contact, .. }
        | What::ContactRedirected { contact, .. }
        | What::ContactOffered { contact, .. }
        | What::CallBackPromised { contact, .. }
        | What::CallBackKept { contact, .. }
        | What::ContactKept { contact, .. }
        | What::CallBackDialled { contact, .. }
        | What::CallBackPutOff { contact, .. }
        | What::OfferRinging { contact, .. }
        | What::OfferFailed { contact, .. }
        | What::ContactConnected { contact, .. }
        | What::ContactAdopted { contact, .. }
        | What::AgentNotice { contact, .. }
        | What::ContactHeld { contact, .. }
        | What::ContactResumed { contact, .. }
        | What::ContactTransferred { contact, .. }
        | What::ContactEnded { contact, .. }
        | What::ContactRefused { contact, .. }
        | What::ContactAbandoned { contact, .. }
        | What::SessionUnwanted { contact, .. } => Some(*contact),
        What::AgentStatus { .. }
        | What::AgentState { .. }
        | What::QueueGauge { .. }
        | What::ControlStarted => None,
    }
}
