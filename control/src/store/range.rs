//! Events of a range of time. Cursors rise with time, so that its beginning is found without an index.

use super::error::while_doing;
use super::events::Row;
use super::{Store, StoreError, StoredEvent, signed, unsigned};

/// Events of agents that are read back for what they did before a range. The search ends at the
/// beginning of the process at the latest, when all were told.
pub const MAX_LOOKBACK: usize = 20_000;

impl Store {
    /// The cursor before the first event that is not older than a moment, by halving. Where the clock was
    /// set back, events on either side of the place may be on the wrong one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn cursor_before(&self, unix_ms: u64) -> Result<u64, StoreError> {
        // Everything up to `older` is older; everything from `newer` on is not.
        let mut older = self.pruned_to().await;
        let mut newer = self.last_cursor().await.saturating_add(1);
        while older + 1 < newer {
            let middle = older + (newer - older) / 2;
            match self.first_from(middle).await? {
                Some((cursor, at)) if at < unix_ms => older = cursor,
                // Between the middle and the event found there is none.
                _ => newer = middle,
            }
        }
        Ok(older)
    }

    /// Cursor and time of the first event that is kept; `None` without any.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn oldest(&self) -> Result<Option<(u64, u64)>, StoreError> {
        self.first_from(0).await
    }

    async fn first_from(&self, cursor: u64) -> Result<Option<(u64, u64)>, StoreError> {
        let found: Option<(i64, i64)> = sqlx::query_as(
            "SELECT cursor, unix_ms FROM event WHERE cursor >= $1 ORDER BY cursor LIMIT 1",
        )
        .bind(signed(cursor))
        .fetch_optional(&self.inner.readers)
        .await
        .map_err(while_doing("find an event by its time"))?;
        Ok(found.map(|(cursor, at)| (unsigned(cursor), unsigned(at))))
    }

    /// Events that are about no contact up to a cursor, in their order: from the beginning of the process on,
    /// [`MAX_LOOKBACK`] at most.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn agents_before(&self, cursor: u64) -> Result<Vec<StoredEvent>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT cursor, unix_ms, body FROM event WHERE story IS NULL AND cursor <= $1 \
             ORDER BY cursor DESC LIMIT $2",
        )
        .bind(signed(cursor))
        .bind(signed(MAX_LOOKBACK as u64))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(while_doing("read what agents did before"))?;
        let mut events = self.read_rows(rows);
        let began = events
            .iter()
            .position(|stored| stored.event.what == patchbay_core::What::ControlStarted);
        if let Some(began) = began {
            events.truncate(began + 1);
        }
        events.reverse();
        Ok(events)
    }
}
