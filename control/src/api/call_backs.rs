//! Customers who want to be called (requirement E5): promised a call, shown, let off.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use patchbay_core::limits::MAX_CALL_BACK_URI_BYTES;
use patchbay_core::{CallBackWish, ContactId, Facts, RefuseReason, Slot};
use serde::Deserialize;

use super::body::{Id, JsonBody, Params};
use super::limits::MAX_WAIT;
use super::paging::{Asked, ListParams, by_key};
use super::problem::{Failure, Fault, Kind, Problem};
use super::reading::moment;
use super::route::{Wanted, changed};
use super::schema;
use crate::node::{NodeHandle, Report, Routed, Stand};

/// Questions of how a contact stands whose type others are asked for.
const MAX_QUESTIONS: usize = 4;

/// A customer who wants to be called.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    call: String,
    at: Option<String>,
    to: String,
    from: Option<String>,
    #[serde(default)]
    from_name: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    customer: BTreeMap<String, String>,
    #[serde(default)]
    entitlements: Vec<String>,
    #[serde(default)]
    answers: BTreeMap<String, String>,
}

impl Wish {
    fn facts(self) -> Result<Facts, Failure> {
        let at_unix_ms = self.at.map(|at| moment("at", &at)).transpose()?;
        if self.call.is_empty() || self.call.len() > MAX_CALL_BACK_URI_BYTES {
            let message = format!("it is empty or longer than {MAX_CALL_BACK_URI_BYTES} bytes");
            let remedy = "write it like sip:carla@example.net or tel:+4930123456";
            let fault = Fault::new("call", message, remedy);
            return Err(Failure::invalid(vec![fault]));
        }
        let wanted = Wanted {
            medium: Slot::CallBack,
            from: self.from.unwrap_or_else(|| self.call.clone()),
            to: self.to,
            from_name: self.from_name,
            headers: self.headers,
            customer: self.customer,
            entitlements: self.entitlements,
            answers: self.answers,
            agent: None,
            wait_seconds: 0,
            queue: None,
            skills: BTreeMap::new(),
            priority: 0,
            waited_seconds: 0,
            site: None,
        };
        let to = self.call;
        Ok(Facts {
            call_back: Some(CallBackWish { to, at_unix_ms }),
            ..wanted.facts()?
        })
    }
}

/// Promises a customer a call. The contact is typed by the rules, in the medium `call_back`, and waits in
/// their queues like any other, from `at` on if that is given; whoever it is offered to calls the customer
/// and tells so by reports at `/route/{id}`. What is promised outlives a crash of this server.
#[utoipa::path(post, path = "/callbacks", tag = "callbacks",
    request_body = schema::Wish,
    responses(
        (status = 201, description = "Promised", body = schema::Routed),
        (status = 400, description = "`at` is no moment", body = Problem),
        (status = 409, description = "Not promised: `detail` says why", body = Problem),
        (status = 422, description = "Not valid; every fault is listed", body = Problem),
        (status = 503, description = "The node is stopping", body = Problem)))]
pub async fn ask(
    State(node): State<NodeHandle>,
    JsonBody(wish): JsonBody<Wish>,
) -> Result<(StatusCode, Json<Routed>), Failure> {
    let mut routed = node.route(wish.facts()?, None).await?;
    for _ in 0..MAX_QUESTIONS {
        if routed.state != Stand::Asking {
            break;
        }
        let seen = Some(routed.revision);
        let later = changed(&node, routed.contact, seen, MAX_WAIT.as_secs()).await?;
        routed = later.unwrap_or(routed);
    }
    if let Some(why) = not_promised(&routed) {
        return Err(Failure::new(Kind::Conflict, why));
    }
    node.all_written().await?;
    Ok((StatusCode::CREATED, Json(routed)))
}

fn not_promised(routed: &Routed) -> Option<String> {
    match &routed.state {
        Stand::Refused { why, .. } => Some(format!("{}{}", why.text(), remedy(*why))),
        Stand::Redirected { to } => Some(format!("the customer is to call {to}")),
        Stand::Asking => Some("what the contact is could not be found out".to_owned()),
        _ => None,
    }
}

fn remedy(why: RefuseReason) -> &'static str {
    match why {
        RefuseReason::PromisedBefore => ": withdraw that promise first if another time is wanted",
        RefuseReason::CannotCallBack => {
            ": give a SIP URI or tel:+4930123456, and a time that the queue's `ahead_seconds` allows"
        }
        RefuseReason::NoCallBacks => ": add `call_back = {}` to its declaration",
        _ => "",
    }
}

/// Calls that are promised to customers who have not been reached, by their names.
#[utoipa::path(get, path = "/callbacks", tag = "callbacks", params(ListParams),
    responses((status = 200, description = "A page", body = [schema::Routed])))]
pub async fn list(
    State(node): State<NodeHandle>,
    Params(params): Params<ListParams>,
    asked: Asked,
) -> Result<(HeaderMap, Json<Vec<Routed>>), Failure> {
    let page = by_key(node.promises().await?, &params, |one| {
        one.contact.to_string()
    });
    Ok((asked.next("after", page.next), Json(page.items)))
}

/// How a call stands that was promised to a customer.
#[utoipa::path(get, path = "/callbacks/{id}", tag = "callbacks",
    params(("id" = String, Path, description = "The contact: 16 hexadecimal digits")),
    responses(
        (status = 200, description = "How it stands", body = schema::Routed),
        (status = 404, description = "No such call-back", body = Problem)))]
pub async fn get(
    State(node): State<NodeHandle>,
    Id(id): Id<ContactId>,
) -> Result<Json<Routed>, Failure> {
    Ok(Json(find(&node, id).await?))
}

/// The customer does not want to be called any more.
#[utoipa::path(delete, path = "/callbacks/{id}", tag = "callbacks",
    params(("id" = String, Path, description = "The contact: 16 hexadecimal digits")),
    responses(
        (status = 204, description = "It is withdrawn, or was over before"),
        (status = 404, description = "No such call-back", body = Problem),
        (status = 409, description = "The customer is being talked to", body = Problem)))]
pub async fn withdraw(
    State(node): State<NodeHandle>,
    Id(id): Id<ContactId>,
) -> Result<StatusCode, Failure> {
    find(&node, id).await?;
    node.report(id, Report::Abandoned).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(node: &NodeHandle, id: ContactId) -> Result<Routed, Failure> {
    let routed = node.routed(id, None).await?;
    let found = routed.filter(|routed| routed.call_back.is_some());
    found.ok_or_else(|| {
        let detail = format!("no call-back `{id}`, or it has been over for long");
        Failure::new(Kind::NotFound, detail)
    })
}
