//! The audit log: who changed what, and who was not allowed to.

use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;

use super::error::{json_while, while_doing};
use super::{Store, StoreError, signed, unsigned};
use crate::access::Role;

/// Entries kept unless said otherwise.
pub const DEFAULT_AUDIT_KEPT: u64 = 100_000;
/// Entries that one call of [`Store::audit`] gives.
pub const MAX_AUDIT_READ: usize = 1_000;
/// Longest text of an entry, in bytes; longer ones are cut.
pub const MAX_AUDIT_TEXT_BYTES: usize = 512;

/// One request. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// When it was answered, in milliseconds of Unix time.
    pub unix_ms: u64,
    /// Identifier of the token; `bootstrap` for that of the data directory.
    pub token: String,
    /// The token's name.
    pub name: String,
    /// The token's role.
    pub role: Role,
    /// The address that it came from.
    pub source: String,
    /// The method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The status that it was answered with.
    pub status: u16,
    /// What it did, or why it did nothing.
    pub what: Option<String>,
    /// The answer's X-Request-Id.
    pub request_id: String,
}

/// An entry with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AuditRow {
    /// Rises with each entry.
    pub number: u64,
    /// What happened.
    #[serde(flatten)]
    pub entry: AuditEntry,
}

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Older than this one.
    pub before: Option<u64>,
    /// Of this token.
    pub token: Option<String>,
    /// Not before this moment, in milliseconds of Unix time.
    pub from: Option<u64>,
    /// Before this moment.
    pub to: Option<u64>,
}

impl Store {
    /// Adds an entry and removes the oldest beyond `kept`; it is on the disk when this returns. Texts
    /// longer than [`MAX_AUDIT_TEXT_BYTES`] are cut.
    ///
    /// # Errors
    /// [`StoreError::Database`]; then nothing was added.
    pub async fn add_audit(&self, mut entry: AuditEntry, kept: u64) -> Result<u64, StoreError> {
        let doing = "store an entry of the audit log";
        let texts = [&mut entry.path, &mut entry.name, &mut entry.method];
        for text in texts.into_iter().chain(entry.what.as_mut()) {
            text.truncate(text.floor_char_boundary(MAX_AUDIT_TEXT_BYTES));
        }
        let body = serde_json::to_string(&entry).map_err(json_while(doing))?;
        let _turn = self.inner.writing.lock().await;
        let begun = self.inner.durable.begin().await;
        let mut transaction = begun.map_err(while_doing(doing))?;
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO audit (number, unix_ms, token, body) \
             SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3 FROM audit RETURNING number",
        )
        .bind(signed(entry.unix_ms))
        .bind(&entry.token)
        .bind(body)
        .fetch_one(&mut *transaction)
        .await
        .map_err(while_doing(doing))?;
        sqlx::query("DELETE FROM audit WHERE number <= $1")
            .bind(number.saturating_sub(signed(kept.max(1))))
            .execute(&mut *transaction)
            .await
            .map_err(while_doing(doing))?;
        transaction.commit().await.map_err(while_doing(doing))?;
        Ok(unsigned(number))
    }

    /// Entries, newest first, `limit` at most (and [`MAX_AUDIT_READ`]).
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT number, body FROM audit WHERE number < ");
        query.push_bind(filter.before.map_or(i64::MAX, signed));
        if let Some(token) = &filter.token {
            query.push(" AND token = ").push_bind(token.clone());
        }
        if let Some(from) = filter.from {
            query.push(" AND unix_ms >= ").push_bind(signed(from));
        }
        if let Some(to) = filter.to {
            query.push(" AND unix_ms < ").push_bind(signed(to));
        }
        let limit = limit.clamp(1, MAX_AUDIT_READ);
        query.push(" ORDER BY number DESC LIMIT ");
        query.push_bind(signed(limit as u64));
        let rows: Vec<(i64, String)> = query
            .build_query_as()
            .fetch_all(&self.inner.readers)
            .await
            .map_err(while_doing("read the audit log"))?;
        let mut entries = Vec::with_capacity(rows.len());
        for (number, body) in rows {
            match serde_json::from_str(&body) {
                Ok(entry) => entries.push(AuditRow {
                    number: unsigned(number),
                    entry,
                }),
                Err(error) => self.count_unreadable("audit", &number.to_string(), &error),
            }
        }
        Ok(entries)
    }
}
