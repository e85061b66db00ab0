//! Agents for contacts that others carry: a SIP proxy, a chat server, any program (requirement D13).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use patchbay_core::limits::{MAX_ATTRIBUTES, MAX_SUBJECT_BYTES, MAX_WAITED_ELSEWHERE};
use patchbay_core::{AgentId, Centre, ContactId, Facts, Named, QueueId, RuleId, Slot};
use serde::Deserialize;

use super::body::{Id, JsonBody, Params};
use super::keyring::Caller;
use super::limits::{MAX_GIVEN_HEADERS, MAX_WAIT};
use super::problem::{Failure, Fault, Kind, Problem};
use super::schema;
use crate::node::{NodeHandle, Report, Routed, Stand};

/// Stands in the place of a rule for a contact that names its queue, unless a site asks.
const NAMED_BY: &str = "route";

/// A contact for which an agent is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub(super) medium: Slot,
    pub(super) from: String,
    pub(super) to: String,
    #[serde(default)]
    pub(super) from_name: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) customer: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) entitlements: Vec<String>,
    #[serde(default)]
    pub(super) answers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) agent: Option<AgentId>,
    #[serde(default)]
    pub(super) wait_seconds: u64,
    #[serde(default)]
    pub(super) queue: Option<QueueId>,
    #[serde(default)]
    pub(super) skills: BTreeMap<String, u8>,
    #[serde(default)]
    pub(super) priority: i32,
    #[serde(default)]
    pub(super) waited_seconds: u64,
    #[serde(default)]
    pub(super) site: Option<RuleId>,
}

impl Wanted {
    /// The facts that rules see, or all that is wrong with them.
    pub(super) fn facts(self) -> Result<Facts, Failure> {
        let mut faults = Vec::new();
        check_texts(&mut faults, &self);
        check_numbers(&mut faults, &self);
        check_naming(&mut faults, &self);
        if !faults.is_empty() {
            return Err(Failure::invalid(faults));
        }
        let named = self.named();
        Ok(Facts {
            request_uri: self.to.clone(),
            to: self.to,
            from: self.from,
            from_name: self.from_name,
            headers: self.headers.into_iter().collect(),
            medium: Some(self.medium),
            wanted_agent: self.agent,
            customer: self.customer,
            entitlements: self.entitlements,
            answers: self.answers,
            named: named.map(Box::new),
            ..Facts::default()
        })
    }

    /// What is decided of it, if it names its queue.
    fn named(&self) -> Option<Named> {
        let by = self.site.clone();
        Some(Named {
            queue: self.queue.clone()?,
            skills: self.skills.clone(),
            priority: self.priority,
            waited: Duration::from_secs(self.waited_seconds),
            by: by.unwrap_or_else(|| RuleId::new(NAMED_BY)),
        })
    }

    /// Refuses what the token or the declaration does not allow.
    fn check_named(&self, caller: &Caller, centre: &Centre) -> Result<(), Failure> {
        if !caller.grant.may_ask(self.queue.as_ref()) {
            let mut own = caller.grant.queues.iter().map(QueueId::as_str);
            let detail = match own.next() {
                None => {
                    "this token is bound to no queue, so that the rules place its contacts: leave \
                         `queue` out, or use a token that was given out for the queue"
                        .to_owned()
                }
                Some(first) => own.fold(
                    format!("this token has to name one of its queues in `queue`: {first}"),
                    |text, queue| format!("{text}, {queue}"),
                ),
            };
            return Err(Failure::new(Kind::Forbidden, detail));
        }
        let problems = self.named().map(|named| named.problems(centre));
        let problems = problems.unwrap_or_default();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(Failure::invalid(
                problems
                    .into_iter()
                    .map(|one| Fault::new(one.path, one.message, one.remedy))
                    .collect(),
            )),
        }
    }
}

