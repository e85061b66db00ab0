//! The declaration of the centre, with the ones before it.

use patchbay_core::Centre;
use serde::Serialize;

use super::error::{json_while, while_doing};
use super::{Store, StoreError, signed, unix_ms, unsigned};

/// Declarations kept, the one in force included.
pub const VERSIONS_KEPT: u64 = 50;
/// Longest comment on a declaration that is kept, in bytes.
pub const MAX_COMMENT_BYTES: usize = 512;

/// A declaration that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Version {
    /// Its number: 1 for the first that was ever applied.
    pub version: u64,
    /// When it was applied.
    pub applied_unix_ms: u64,
    /// Why, in the words of who applied it.
    pub comment: Option<String>,
}

type Row = (i64, i64, Option<String>);

impl From<Row> for Version {
    fn from((version, applied, comment): Row) -> Version {
        Version {
            version: unsigned(version),
            applied_unix_ms: unsigned(applied),
            comment,
        }
    }
}

impl Store {
    /// Keeps a declaration; it is on the disk when this returns, with the number that this gives. A
    /// comment is kept up to [`MAX_COMMENT_BYTES`].
    ///
    /// # Errors
    /// [`StoreError::Database`]; the declaration before it stays in force.
    pub async fn save_centre(
        &self,
        centre: &Centre,
        comment: Option<&str>,
    ) -> Result<u64, StoreError> {
        let doing = "store the declaration";
        let body = serde_json::to_string(centre).map_err(json_while(doing))?;
        let _turn = self.inner.writing.lock().await;
        let mut transaction = self
            .inner
            .durable
            .begin()
            .await
            .map_err(while_doing(doing))?;
        let comment =
            comment.and_then(|text| text.get(..text.floor_char_boundary(MAX_COMMENT_BYTES)));
        let version: i64 = sqlx::query_scalar(
            "INSERT INTO centre (revision, saved_unix_ms, body, comment) \
             SELECT COALESCE(MAX(revision), 0) + 1, $1, $2, $3 FROM centre RETURNING revision",
        )
        .bind(signed(unix_ms()))
        .bind(body)
        .bind(comment)
        .fetch_one(&mut *transaction)
        .await
        .map_err(while_doing(doing))?;
        sqlx::query("DELETE FROM centre WHERE revision <= (SELECT MAX(revision) FROM centre) - $1")
            .bind(signed(VERSIONS_KEPT))
            .execute(&mut *transaction)
            .await
            .map_err(while_doing(doing))?;
        transaction.commit().await.map_err(while_doing(doing))?;
        Ok(unsigned(version))
    }

    /// The declaration in force with its number; `None` if none was ever applied.
    ///
    /// # Errors
    /// [`StoreError::Json`] if it is not one that this version reads.
    pub async fn load_centre(&self) -> Result<Option<(u64, Centre)>, StoreError> {
        let doing = "read the stored declaration";
        let row: Option<(i64, String)> =
            sqlx::query_as("SELECT revision, body FROM centre ORDER BY revision DESC LIMIT 1")
                .fetch_optional(&self.inner.readers)
                .await
                .map_err(while_doing(doing))?;
        let read = |(version, body): (i64, String)| {
            let centre = serde_json::from_str(&body).map_err(json_while(doing))?;
            Ok((unsigned(version), centre))
        };
        row.map(read).transpose()
    }

    /// Declarations that are kept, newest first: those older than `before`, at most `limit` and
    /// never more than [`VERSIONS_KEPT`].
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn versions(
        &self,
        before: Option<u64>,
        limit: u64,
    ) -> Result<Vec<Version>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT revision, saved_unix_ms, comment FROM centre WHERE revision < $1 \
             ORDER BY revision DESC LIMIT $2",
        )
        .bind(before.map_or(i64::MAX, signed))
        .bind(signed(limit.min(VERSIONS_KEPT)))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(while_doing("read the versions of the declaration"))?;
        Ok(rows.into_iter().map(Version::from).collect())
    }

    /// One declaration that is kept; `None` if it never was, or is no longer.
    ///
    /// # Errors
    /// [`StoreError::Json`] if it is not one that this version of Patchbay reads.
    pub async fn version(&self, number: u64) -> Result<Option<(Version, Centre)>, StoreError> {
        let doing = "read a version of the declaration";
        let row: Option<(i64, i64, Option<String>, String)> = sqlx::query_as(
            "SELECT revision, saved_unix_ms, comment, body FROM centre WHERE revision = $1",
        )
        .bind(signed(number))
        .fetch_optional(&self.inner.readers)
        .await
        .map_err(while_doing(doing))?;
        let read = |(version, applied, comment, body): (i64, i64, Option<String>, String)| {
            let centre = serde_json::from_str(&body).map_err(json_while(doing))?;
            Ok((Version::from((version, applied, comment)), centre))
        };
        row.map(read).transpose()
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
        Ok(revision.map_or(0, unsigned))
    }
}
