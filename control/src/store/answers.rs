//! First answers to requests with an Idempotency-Key, for those that are repeated.

use serde::{Deserialize, Serialize};

use super::error::{json_while, while_doing};
use super::{Store, StoreError, signed, unsigned};

/// An answer that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers that belong to what was done.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

/// What a key was used for, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable {
    /// Tells requests apart: method, path, query and body.
    pub fingerprint: String,
    /// The first answer.
    pub answer: KeptAnswer,
}

impl Store {
    /// Keeps the answer to a token's request with a key, and forgets all that are older than `oldest`; it
    /// is on the disk when this returns. Times are milliseconds of Unix time.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn keep_answer(
        &self,
        token: &str,
        key: &str,
        kept: &Repeatable,
        (now, oldest): (u64, u64),
    ) -> Result<(), StoreError> {
        let doing = "store an answer that may be asked for again";
        let body = serde_json::to_string(&kept.answer).map_err(json_while(doing))?;
        let _turn = self.inner.writing.lock().await;
        let begun = self.inner.durable.begin().await;
        let mut transaction = begun.map_err(while_doing(doing))?;
        sqlx::query("DELETE FROM answer WHERE created_unix_ms < $1")
            .bind(signed(oldest))
            .execute(&mut *transaction)
            .await
            .map_err(while_doing(doing))?;
        sqlx::query(
            "INSERT INTO answer (token, idempotency_key, created_unix_ms, fingerprint, body) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(token)
        .bind(key)
        .bind(signed(now))
        .bind(&kept.fingerprint)
        .bind(body)
        .execute(&mut *transaction)
        .await
        .map_err(while_doing(doing))?;
        transaction.commit().await.map_err(while_doing(doing))
    }

    /// The answer to a token's request with a key, if it is not older than `oldest`.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Json`] for one that this version cannot read.
    pub async fn kept_answer(
        &self,
        token: &str,
        key: &str,
        oldest: u64,
    ) -> Result<Option<Repeatable>, StoreError> {
        let doing = "read an answer that is asked for again";
        let row: Option<(String, String)> = sqlx::query_as(
            "SELECT fingerprint, body FROM answer \
             WHERE token = $1 AND idempotency_key = $2 AND created_unix_ms >= $3",
        )
        .bind(token)
        .bind(key)
        .bind(signed(oldest))
        .fetch_optional(&self.inner.readers)
        .await
        .map_err(while_doing(doing))?;
        let read = |(fingerprint, body): (String, String)| {
            let answer = serde_json::from_str(&body).map_err(json_while(doing))?;
            Ok(Repeatable {
                fingerprint,
                answer,
            })
        };
        row.map(read).transpose()
    }

    /// How many answers not older than `oldest` are kept for a token, and when the first of them was given.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub async fn answers_of(
        &self,
        token: &str,
        oldest: u64,
    ) -> Result<(u64, Option<u64>), StoreError> {
        let (count, first): (i64, Option<i64>) = sqlx::query_as(
            "SELECT COUNT(*), MIN(created_unix_ms) FROM answer \
             WHERE token = $1 AND created_unix_ms >= $2",
        )
        .bind(token)
        .bind(signed(oldest))
        .fetch_one(&self.inner.readers)
        .await
        .map_err(while_doing("count the answers that are kept"))?;
        Ok((unsigned(count), first.map(unsigned)))
    }
}
