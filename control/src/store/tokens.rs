//! Tokens that were given out.

use super::error::{json_while, while_doing};
use super::{Store, StoreError, signed, unsigned};
use crate::access::Grant;

/// A token with its place in the list.
#[derive(Clone, Debug)]
pub struct StoredGrant {
    /// Rises with each token that is given out.
    pub number: u64,
    /// When it was last used, to the minute.
    pub last_used_unix_ms: Option<u64>,
    /// What it stands for.
    pub grant: Grant,
}

impl Store {
    /// Keeps a token, in place of the one of the same identifier; it is on the disk when this returns.
    /// Gives its number.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn save_token(&self, grant: &Grant) -> Result<u64, StoreError> {
        let doing = "store a token";
        let body = serde_json::to_string(grant).map_err(json_while(doing))?;
        let _turn = self.inner.writing.lock().await;
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO token (number, id, body) \
             SELECT COALESCE(MAX(number), 0) + 1, $1, $2 FROM token WHERE TRUE \
             ON CONFLICT (id) DO UPDATE SET body = excluded.body RETURNING number",
        )
        .bind(&grant.id)
        .bind(body)
        .fetch_one(&self.inner.durable)
        .await
        .map_err(while_doing(doing))?;
        Ok(unsigned(number))
    }

    /// Forgets a token; one that is not there is no error.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn remove_token(&self, id: &str) -> Result<(), StoreError> {
        let _turn = self.inner.writing.lock().await;
        sqlx::query("DELETE FROM token WHERE id = $1")
            .bind(id)
            .execute(&self.inner.durable)
            .await
            .map_err(while_doing("remove a token"))?;
        Ok(())
    }

    /// Keeps when tokens were last used, in milliseconds of Unix time. It need not be on the disk at once.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn tokens_used(&self, used: &[(String, u64)]) -> Result<(), StoreError> {
        let doing = "store when tokens were used";
        let _turn = self.inner.writing.lock().await;
        let mut transaction = self.inner.swift.begin().await.map_err(while_doing(doing))?;
        for (id, at) in used {
            sqlx::query("UPDATE token SET last_used_unix_ms = $2 WHERE id = $1")
                .bind(id)
                .bind(signed(*at))
                .execute(&mut *transaction)
                .await
                .map_err(while_doing(doing))?;
        }
        transaction.commit().await.map_err(while_doing(doing))
    }

    /// All tokens by their numbers.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Json`] for one that this version cannot read: a token
    /// that is left out might be one that was revoked.
    pub async fn tokens(&self) -> Result<Vec<StoredGrant>, StoreError> {
        let doing = "read the tokens";
        let rows: Vec<(i64, Option<i64>, String)> =
            sqlx::query_as("SELECT number, last_used_unix_ms, body FROM token ORDER BY number")
                .fetch_all(&self.inner.readers)
                .await
                .map_err(while_doing(doing))?;
        let read = |(number, used, body): (i64, Option<i64>, String)| {
            Ok(StoredGrant {
                number: unsigned(number),
                last_used_unix_ms: used.map(unsigned),
                grant: serde_json::from_str(&body).map_err(json_while(doing))?,
            })
        };
        rows.into_iter().map(read).collect()
    }
}
