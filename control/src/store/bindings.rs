//! The agents' registered devices.

use super::error::{json_while, while_doing};
use super::{Store, StoreError, signed};
use crate::registrar::Binding;

impl Store {
    /// Keeps a binding, in place of the one of the same agent and key ([`Binding::key`]); it is on the disk when
    /// this returns.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn save_binding(&self, binding: &Binding) -> Result<(), StoreError> {
        let doing = "store a binding";
        let body = serde_json::to_string(binding).map_err(json_while(doing))?;
        let _turn = self.inner.writing.lock().await;
        sqlx::query(
            "INSERT INTO binding (agent, contact, expires_unix_ms, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (agent, contact) DO UPDATE SET \
             expires_unix_ms = excluded.expires_unix_ms, body = excluded.body",
        )
        .bind(&binding.agent)
        .bind(binding.key())
        .bind(signed(binding.expires_unix_ms))
        .bind(body)
        .execute(&self.inner.durable)
        .await
        .map_err(while_doing(doing))?;
        Ok(())
    }

    /// Forgets one binding; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_binding(&self, agent: &str, key: &str) -> Result<(), StoreError> {
        let _turn = self.inner.writing.lock().await;
        sqlx::query("DELETE FROM binding WHERE agent = $1 AND contact = $2")
            .bind(agent)
            .bind(key)
            .execute(&self.inner.durable)
            .await
            .map_err(while_doing("remove a binding"))?;
        Ok(())
    }

    /// All bindings that have not expired at `now_unix_ms`; those that have are forgotten.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn load_bindings(&self, now_unix_ms: u64) -> Result<Vec<Binding>, StoreError> {
        let doing = "read the bindings";
        let _turn = self.inner.writing.lock().await;
        sqlx::query("DELETE FROM binding WHERE expires_unix_ms <= $1")
            .bind(signed(now_unix_ms))
            .execute(&self.inner.durable)
            .await
            .map_err(while_doing(doing))?;
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT agent, body FROM binding ORDER BY agent, contact")
                .fetch_all(&self.inner.durable)
                .await
                .map_err(while_doing(doing))?;
        let mut bindings = Vec::with_capacity(rows.len());
        for (agent, body) in rows {
            match serde_json::from_str(&body) {
                Ok(binding) => bindings.push(binding),
                // The phone registers again within its interval; the other bindings matter more.
                Err(error) => self.count_unreadable("binding", &agent, &error),
            }
        }
        Ok(bindings)
    }
}
