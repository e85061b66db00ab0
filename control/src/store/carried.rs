//! What is connected and carried outside.

use patchbay_core::{Carried, ContactId};

use super::error::{json_while, while_doing};
use super::{Store, StoreError};

impl Store {
    /// Keeps it; a crash of the process does not lose it from then on.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn save_carried(&self, carried: &Carried) -> Result<(), StoreError> {
        let doing = "store what is carried outside";
        let body = serde_json::to_string(carried).map_err(json_while(doing))?;
        let _turn = self.inner.writing.lock().await;
        sqlx::query(
            "INSERT INTO carried (contact, body) VALUES ($1, $2) \
             ON CONFLICT (contact) DO UPDATE SET body = excluded.body",
        )
        .bind(carried.contact.to_string())
        .bind(body)
        .execute(&self.inner.swift)
        .await
        .map_err(while_doing(doing))?;
        Ok(())
    }

    /// Forgets it; what is not there is no error.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_carried(&self, contact: ContactId) -> Result<(), StoreError> {
        let _turn = self.inner.writing.lock().await;
        sqlx::query("DELETE FROM carried WHERE contact = $1")
            .bind(contact.to_string())
            .execute(&self.inner.swift)
            .await
            .map_err(while_doing("remove what was carried outside"))?;
        Ok(())
    }

    /// All of it.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn load_carried(&self) -> Result<Vec<Carried>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT contact, body FROM carried ORDER BY contact")
                .fetch_all(&self.inner.readers)
                .await
                .map_err(while_doing("read what is carried outside"))?;
        let mut carried = Vec::with_capacity(rows.len());
        for (contact, body) in rows {
            match serde_json::from_str(&body) {
                Ok(one) => carried.push(one),
                Err(error) => self.count_unreadable("carried", &contact, &error),
            }
        }
        Ok(carried)
    }
}
