//! Tokens: given out, listed, rotated, revoked.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use patchbay_core::{AgentId, QueueId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::audited::Done;
use super::body::{Id, JsonBody, Params, json, need_media_type, read};
use super::limits::{
    DEFAULT_ROTATE_GRACE_S, MAX_BODY_BYTES, MAX_ROTATE_GRACE_S, MAX_TOKEN_QUEUES, MAX_TOKEN_TIME_S,
};
use super::paging::{Asked, ListParams, by_key};
use super::problem::{Failure, Fault, Kind, Problem};
use super::repeated::KeepInstead;
use crate::access::{Grant, MAX_NAME_BYTES, MAX_SCOPES, Permission, Role};
use crate::node::unix_ms;
use crate::store::StoredGrant;

/// A token without its secret.
#[derive(Serialize, ToSchema)]
pub struct TokenView {
    /// 16 hexadecimal digits.
    id: String,
    /// What people call it.
    name: String,
    /// What it is for.
    role: Role,
    /// Whose it is, if its role is `agent`.
    #[schema(value_type = Option<String>)]
    agent: Option<AgentId>,
    /// What it may, if its role is `integration`.
    scopes: Vec<Permission>,
    /// The queues whose agents alone it may ask for; if there are any, it has to name one of them.
    #[schema(value_type = Vec<String>)]
    queues: Vec<QueueId>,
    /// When it was given out.
    created_unix_ms: u64,
    /// From when on it opens nothing; null: never.
    expires_unix_ms: Option<u64>,
    /// When it was revoked.
    revoked_unix_ms: Option<u64>,
    /// When it was last used; after a restart to the minute.
    last_used_unix_ms: Option<u64>,
    /// Until when its text before the last rotation counts.
    old_text_until_unix_ms: Option<u64>,
}

impl From<StoredGrant> for TokenView {
    fn from(stored: StoredGrant) -> TokenView {
        let grant = stored.grant;
        TokenView {
            id: grant.id,
            name: grant.name,
            role: grant.role,
            agent: grant.agent,
            scopes: grant.scopes,
            queues: grant.queues,
            created_unix_ms: grant.created_unix_ms,
            expires_unix_ms: grant.expires_unix_ms,
            revoked_unix_ms: grant.revoked_unix_ms,
            last_used_unix_ms: stored.last_used_unix_ms,
            old_text_until_unix_ms: grant.before.map(|(_, until)| until),
        }
    }
}

/// Tokens.
#[derive(Serialize, ToSchema)]
pub struct Tokens {
    /// In the order in which they were given out.
    tokens: Vec<TokenView>,
}

/// A token with its text, which is shown this once.
#[derive(Serialize, ToSchema)]
pub struct GivenToken {
    /// What opens the API: `Authorization: Bearer TOKEN`. Null in an answer that is repeated for an
    /// Idempotency-Key: it is kept nowhere.
    token: Option<String>,
    #[serde(flatten)]
    view: TokenView,
}

/// A token that is wished for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What people call it: 1 to 128 bytes without control characters.
    name: String,
    /// What it is for.
    role: Role,
    /// The agent that it is bound to; for the role `agent` alone.
    agent: Option<String>,
    /// What it may; for the role `integration` alone.
    #[serde(default)]
    scopes: Vec<String>,
    /// The queues whose agents alone it may ask for, at most 64; with the scope `contacts:route`. It then
    /// has to name one of them, and its contacts wait there without regard to the rules.
    #[serde(default)]
    queues: Vec<String>,
    /// In how many seconds it expires, 1 to 316224000; default: never.
    expires_in_s: Option<u64>,
}

/// How a token is rotated.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How many seconds the old text counts beside the new one, 0 to 604800; default 3600.
    grace_s: Option<u64>,
}

/// The tokens that were given out, without their secrets; revoked and expired ones as well.
#[utoipa::path(get, path = "/tokens", tag = "tokens", params(ListParams),
    responses((status = 200, description = "A page", body = Tokens)))]
pub async fn list(
    State(shared): State<Shared>,
    Params(params): Params<ListParams>,
    asked: Asked,
) -> (HeaderMap, Json<Tokens>) {
    let all = shared.keyring.list();
    let page = by_key(all, &params, |stored| format!("{:012}", stored.number));
    let tokens = page.items.into_iter().map(TokenView::from).collect();
    (asked.next("after", page.next), Json(Tokens { tokens }))
}

/// One token, without its secret.
#[utoipa::path(get, path = "/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's identifier")),
    responses(
        (status = 200, description = "The token", body = TokenView),
        (status = 404, description = "No such token", body = Problem)))]
pub async fn get(
    State(shared): State<Shared>,
    Id(id): Id<String>,
) -> Result<Json<TokenView>, Failure> {
    let stored = shared.keyring.get(&id).ok_or_else(|| unknown(&id))?;
    Ok(Json(stored.into()))
}

