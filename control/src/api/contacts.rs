//! Contacts: those that live, those that were, and the story of one.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use patchbay_core::ContactId;
use patchbay_core::snapshot::ContactView;
use serde::{Deserialize, Serialize};

use super::body::{Id, Params};
use super::events::Told;
use super::limits::DEFAULT_PAGE;
use super::paging::{Asked, ListParams, by_key};
use super::problem::{Failure, Kind, Problem};
use super::{Shared, schema};
use crate::node::NodeHandle;
use crate::store::{Outcome, Page, PastContact};

/// Which contacts.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ContactParams {
    /// `live`: only those that live; `past`: only those that are over; default: the first 1000 that live,
    /// and a page of those that are over.
    #[param(inline)]
    state: Option<Which>,
    /// Past contacts older than this: `Link` with `rel="next"` of the page before has it.
    before: Option<u64>,
    /// Live contacts after this, with `state=live`: `Link` with `rel="next"` of the page before has it.
    after: Option<String>,
    /// Past contacts on the page, 1 to 200; default 50. With `state=live`: live ones, 1 to 1000, default
    /// 1000.
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
#[utoipa::path(get, path = "/contacts", tag = "contacts", params(ContactParams),
    responses((status = 200, description = "A page", body = schema::Contacts)))]
pub async fn list(
    State(shared): State<Shared>,
    Params(params): Params<ContactParams>,
    asked: Asked,
) -> Result<(HeaderMap, Json<Contacts>), Failure> {
    let live = shared.api.node.snapshot().await?.contacts;
    let (mut past, mut next_before) = (Vec::new(), None);
    if params.state != Some(Which::Live) {
        let page = past_page(&shared, &live, &params).await?;
        (past, next_before) = (page.contacts, page.next_before);
    }
    let which = ListParams {
        after: params.after,
        limit: params.limit.filter(|_| params.state == Some(Which::Live)),
    };
    // By arrival; of those that came at the same moment by their names.
    let live = by_key(live, &which, |contact| {
        format!("{:014}-{}", contact.arrived_unix_ms, contact.id)
    });
    let next = match params.state {
        Some(Which::Live) => asked.next("after", live.next),
        _ => asked.next("before", next_before.map(|cursor| cursor.to_string())),
    };
    let live = match params.state {
        Some(Which::Past) => Vec::new(),
        _ => live.items,
    };
    let contacts = Contacts {
        live,
        past,
        next_before,
    };
    Ok((next, Json(contacts)))
}

/// A page of contacts that are over.
async fn past_page(
    shared: &Shared,
    live: &[ContactView],
    params: &ContactParams,
) -> Result<Page, Failure> {
    let limit = params.limit.unwrap_or(DEFAULT_PAGE);
    let mut page = shared.api.store.contacts(params.before, limit).await?;
    let live: BTreeSet<ContactId> = live.iter().map(|contact| contact.id).collect();
    page.contacts.retain_mut(|contact| {
        if !live.contains(&contact.id) {
            close_story(contact, shared.born_after);
        }
        contact.outcome.is_final()
    });
    Ok(page)
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
