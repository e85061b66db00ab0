//! Requests with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): what one that is sent
//! again gets is the first answer, and nothing is done twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::Shared;
use super::audited::{Asked, Done};
use super::body::read;
use super::limits::{
    ANSWER_KEPT, MAX_ANSWER_BYTES, MAX_ANSWERS, MAX_BODY_BYTES, MAX_DECLARATION_BYTES,
    MAX_KEY_CHARS, REQUEST_TIME,
};
use super::problem::{Failure, Kind};
use crate::node::unix_ms;
use crate::store::{KeptAnswer, Repeatable};

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPEATED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Headers that belong to what was done and not to the connection.
const KEPT_HEADERS: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::ETAG,
    header::LOCATION,
    header::CACHE_CONTROL,
];

/// The body that is kept of an answer in the place of its own; an extension of the answer.
#[derive(Clone)]
pub struct KeepInstead(pub String);

/// The keys of requests that are being carried out, with their tokens.
pub type UnderWay = Arc<Mutex<HashSet<(String, String)>>>;

/// Forgets a key when its request is over.
struct Turn {
    all: UnderWay,
    key: (String, String),
}

impl Turn {
    fn begin(all: &UnderWay, token: &str, key: &str) -> Option<Turn> {
        let key = (token.to_owned(), key.to_owned());
        let mut keys = all.lock().unwrap_or_else(PoisonError::into_inner);
        let all = Arc::clone(all);
        keys.insert(key.clone()).then(|| Turn { all, key })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut keys = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        keys.remove(&self.key);
    }
}

/// The key of a request: a string of RFC 8941, or the bare text that many clients send.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(&KEY) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or("").trim();
    let quoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let key = quoted.unwrap_or(text);
    let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    match (1..=MAX_KEY_CHARS).contains(&key.len()) && key.chars().all(plain) {
        true => Ok(Some(key.to_owned())),
        false => {
            let detail = format!(
                "Idempotency-Key: give 1 to {MAX_KEY_CHARS} visible ASCII characters, such as a \
                 random UUID in quotation marks"
            );
            Err(Failure::new(Kind::Malformed, detail))
        }
    }
}

/// Carries out a change, or gives the answer that it got before.
///
/// # Errors
/// [`Kind::Malformed`] for a key that is none, [`Kind::Conflict`] while the first request is under way,
/// [`Kind::KeyReused`] for another request with the same key, [`Kind::TooMany`] for too many keys.
pub async fn once(
    shared: &Shared,
    asked: &Asked,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let Some(key) = key_of(request.headers())? else {
        return Ok(next.run(request).await);
    };
    let token = &asked.grant.id;
    let Some(_turn) = Turn::begin(&shared.under_way, token, &key) else {
        let detail = "the first request with this Idempotency-Key is still under way; ask again";
        return Err(Failure::new(Kind::Conflict, detail).retry_after(1));
    };
    let (request, fingerprint) = whole(request).await?;
    let now = unix_ms();
    let kept_ms = u64::try_from(ANSWER_KEPT.as_millis()).unwrap_or(u64::MAX);
    let oldest = now.saturating_sub(kept_ms);
    if let Some(kept) = shared.api.store.kept_answer(token, &key, oldest).await? {
        return again(kept, &fingerprint);
    }
    need_room(shared, token, oldest).await?;
    let (answer, kept) = take_down(next.run(request).await).await?;
    if answer.status().is_server_error() {
        // What failed by no fault of the client's may succeed when it is tried again.
        return Ok(answer);
    }
    let kept = Repeatable {
        fingerprint,
        answer: kept,
    };
    let times = (now, oldest);
    shared
        .api
        .store
        .keep_answer(token, &key, &kept, times)
        .await?;
    Ok(answer)
}

/// Refuses a further key of a token that has used as many as it may since `oldest`.
async fn need_room(shared: &Shared, token: &str, oldest: u64) -> Result<(), Failure> {
    let (count, first) = shared.api.store.answers_of(token, oldest).await?;
    if count < MAX_ANSWERS {
        return Ok(());
    }
    let detail = format!("{MAX_ANSWERS} keys were used in a day; send fewer, or none");
    let free_in_ms = first.unwrap_or(oldest).saturating_sub(oldest);
    let free_in = free_in_ms.div_ceil(1_000).max(1);
    Err(Failure::new(Kind::TooMany, detail).retry_after(free_in))
}

/// Reads a request whole, and gives what tells it from others.
async fn whole(request: Request) -> Result<(Request, String), Failure> {
    // As much as the handler will take.
    let limit = match request.uri().path() {
        "/api/v1/centre" => MAX_DECLARATION_BYTES,
        _ => MAX_BODY_BYTES,
    };
    let (parts, body) = request.into_parts();
    let reading = read(Request::new(body), limit);
    let body = tokio::time::timeout(REQUEST_TIME, reading)
        .await
        .map_err(|_| Failure::new(Kind::Timeout, "the body did not come in time"))??;
    let mut hash = Sha256::new();
    let place = parts
        .uri
        .path_and_query()
        .map_or("", |place| place.as_str());
    for part in [parts.method.as_str().as_bytes(), place.as_bytes(), &body] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((Request::from_parts(parts, Body::from(body)), fingerprint))
}

/// The answer as it goes out, and what is kept of it.
async fn take_down(answer: Response) -> Result<(Response, KeptAnswer), Failure> {
    let (parts, body) = answer.into_parts();
    // Answers to changes are in memory already.
    let body: Bytes = axum::body::to_bytes(body, usize::MAX)
        .await
        .map_err(|_| Failure::new(Kind::Internal, "the answer broke off"))?;
    let instead = parts.extensions.get::<KeepInstead>();
    let text = match instead {
        Some(KeepInstead(text)) => text.clone(),
        None if body.len() <= MAX_ANSWER_BYTES => String::from_utf8_lossy(&body).into_owned(),
        None => String::new(),
    };
    let headers = KEPT_HEADERS.iter().filter_map(|name| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.to_owned()))
    });
    let kept = KeptAnswer {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: text,
    };
    Ok((Response::from_parts(parts, Body::from(body)), kept))
}

/// The first answer once more.
fn again(kept: Repeatable, fingerprint: &str) -> Result<Response, Failure> {
    if kept.fingerprint != fingerprint {
        let detail = "this Idempotency-Key was used for another request; give each request its own";
        return Err(Failure::new(Kind::KeyReused, detail));
    }
    let KeptAnswer {
        status,
        headers,
        body,
    } = kept.answer;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let done = Done("the answer of before was repeated".to_owned());
    let mut answer = (status, Extension(done), body).into_response();
    let map = answer.headers_mut();
    map.remove(header::CONTENT_TYPE);
    for (name, value) in headers {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            map.insert(name, value);
        }
    }
    map.insert(REPEATED, HeaderValue::from_static("true"));
    Ok(answer)
}