/// Gives a token out. Its text is in the answer, and is shown never again.
#[utoipa::path(post, path = "/tokens", tag = "tokens", request_body = NewToken,
    responses(
        (status = 201, description = "Given out", body = GivenToken,
            headers(("Location" = String, description = "The token"))),
        (status = 409, description = "As many tokens are kept as may be", body = Problem),
        (status = 422, description = "Not valid; `errors` lists every fault", body = Problem)))]
pub async fn create(
    State(shared): State<Shared>,
    JsonBody(wish): JsonBody<NewToken>,
) -> Result<Response, Failure> {
    let declared = shared.api.node.centre().await;
    let known = |id: &str| declared.agents.iter().any(|agent| agent.id.as_str() == id);
    let queue = |id: &str| declared.queues.iter().any(|queue| queue.id.as_str() == id);
    let wish = wish.checked(known, queue)?;
    let now = unix_ms();
    let made = shared
        .keyring
        .create(|id, digest| Grant {
            id,
            name: wish.name,
            role: wish.role,
            agent: wish.agent,
            scopes: wish.scopes,
            queues: wish.queues,
            created_unix_ms: now,
            expires_unix_ms: wish.expires_in_s.map(|s| now.saturating_add(s * 1_000)),
            revoked_unix_ms: None,
            digest,
            before: None,
        })
        .await?;
    let place = format!("/api/v1/tokens/{}", made.0.grant.id);
    let mut answer = given(StatusCode::CREATED, made);
    if let Ok(place) = HeaderValue::try_from(place) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    Ok(answer)
}

/// Gives a token another text, and lets the old one count for a while. Streams that are open with it end.
#[utoipa::path(post, path = "/tokens/{id}/rotate", tag = "tokens",
    params(("id" = String, Path, description = "The token's identifier")),
    request_body(content = Option<Rotation>, description = "May be left out"),
    responses(
        (status = 200, description = "The new text", body = GivenToken),
        (status = 404, description = "No such token", body = Problem),
        (status = 409, description = "It opens nothing any more", body = Problem),
        (status = 422, description = "Not valid", body = Problem)))]
pub async fn rotate(
    State(shared): State<Shared>,
    Id(id): Id<String>,
    request: Request,
) -> Result<Response, Failure> {
    let rotation = rotation(request).await?;
    let grace_s = rotation.grace_s.unwrap_or(DEFAULT_ROTATE_GRACE_S);
    if grace_s > MAX_ROTATE_GRACE_S {
        let remedy = format!("give {MAX_ROTATE_GRACE_S} at most");
        let fault = Fault::new("grace_s", "the old text would count for too long", remedy);
        return Err(Failure::invalid(vec![fault]));
    }
    let until = unix_ms().saturating_add(grace_s * 1_000);
    let made = shared.keyring.rotate(&id, until).await?;
    Ok(given(StatusCode::OK, made.ok_or_else(|| unknown(&id))?))
}

async fn rotation(request: Request) -> Result<Rotation, Failure> {
    let kind = request.headers().get(header::CONTENT_TYPE).cloned();
    let headers = kind.map(|kind| (header::CONTENT_TYPE, kind));
    let headers: HeaderMap = headers.into_iter().collect();
    let body = read(request, MAX_BODY_BYTES).await?;
    if body.is_empty() {
        return Ok(Rotation::default());
    }
    need_media_type(&headers, &["application/json"])?;
    let given: Option<Rotation> = serde_json::from_value(json(&body)?)
        .map_err(|error| Failure::invalid(vec![Fault::document(&error)]))?;
    Ok(given.unwrap_or_default())
}

/// Revokes a token: it opens nothing from now on, and what is open with it ends. It stays in the list.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens",
    params(("id" = String, Path, description = "The token's identifier")),
    responses(
        (status = 200, description = "It is revoked", body = TokenView),
        (status = 404, description = "No such token", body = Problem)))]
pub async fn revoke(State(shared): State<Shared>, Id(id): Id<String>) -> Result<Response, Failure> {
    let stored = shared.keyring.revoke(&id, unix_ms()).await?;
    let stored = stored.ok_or_else(|| unknown(&id))?;
    let done = Done(format!("token {}", named(&stored.grant)));
    Ok((Extension(done), Json(TokenView::from(stored))).into_response())
}

fn unknown(id: &str) -> Failure {
    Failure::new(Kind::NotFound, format!("no token `{id}`"))
}

/// A token for the audit log.
fn named(grant: &Grant) -> String {
    format!("{} ({}, {})", grant.id, grant.role.as_str(), grant.name)
}

/// The answer that shows a token's text.
fn given(status: StatusCode, (stored, text): (StoredGrant, String)) -> Response {
    let done = Done(format!("token {}", named(&stored.grant)));
    let mut shown = GivenToken {
        token: None,
        view: stored.into(),
    };
    // Every token can be written as JSON.
    let kept = KeepInstead(serde_json::to_string(&shown).unwrap_or_default());
    shown.token = Some(text);
    let private = [(header::CACHE_CONTROL, "no-store")];
    let extensions = (Extension(done), Extension(kept));
    (status, private, extensions, Json(shown)).into_response()
}