fn check_naming(faults: &mut Vec<Fault>, wanted: &Wanted) {
    if let Some(Err(error)) = wanted.site.as_ref().map(RuleId::check) {
        faults.push(Fault::new("site", error.to_string(), "name it like lyon"));
    }
    if wanted.queue.is_some() {
        // One agent would be reserved whatever the queues that the token is bound to.
        if wanted.agent.is_some() {
            let message = "a contact that names its queue is for whoever is free there";
            faults.push(Fault::new("agent", message, "give `queue` or `agent`"));
        }
        return;
    }
    let given = [
        ("skills", !wanted.skills.is_empty()),
        ("priority", wanted.priority != 0),
        ("waited_seconds", wanted.waited_seconds != 0),
        ("site", wanted.site.is_some()),
    ];
    for (path, _) in given.into_iter().filter(|(_, given)| *given) {
        let message = "it counts only for a contact that names its queue";
        faults.push(Fault::new(path, message, "give `queue`, or leave it out"));
    }
}

fn check_texts(faults: &mut Vec<Fault>, wanted: &Wanted) {
    let longest = MAX_SUBJECT_BYTES;
    let mut need = |path: String, text: &str, may_be_empty: bool| {
        let long = text.len() > longest || (text.is_empty() && !may_be_empty);
        if long || text.chars().any(char::is_control) {
            let remedy = format!("use 1 to {longest} bytes of text, such as sip:carla@example.net");
            faults.push(Fault::new(
                path,
                "it is empty, too long or holds a control character",
                remedy,
            ));
        }
    };
    need("from".to_owned(), &wanted.from, false);
    need("to".to_owned(), &wanted.to, false);
    need("from_name".to_owned(), &wanted.from_name, true);
    for (name, value) in &wanted.headers {
        need(format!("headers.{name}"), value, true);
    }
    for (place, facts) in [("customer", &wanted.customer), ("answers", &wanted.answers)] {
        for (name, value) in facts {
            need(format!("{place}.{name}"), value, true);
        }
    }
    for (index, text) in wanted.entitlements.iter().enumerate() {
        need(format!("entitlements[{index}]"), text, true);
    }
}

fn check_numbers(faults: &mut Vec<Fault>, wanted: &Wanted) {
    let mut at_most = |path: &str, count: u64, limit: u64| {
        if count > limit {
            let message = format!("{count} is more than may be");
            faults.push(Fault::new(path, message, format!("use {limit} at most")));
        }
    };
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    at_most(
        "headers",
        count(wanted.headers.len()),
        count(MAX_GIVEN_HEADERS),
    );
    let most = count(MAX_ATTRIBUTES);
    at_most("customer", count(wanted.customer.len()), most);
    at_most("entitlements", count(wanted.entitlements.len()), most);
    at_most("answers", count(wanted.answers.len()), most);
    let longest = MAX_WAITED_ELSEWHERE.as_secs();
    at_most("waited_seconds", wanted.waited_seconds, longest);
    at_most("wait_seconds", wanted.wait_seconds, MAX_WAIT.as_secs());
}

/// For what one waits.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Waits {
    /// Answer when the contact stands otherwise than this `revision` of an answer before, or when
    /// `wait_seconds` are over. Default: answer at once.
    after: Option<u64>,
    /// How long to wait for that. 0 to 60, default 0.
    #[serde(default)]
    wait_seconds: u64,
}

/// Asks for an agent. The contact is typed by the rules and waits in their queues like any other, or in
/// the queue that it names if the token is bound to that; what the agent does is told by reports. As long
/// as no agent is found the contact has to be asked about within every 120 seconds, or it counts as
/// abandoned.
#[utoipa::path(post, path = "/route", tag = "route",
    request_body = schema::Wanted,
    responses(
        (status = 200, description = "How the contact stands", body = schema::Routed),
        (status = 403, description = "The token may not ask for agents of this queue", body = Problem),
        (status = 422, description = "Not valid; every fault is listed", body = Problem),
        (status = 503, description = "The node is stopping", body = Problem)))]
