//! Changes: carried out whether their client waits or not, and written down before they are answered.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::limits::MAX_CHANGES;
use super::problem::{Failure, Kind};
use super::repeated;
use crate::access::Grant;
use crate::node::unix_ms;
use crate::store::AuditEntry;

/// What a request did, or why it did nothing; an extension of its answer.
#[derive(Clone)]
pub struct Done(pub String);

/// Who asks for what.
pub struct Asked {
    /// By which token.
    pub grant: Arc<Grant>,
    /// From where.
    pub source: IpAddr,
    /// The method.
    pub method: Method,
    /// The path, without its query.
    pub path: String,
    /// The answer's X-Request-Id.
    pub request_id: String,
}

impl Asked {
    fn entry(&self, answer: &Response) -> AuditEntry {
        let done = answer.extensions().get::<Done>();
        AuditEntry {
            unix_ms: unix_ms(),
            token: self.grant.id.clone(),
            name: self.grant.name.clone(),
            role: self.grant.role,
            source: self.source.to_string(),
            method: self.method.to_string(),
            path: self.path.clone(),
            status: answer.status().as_u16(),
            what: done.map(|done| done.0.clone()),
            request_id: self.request_id.clone(),
        }
    }
}

/// Lets a change through. It runs to its end if its client goes away, so that none is without an entry
/// where it is to have one.
///
/// # Errors
/// [`Kind::Busy`] while as many are under way as may be; [`Kind::Internal`] if it cannot be written down.
pub async fn change(
    shared: &Shared,
    (asked, audited): (Asked, bool),
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let permit = shared.changes.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{MAX_CHANGES} changes are under way; try again");
        Failure::new(Kind::Busy, detail)
    })?;
    let shared = shared.clone();
    let carried_out = tokio::spawn(async move {
        let _permit = permit;
        let answer = repeated::once(&shared, &asked, request, next).await;
        let answer = answer.unwrap_or_else(IntoResponse::into_response);
        match audited {
            true => record(&shared, &asked, answer).await,
            false => Ok(answer),
        }
    });
    carried_out.await.map_err(|error| {
        tracing::error!(%error, "a change broke off");
        Failure::new(Kind::Internal, "the change broke off; the log says why")
    })?
}

/// Writes an answer down before it is given.
///
/// # Errors
/// [`Kind::Internal`] if the store fails; it says what became of the request all the same.
pub async fn record(shared: &Shared, asked: &Asked, answer: Response) -> Result<Response, Failure> {
    let entry = asked.entry(&answer);
    let kept = shared.api.settings.audit_kept;
    match shared.api.store.add_audit(entry, kept).await {
        Ok(_) => Ok(answer),
        Err(error) => {
            let status = answer.status();
            tracing::error!(%error, %status, "a request is not in the audit log");
            let detail = format!(
                "the answer was {status}, but it could not be written to the audit log; the log of \
                 the control node says why"
            );
            Err(Failure::new(Kind::Internal, detail))
        }
    }
}

/// Writes a refusal down.
pub async fn refuse(shared: &Shared, asked: &Asked, failure: Failure) -> Response {
    let recorded = record(shared, asked, failure.into_response()).await;
    recorded.unwrap_or_else(IntoResponse::into_response)
}
