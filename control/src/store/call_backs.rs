//! Calls that are promised to customers.

use patchbay_core::{ContactId, Promised};

use super::error::{json_while, while_doing};
use super::{Store, StoreError, signed};

impl Store {
    /// Keeps a promise, in the place of what was kept of that contact before; nothing
    /// but the loss of the disk loses it from then on.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn save_call_back(&self, promised: &Promised) -> Result<(), StoreError> {
        let doing = "store a call-back";
        let body = serde_json::to_string(promised).map_err(json_while(doing))?;
        let _turn = self.inner.writing.lock().await;
        sqlx::query(
            "INSERT INTO call_back (contact, arrived_unix_ms, body) VALUES ($1, $2, $3) \
             ON CONFLICT (contact) DO UPDATE SET body = excluded.body",
        )
        .bind(promised.contact.to_string())
        .bind(signed(promised.arrived_unix_ms))
        .bind(body)
        .execute(&self.inner.durable)
        .await
        .map_err(while_doing(doing))?;
        Ok(())
    }

    /// Forgets it; what is not there is no error.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_call_back(&self, contact: ContactId) -> Result<(), StoreError> {
        let _turn = self.inner.writing.lock().await;
        sqlx::query("DELETE FROM call_back WHERE contact = $1")
            .bind(contact.to_string())
            .execute(&self.inner.swift)
            .await
            .map_err(while_doing("remove a call-back"))?;
        Ok(())
    }

    /// All of them, by their arrival.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn load_call_backs(&self) -> Result<Vec<Promised>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT contact, body FROM call_back ORDER BY arrived_unix_ms, contact")
                .fetch_all(&self.inner.readers)
                .await
                .map_err(while_doing("read call-backs"))?;
        let mut promised = Vec::with_capacity(rows.len());
        for (contact, body) in rows {
            match serde_json::from_str(&body) {
                Ok(one) => promised.push(one),
                Err(error) => self.count_unreadable("call-back", &contact, &error),
            }
        }
        Ok(promised)
    }
}