pub async fn ask(
    State(node): State<NodeHandle>,
    Extension(caller): Extension<Caller>,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Json<Routed>, Failure> {
    let centre = node.centre().await;
    wanted.check_named(&caller, &centre)?;
    let wait = wanted.wait_seconds;
    let token = Some(caller.grant.id.clone());
    let routed = node.route(wanted.facts()?, token).await?;
    let waits = matches!(routed.state, Stand::Asking | Stand::Queued { .. }) && wait > 0;
    if !waits {
        return Ok(Json(routed));
    }
    let later = changed(&node, routed.contact, Some(routed.revision), wait).await?;
    Ok(Json(later.unwrap_or(routed)))
}

/// How a contact stands that is carried outside. It can be waited for a change.
#[utoipa::path(get, path = "/route/{id}", tag = "route",
    params(("id" = String, Path, description = "The contact: 16 hexadecimal digits"), Waits),
    responses(
        (status = 200, description = "How the contact stands", body = schema::Routed),
        (status = 404, description = "No such contact is carried outside", body = Problem)))]
pub async fn get(
    State(node): State<NodeHandle>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<ContactId>,
    Params(waits): Params<Waits>,
) -> Result<Json<Routed>, Failure> {
    own(&node, &caller, id).await?;
    if waits.wait_seconds > MAX_WAIT.as_secs() {
        let detail = format!("wait_seconds: use {} at most", MAX_WAIT.as_secs());
        return Err(Failure::new(Kind::Malformed, detail));
    }
    let routed = changed(&node, id, waits.after, waits.wait_seconds).await?;
    routed.map(Json).ok_or_else(|| no_contact(id))
}

fn no_contact(id: ContactId) -> Failure {
    let detail = format!("no contact `{id}` is carried outside, or it has been over for long");
    Failure::new(Kind::NotFound, detail)
}

/// A token that is bound to queues reaches the contacts that it asked for, and no others.
async fn own(node: &NodeHandle, caller: &Caller, id: ContactId) -> Result<(), Failure> {
    if caller.grant.queues.is_empty() {
        return Ok(());
    }
    let routed = node.routed(id, None).await?;
    let asked_by = routed.and_then(|routed| routed.asked_by);
    match asked_by.as_ref() == Some(&caller.grant.id) {
        true => Ok(()),
        false => Err(no_contact(id)),
    }
}

/// Waits until a contact stands otherwise than `seen`, at most for that long.
pub(super) async fn changed(
    node: &NodeHandle,
    contact: ContactId,
    seen: Option<u64>,
    wait_seconds: u64,
) -> Result<Option<Routed>, Failure> {
    if let Some(seen) = seen.filter(|_| wait_seconds > 0) {
        let wait = Duration::from_secs(wait_seconds);
        let change = node.routed(contact, Some(seen));
        if let Ok(routed) = tokio::time::timeout(wait, change).await {
            return Ok(routed?);
        }
    }
    Ok(node.routed(contact, None).await?)
}

/// Tells what becomes of a contact that is carried outside. A report that is repeated changes nothing.
/// 409 says that the agent is no longer reserved, and that what goes on with it has to be ended.
#[utoipa::path(post, path = "/route/{id}", tag = "route",
    params(("id" = String, Path, description = "The contact: 16 hexadecimal digits")),
    request_body = schema::RouteReport,
    responses(
        (status = 200, description = "How the contact stands now", body = schema::Routed),
        (status = 404, description = "No such contact is carried outside", body = Problem),
        (status = 409, description = "The offer is over, or not one of the contact", body = Problem),
        (status = 422, description = "No such report", body = Problem)))]
pub async fn report(
    State(node): State<NodeHandle>,
    Extension(caller): Extension<Caller>,
    Id(id): Id<ContactId>,
    JsonBody(report): JsonBody<Report>,
) -> Result<Json<Routed>, Failure> {
    own(&node, &caller, id).await?;
    if let Report::Failed {
        status: Some(status),
        ..
    } = report
        && !(300..=699).contains(&status)
    {
        let fault = Fault::new("status", "it is no status of a failure", "use 300 to 699");
        return Err(Failure::invalid(vec![fault]));
    }
    Ok(Json(node.report(id, report).await?))
}