/// A wish that can be granted.
struct Wish {
    name: String,
    role: Role,
    agent: Option<AgentId>,
    scopes: Vec<Permission>,
    queues: Vec<QueueId>,
    expires_in_s: Option<u64>,
}

impl NewToken {
    fn checked(
        self,
        is_declared: impl Fn(&str) -> bool,
        is_queue: impl Fn(&str) -> bool,
    ) -> Result<Wish, Failure> {
        let mut faults = Vec::new();
        let length = 1..=MAX_NAME_BYTES;
        if !length.contains(&self.name.trim().len()) || self.name.chars().any(char::is_control) {
            let message = "the name is empty, too long, or holds a control character";
            let remedy = format!("give 1 to {MAX_NAME_BYTES} bytes of text");
            faults.push(Fault::new("name", message, remedy));
        }
        let agent = self.agent(is_declared, &mut faults);
        let scopes = self.scopes(&mut faults);
        let queues = self.queues(&scopes, is_queue, &mut faults);
        if let Some(seconds) = self.expires_in_s
            && !(1..=MAX_TOKEN_TIME_S).contains(&seconds)
        {
            let remedy = format!("give 1 to {MAX_TOKEN_TIME_S} seconds, or leave it out");
            faults.push(Fault::new("expires_in_s", "no such time", remedy));
        }
        match faults.is_empty() {
            true => Ok(Wish {
                name: self.name.trim().to_owned(),
                role: self.role,
                agent,
                scopes,
                queues,
                expires_in_s: self.expires_in_s,
            }),
            false => Err(Failure::invalid(faults)),
        }
    }

    fn agent(
        &self,
        is_declared: impl Fn(&str) -> bool,
        faults: &mut Vec<Fault>,
    ) -> Option<AgentId> {
        let (message, remedy) = match (&self.agent, self.role) {
            (None, Role::Agent) => (
                "a token of the role `agent` is bound to an agent".to_owned(),
                "name the agent",
            ),
            (Some(id), Role::Agent) => match id.parse() {
                Ok(agent) if is_declared(id) => return Some(agent),
                _ => (
                    format!("no agent `{id}` is declared"),
                    "declare the agent first, or name another one",
                ),
            },
            (None, _) => return None,
            (Some(_), _) => (
                format!(
                    "a token of the role `{}` is bound to no agent",
                    self.role.as_str()
                ),
                "leave it out, or give the role `agent`",
            ),
        };
        faults.push(Fault::new("agent", message, remedy));
        None
    }

    fn scopes(&self, faults: &mut Vec<Fault>) -> Vec<Permission> {
        if self.role != Role::Integration {
            if !self.scopes.is_empty() {
                let message = format!("what `{}` may is fixed", self.role.as_str());
                let remedy = "leave the scopes out, or give the role `integration`";
                faults.push(Fault::new("scopes", message, remedy));
            }
            return Vec::new();
        }
        if self.scopes.is_empty() || self.scopes.len() > MAX_SCOPES {
            let message = "a token of the role `integration` may what its scopes name";
            let remedy = format!("give 1 to {MAX_SCOPES} scopes of: {}", all_scopes());
            faults.push(Fault::new("scopes", message, remedy));
            return Vec::new();
        }
        let mut scopes = Vec::with_capacity(self.scopes.len());
        for (index, name) in self.scopes.iter().enumerate() {
            match Permission::scope(name) {
                Some(scope) => scopes.push(scope),
                None => faults.push(Fault::new(
                    format!("scopes[{index}]"),
                    format!("there is no scope `{name}`"),
                    format!("the scopes are: {}", all_scopes()),
                )),
            }
        }
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }

    fn queues(
        &self,
        scopes: &[Permission],
        is_queue: impl Fn(&str) -> bool,
        faults: &mut Vec<Fault>,
    ) -> Vec<QueueId> {
        let asks = scopes.contains(&Permission::ContactsRoute);
        if !self.queues.is_empty() && (!asks || self.queues.len() > MAX_TOKEN_QUEUES) {
            let message = "they are too many, or it may not ask for agents";
            let remedy =
                format!("name {MAX_TOKEN_QUEUES} at most, and give the scope `contacts:route`");
            faults.push(Fault::new("queues", message, remedy));
            return Vec::new();
        }
        let mut queues = Vec::with_capacity(self.queues.len());
        for (index, id) in self.queues.iter().enumerate() {
            match id.parse() {
                Ok(queue) if is_queue(id) => queues.push(queue),
                _ => faults.push(Fault::new(
                    format!("queues[{index}]"),
                    format!("no queue `{id}` is declared"),
                    "declare the queue first, or name another one",
                )),
            }
        }
        queues.sort_unstable();
        queues.dedup();
        queues
    }
}

fn all_scopes() -> String {
    let names = Permission::scopes().iter().map(|scope| scope.as_str());
    names.collect::<Vec<_>>().join(", ")
}
