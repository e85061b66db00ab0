//! What every request passes: the token, its rate, the permission, the time limit; and what no route takes.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use patchbay_core::{Activity, AgentId, ContactId};

use super::audited::{self, Asked};
use super::keyring::{self, Caller, Refused};
use super::listener::Peer;
use super::needs::{self, Own, Route};
use super::problem::{Failure, Kind};
use super::rates::TooMany;
use super::{Shared, limits, page, socket};
use crate::access::{Ended, Role};
use crate::node::unix_ms;

/// Names a request in the audit log and for those who ask about it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Paths that say nothing about the centre and are open to all who reach the listener.
fn is_open(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz") || page::is_part(path)
}

/// Lets a request pass whose token has what its route needs, before any of its body is read.
pub async fn admit(
    State(shared): State<Shared>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let (id, answer) = match keyring::random::<8>() {
        Ok(bytes) => {
            let id = format!("{:016x}", u64::from_be_bytes(bytes));
            let answer = admitted(&shared, peer.ip(), &id, request, next).await;
            (HeaderValue::try_from(id).ok(), answer)
        }
        Err(failure) => (None, Err(failure)),
    };
    let mut answer = answer.unwrap_or_else(IntoResponse::into_response);
    if let Some(id) = id {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

async fn admitted(
    shared: &Shared,
    source: IpAddr,
    request_id: &str,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    if is_open(request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let caller = known(shared, source, request.headers())?;
    let (left, answer) = match shared.rates.token(&caller.grant.id) {
        Ok(left) => {
            let answer = permitted(shared, caller, source, request_id, request, next).await;
            (left, answer)
        }
        Err(too_many) => (too_many.left(), Err(slow_down(shared, too_many))),
    };
    let mut answer = answer.unwrap_or_else(IntoResponse::into_response);
    shared.rates.tell(left, answer.headers_mut());
    Ok(answer)
}

async fn permitted(
    shared: &Shared,
    caller: Caller,
    source: IpAddr,
    request_id: &str,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let Some(matched) = request.extensions().get::<MatchedPath>().cloned() else {
        return Ok(next.run(request).await);
    };
    let route = needs::of(request.method(), matched.as_str());
    let asked = Asked {
        grant: Arc::clone(&caller.grant),
        source: source.to_canonical(),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        request_id: request_id.to_owned(),
    };
    let (mut parts, body) = request.into_parts();
    let permit = permit(shared, &caller, route, &mut parts).await;
    request = Request::from_parts(parts, body);
    if let Err(failure) = permit {
        shared.rates.refused(&caller.grant.id);
        return Ok(audited::refuse(shared, &asked, failure).await);
    }
    request.extensions_mut().insert(caller);
    match route.filter(|route| route.changes) {
        Some(route) => audited::change(shared, (asked, route.audited), request, next).await,
        None => Ok(next.run(request).await),
    }
}

/// Whose token a request shows.
fn known(shared: &Shared, source: IpAddr, headers: &HeaderMap) -> Result<Caller, Failure> {
    let given = bearer(headers).or_else(|| socket::bearer(headers));
    let found = given.map_or(Err(Refused::Unknown), |given| {
        shared.keyring.find(given, unix_ms())
    });
    let token = found.as_ref().ok().map(|caller| caller.grant.id.as_str());
    let shown = shared.rates.shown(source, token);
    shown.map_err(|too_many| slow_down(shared, too_many))?;
    found.map_err(|refused| {
        let detail = match refused {
            Refused::Unknown => {
                "send a token as `Authorization: Bearer TOKEN`: one that `patchbay token create` \
                 gave out, or the content of the file api-token in the data directory of the \
                 control node"
            }
            Refused::Ended(Ended::Revoked) => "this token was revoked; ask for another one",
            Refused::Ended(Ended::Expired) => "this token has expired; ask for another one",
        };
        Failure::new(Kind::Unauthorized, detail)
    })
}

fn slow_down(shared: &Shared, too_many: TooMany) -> Failure {
    shared.metrics.limited(too_many.of.as_str());
    too_many.into()
}

/// Whether a token has what a route needs. What the table does not list is for administrators, who learn
/// from the router that the path has no such method.
async fn permit(
    shared: &Shared,
    caller: &Caller,
    route: Option<&Route>,
    parts: &mut Parts,
) -> Result<(), Failure> {
    let Some(route) = route else {
        return match caller.grant.role {
            Role::Admin => Ok(()),
            _ => Err(Failure::new(
                Kind::Forbidden,
                "this path has no such method",
            )),
        };
    };
    let Err(missing) = caller.need(route.needs) else {
        return within_queues(caller, route);
    };
    let (Some(agent), Own::Agent | Own::Contact) = (&caller.grant.agent, route.own) else {
        return Err(missing);
    };
    let named = RawPathParams::from_request_parts(parts, &()).await;
    let named = named.ok().and_then(|named| {
        let mut values = named.iter();
        values.find_map(|(name, value)| (name == "id").then(|| value.to_owned()))
    });
    let named = named.unwrap_or_default();
    let is_own = match route.own {
        Own::Nothing => false,
        Own::Agent => named == agent.as_str(),
        Own::Contact => has(shared, agent, &named).await?,
    };
    match is_own {
        true => Ok(()),
        false => Err(missing),
    }
}

/// A token that is bound to queues asks for their agents and tells of its contacts: what was promised to
/// customers of this centre is not for it.
fn within_queues(caller: &Caller, route: &Route) -> Result<(), Failure> {
    let promises = route.path.starts_with("/api/v1/callbacks");
    match promises && !caller.grant.queues.is_empty() {
        false => Ok(()),
        true => Err(Failure::new(
            Kind::Forbidden,
            "this token asks for agents of its queues by POST /api/v1/route, and makes no call-backs",
        )),
    }
}

/// Whether an agent has a contact: it is offered to the agent or in a call with it.
async fn has(shared: &Shared, agent: &AgentId, contact: &str) -> Result<bool, Failure> {
    let Ok(contact) = contact.parse::<ContactId>() else {
        return Ok(false);
    };
    let snapshot = shared.api.node.snapshot().await?;
    let mut agents = snapshot.agents.iter();
    let works = agents.any(|view| {
        view.id == *agent
            && matches!(view.activity,
                Activity::Reserved { contact: of, .. } | Activity::InCall { contact: of, .. }
                    if of == contact)
    });
    let mut contacts = snapshot.contacts.iter();
    Ok(works || contacts.any(|view| view.id == contact && view.agent.as_ref() == Some(agent)))
}

/// The token of RFC 6750 section 2.1; the scheme's name knows no case.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Gives a request no more than its time, one that may wait for a change the longer one. The body of an answer may take longer.
pub async fn in_time(request: Request, next: Next) -> Result<Response, Failure> {
    let path = request.extensions().get::<MatchedPath>();
    let waits = path.is_some_and(|path| path.as_str().starts_with("/api/v1/route"));
    let time = match waits {
        true => limits::REQUEST_TIME + limits::MAX_WAIT,
        false => limits::REQUEST_TIME,
    };
    tokio::time::timeout(time, next.run(request))
        .await
        .map_err(|_| {
            Failure::new(
                Kind::Timeout,
                "the control node is overloaded; try again later",
            )
        })
}

/// A path that does not exist.
pub async fn not_found(uri: Uri) -> Failure {
    let detail = format!(
        "there is no {}; /api/v1/openapi.json lists what there is",
        uri.path()
    );
    Failure::new(Kind::NotFound, detail)
}

/// A path that exists, but not with this method; axum adds the Allow header.
pub async fn method_not_allowed(method: Method, uri: Uri) -> Failure {
    Failure::new(
        Kind::MethodNotAllowed,
        format!("{} cannot be used with {method}", uri.path()),
    )
}
