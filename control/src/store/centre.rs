//! The declaration of the centre, with the ones before it.

use patchbay_core::Centre;

use super::error::{json_while, while_doing};
use super::{Store, StoreError, signed, unix_ms};

/// Declarations kept, the one in force included.
const REVISIONS_KEPT: i64 = 50;

impl Store {
    /// Keeps a declaration; it is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Database`]; the declaration before it stays in force.
    pub async fn save_centre(&self, centre: &Centre) -> Result<(), StoreError> {
        let doing = "store the declaration";
        let body = serde_json::to_string(centre).map_err(json_while(doing))?;
        let _turn = self.inner.writing.lock().await;
        let mut transaction = self
            .inner
            .durable
            .begin()
            .await
            .map_err(while_doing(doing))?;
        sqlx::query(
            "INSERT INTO centre (revision, saved_unix_ms, body) \
             SELECT COALESCE(MAX(revision), 0) + 1, $1, $2 FROM centre",
        )
        .bind(signed(unix_ms()))
        .bind(body)
        .execute(&mut *transaction)
        .await
        .map_err(while_doing(doing))?;
        sqlx::query("DELETE FROM centre WHERE revision <= (SELECT MAX(revision) FROM centre) - $1")
            .bind(REVISIONS_KEPT)
            .execute(&mut *transaction)
            .await
            .map_err(while_doing(doing))?;
        transaction.commit().await.map_err(while_doing(doing))
    }

    /// The declaration in force; `None` if none was ever applied.
    ///
    /// # Errors
    /// [`StoreError::Json`] if it is not one that this version reads.
    pub async fn load_centre(&self) -> Result<Option<Centre>, StoreError> {
        let doing = "read the stored declaration";
        let body: Option<String> =
            sqlx::query_scalar("SELECT body FROM centre ORDER BY revision DESC LIMIT 1")
                .fetch_optional(&self.inner.readers)
                .await
                .map_err(while_doing(doing))?;
        body.map(|body| serde_json::from_str(&body).map_err(json_while(doing)))
            .transpose()
    }

    /// How often a declaration was applied; 0 if never. It rises by one with each.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn centre_revision(&self) -> Result<u64, StoreError> {
        let revision: Option<i64> = sqlx::query_scalar("SELECT MAX(revision) FROM centre")
            .fetch_one(&self.inner.readers)
            .await
            .map_err(while_doing("read the revision of the declaration"))?;
        Ok(revision.map_or(0, super::unsigned))
    }
}
