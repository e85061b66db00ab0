//! Contacts: those that live, those that were, and the story of one.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use patchbay_core::ContactId;
use patchbay_core::snapshot::ContactView;
use serde::{Deserialize, Serialize};

use super::body::{Id, Params};
use super::events::Told;
use super::limits::DEFAULT_PAGE;
use super::problem::{Failure, Kind, Problem};
use super::{Shared, schema};
use crate::node::NodeHandle;
use crate::store::{Outcome, PastContact};

/// Which contacts.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// `live`: only those that live; `past`: only those that are over; default: both.
    #[param(inline)]
    state: Option<Which>,
    /// Past contacts older than this: `next_before` of the page before.
    before: Option<u64>,
    /// Past contacts on the page, 1 to 200; default 50.
    limit: Option<usize>,
}

/// A choice of contacts.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Those that live.
    Live,
    /// Those that are over.
    Past,
}

/// Contacts.
#[derive(Serialize)]
pub struct Contacts {
    live: Vec<ContactView>,
    past: Vec<PastContact>,
    next_before: Option<u64>,
}

/// One contact.
#[derive(Serialize)]
pub struct Contact {
    summary: PastContact,
    live: Option<ContactView>,
    events: Vec<Told>,
}

/// Live contacts by arrival, and past ones with what became of them, newest first.
#[utoipa::path(get, path = "/contacts", tag = "contacts", params(ListParams),
    responses((status = 200, description = "A page", body = schema::Contacts)))]
pub async fn list(
    State(shared): State<Shared>,
    Params(params): Params<ListParams>,
) -> Result<Json<Contacts>, Failure> {
    let live = shared.api.node.snapshot().await?.contacts;
    let mut contacts = Contacts {
        live,
        past: Vec::new(),
        next_before: None,
    };
    if params.state != Some(Which::Live) {
        let limit = params.limit.unwrap_or(DEFAULT_PAGE);
        let page = shared.api.store.contacts(params.before, limit).await?;
        let live: BTreeSet<ContactId> = contacts.live.iter().map(|contact| contact.id).collect();
        contacts.past = page.contacts;
        contacts.past.retain_mut(|contact| {
            if !live.contains(&contact.id) {
                close_story(contact, shared.born_after);
            }
            contact.outcome.is_final()
        });
        contacts.next_before = page.next_before;
    }
    if params.state == Some(Which::Past) {
        contacts.live.clear();
    }
    Ok(Json(contacts))
}

/// A contact that a process before this one left open, and that no relay has any more, is lost.
pub fn close_story(contact: &mut PastContact, born_after: u64) {
    if !contact.outcome.is_final() && contact.last_cursor <= born_after {
        contact.outcome = Outcome::Lost;
    }
}

/// One contact with everything that happened to it, and why.
#[utoipa::path(get, path = "/contacts/{id}", tag = "contacts",
    params(("id" = String, Path, description = "The contact: 16 hexadecimal digits")),
    responses(
        (status = 200, description = "Its story", body = schema::Contact),
        (status = 404, description = "No such contact (any more)", body = Problem)))]
pub async fn get(
    State(shared): State<Shared>,
    Id(id): Id<ContactId>,
) -> Result<Json<Contact>, Failure> {
    let contacts = shared.api.node.snapshot().await?.contacts;
    let live = contacts.into_iter().find(|contact| contact.id == id);
    let story = shared.api.store.contact(id).await?;
    let mut story =
        story.ok_or_else(|| Failure::new(Kind::NotFound, format!("no contact `{id}`")))?;
    if live.is_none() {
        close_story(&mut story.contact, shared.born_after);
    }
    let events = story.events.into_iter().map(Told::from).collect();
    Ok(Json(Contact {
        summary: story.contact,
        live,
        events,
    }))
}

/// Ends a live contact: one that waits is refused with 480, one in a call is hung up on both sides.
#[utoipa::path(delete, path = "/contacts/{id}", tag = "contacts",
    params(("id" = String, Path, description = "The contact: 16 hexadecimal digits")),
    responses(
        (status = 204, description = "Its end is on the way"),
        (status = 404, description = "No such live contact", body = Problem),
        (status = 502, description = "No relay ended it", body = Problem)))]
pub async fn end(
    State(node): State<NodeHandle>,
    Id(id): Id<ContactId>,
) -> Result<StatusCode, Failure> {
    node.end_contact(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
