//! Earlier contacts of callers, found by who called.

use patchbay_core::limits::{EARLIER_WINDOW, MAX_EARLIER, MAX_LAST_AGENTS};
use patchbay_core::{AgentId, Earlier, QueueId};

use super::error::while_doing;
use super::{Store, StoreError, signed, unsigned};

impl Store {
    /// The contacts of a caller within [`EARLIER_WINDOW`] before `now_unix_ms`, at most
    /// [`MAX_EARLIER`]. An event that is still to be written is not seen.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn earlier(&self, caller: &str, now_unix_ms: u64) -> Result<Earlier, StoreError> {
        let window = u64::try_from(EARLIER_WINDOW.as_millis()).unwrap_or(u64::MAX);
        let rows: Vec<(i64, String, Option<String>)> = sqlx::query_as(
            "SELECT unix_ms, queue, agent FROM caller WHERE uri = $1 ORDER BY story DESC LIMIT $2",
        )
        .bind(caller)
        .bind(signed(MAX_EARLIER as u64))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(while_doing("read earlier contacts"))?;
        let oldest = now_unix_ms.saturating_sub(window);
        let within = rows.iter().filter(|(at, ..)| unsigned(*at) >= oldest);
        let last = within.clone().next();
        Ok(Earlier {
            contacts: u32::try_from(within.clone().count()).unwrap_or(u32::MAX),
            agent: within
                .clone()
                .find_map(|(.., agent)| agent.as_deref().map(AgentId::from)),
            queue: last.map(|(_, queue, _)| QueueId::from(queue.as_str())),
            seconds_ago: last.map(|(at, ..)| now_unix_ms.saturating_sub(unsigned(*at)) / 1_000),
        })
    }

    /// Who served callers of these queues last, in the order in which they were served, at most
    /// [`MAX_LAST_AGENTS`].
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn last_agents(
        &self,
        queues: &[QueueId],
    ) -> Result<Vec<(String, AgentId)>, StoreError> {
        if queues.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT uri, queue, agent FROM caller WHERE agent IS NOT NULL AND uri <> '' \
             ORDER BY story DESC LIMIT $1",
        )
        .bind(signed(MAX_LAST_AGENTS as u64))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(while_doing("read who served callers last"))?;
        let wanted = rows
            .into_iter()
            .rev()
            .filter(|(_, queue, _)| queues.iter().any(|wanted| wanted.as_str() == queue));
        let served = wanted.map(|(uri, _, agent)| (uri, AgentId::from(agent.as_str())));
        Ok(served.collect())
    }
}
