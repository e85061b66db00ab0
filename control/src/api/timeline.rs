//! The story of one contact: what happened when, in words, and what it adds up to.

use axum::Json;
use axum::extract::State;
use patchbay_core::{AgentId, ContactId, EndCause, OfferId, RefuseReason, What};
use patchbay_route::session::EndedBy;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::Id;
use super::contacts::close_story;
use super::events::Told;
use super::problem::{Failure, Kind, Problem};
use super::{Shared, schema};
use crate::node::StoredEvent;
use crate::store::{ContactStory, MAX_STORY, Outcome};
use crate::story::{Call, Ending, Try, TryEnd, name, sentence};

/// The whole story of a contact, live or over: its events in words, and what they add up to.
#[utoipa::path(get, path = "/contacts/{id}/timeline", tag = "contacts",
    params(("id" = String, Path, description = "The contact: 16 hexadecimal digits")),
    responses(
        (status = 200, description = "Its story", body = Timeline),
        (status = 404, description = "No such contact (any more)", body = Problem)))]
pub async fn get(
    State(shared): State<Shared>,
    Id(id): Id<ContactId>,
) -> Result<Json<Timeline>, Failure> {
    let contacts = shared.api.node.snapshot().await?.contacts;
    let lives = contacts.iter().any(|contact| contact.id == id);
    let store = &shared.api.store;
    let mut story = store
        .contact(id)
        .await?
        .ok_or_else(|| Failure::new(Kind::NotFound, format!("no contact `{id}`")))?;
    if !lives {
        close_story(&mut story.contact, shared.born_after);
    }
    let ended = story
        .events
        .iter()
        .find_map(|stored| match &stored.event.what {
            What::ContactEnded { agent, .. } => Some((stored.cursor, agent)),
            _ => None,
        });
    let wrap_up_ms = match ended {
        Some((cursor, agent)) => store.wrap_up_after(cursor, agent).await?,
        None => None,
    };
    Ok(Json(Timeline::new(story, wrap_up_ms)))
}

/// The story of one contact.
#[derive(Serialize, ToSchema)]
pub struct Timeline {
    /// Which: 16 hexadecimal digits.
    #[schema(value_type = String)]
    pub contact: ContactId,
    /// How it stands or ended.
    pub outcome: Outcome,
    /// Why it ended, if it was served: `bye`, `media_timeout`, …
    #[schema(value_type = Option<String>)]
    pub end_cause: Option<EndCause>,
    /// Who ended the call: `client`, `agent`, `relay` or `control`.
    #[schema(value_type = Option<String>)]
    pub ended_by: Option<EndedBy>,
    /// Why it was refused.
    #[schema(value_type = Option<String>)]
    pub refuse_reason: Option<RefuseReason>,
    /// The call type.
    pub call_type: Option<String>,
    /// Its queue.
    pub queue: Option<String>,
    /// The agent that answered.
    #[schema(value_type = Option<String>)]
    pub agent: Option<AgentId>,
    /// The caller's URI.
    pub from: Option<String>,
    /// The URI called.
    pub to: Option<String>,
    /// When it arrived.
    pub began_unix_ms: u64,
    /// When it ended.
    pub ended_unix_ms: Option<u64>,
    /// What its parts add up to.
    pub sums: Sums,
    /// The agents that it was offered to, in order; the first 64.
    pub tried: Vec<Tried>,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// True if more happened than is shown: `steps` has 2,000 at most.
    pub truncated: bool,
}

/// Durations in milliseconds.
#[derive(Serialize, ToSchema)]
pub struct Sums {
    /// From arrival to the answer, or to the end without one; 0 while it waits.
    pub waited_ms: u64,
    /// While phones of agents were being called, all offers together.
    pub rang_ms: u64,
    /// From answer to end; 0 while they talk.
    pub talked_ms: u64,
    /// The agent's work afterwards; none if there was none, or it goes on.
    pub wrap_up_ms: Option<u64>,
}

/// One offer to one agent.
#[derive(Serialize, ToSchema)]
pub struct Tried {
    /// The agent.
    #[schema(value_type = String)]
    pub agent: AgentId,
    /// The offer: 16 hexadecimal digits.
    #[schema(value_type = String)]
    pub offer: OfferId,
    /// When it was made, from arrival on.
    pub at_ms: u64,
    /// How long the phone was being called.
    pub rang_ms: u64,
    /// `answered`, `under_way`, or why it failed: `no_answer`, `busy`, `declined`, …
    pub result: String,
    /// The SIP status that came; none without one.
    pub code: Option<u16>,
}

/// One event of the story.
#[derive(Serialize, ToSchema)]
pub struct Step {
    /// When, from arrival on.
    pub at_ms: u64,
    /// One sentence about it.
    pub text: String,
    /// The event.
    #[schema(value_type = schema::EventMessage)]
    pub event: Told,
}

impl Timeline {
    /// The story that a contact's events tell. `wrap_up_ms` is told by those of its agent.
    fn new(story: ContactStory, wrap_up_ms: Option<u64>) -> Timeline {
        let truncated = story.events.len() >= MAX_STORY;
        let summary = story.contact;
        let began = summary.began_unix_ms;
        let mut call = Call::new(summary.id, began);
        for stored in &story.events {
            call.take(&stored.event);
        }
        let ended_by = match call.end {
            Some((_, Ending::Served(_, by))) => by,
            _ => None,
        };
        Timeline {
            contact: summary.id,
            outcome: summary.outcome,
            end_cause: summary.end_cause,
            ended_by,
            refuse_reason: summary.refuse_reason,
            call_type: summary.call_type,
            queue: summary.queue.map(|queue| queue.to_string()),
            agent: call.agent.clone(),
            from: summary.from,
            to: summary.to,
            began_unix_ms: began,
            ended_unix_ms: summary.ended_unix_ms,
            sums: Sums {
                waited_ms: call.waited_ms,
                rang_ms: call.rang_ms(),
                talked_ms: call.talked_ms,
                wrap_up_ms,
            },
            tried: call.tries.iter().map(|one| tried(one, began)).collect(),
            steps: story.events.into_iter().map(|e| step(e, began)).collect(),
            truncated,
        }
    }
}

fn tried(one: &Try, began: u64) -> Tried {
    let (result, code) = match one.end {
        None => ("under_way".to_owned(), 0),
        Some(TryEnd::Answered) => ("answered".to_owned(), 0),
        Some(TryEnd::Failed(why, code)) => (name(&why), code),
    };
    Tried {
        agent: one.agent.clone(),
        offer: one.offer,
        at_ms: one.offered_unix_ms.saturating_sub(began),
        rang_ms: one.rang_ms(),
        result,
        code: (code > 0).then_some(code),
    }
}

fn step(stored: StoredEvent, began: u64) -> Step {
    Step {
        at_ms: stored.unix_ms.saturating_sub(began),
        text: sentence(&stored.event),
        event: Told::from(stored),
    }
}
