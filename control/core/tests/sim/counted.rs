//! By which names a simulation counts the events that it has seen.

use patchbay_core::{Activity, OfferEnd, What};

/// What is counted of an event.
pub fn kind(what: &What) -> &'static str {
    match what {
        What::ContactTyped { .. } => "typed",
        What::ContactQueued { .. } => "queued",
        What::SiteAsked { .. } => "asked another centre",
        What::SiteFailed { .. } => "not given by another centre",
        What::ContactOffered { agent, .. } if agent.as_str().contains('@') => {
            "offered to an agent elsewhere"
        }
        What::ContactClaimed { .. } => "claimed by a call",
        What::ContactLate { .. } => "late",
        What::ContactRelaxed { .. } => "asked for less",
        What::ContactMoved { .. } => "moved to another queue",
        What::ContactInMenu { .. } => "in a menu",
        What::ContactChose { key: None, .. } => "chose nothing",
        What::ContactChose { .. } => "chose",
        What::ContactRedirected { .. } => "redirected",
        What::CallBackPromised { when: None, .. } => "promised a call",
        What::CallBackPromised { .. } => "called back instead of waiting",
        What::CallBackKept { .. } => "promised before a restart",
        What::ContactKept { .. } => "waits on after a restart",
        What::CallBackDialled { .. } => "customer called",
        What::CallBackPutOff { .. } => "customer called again later",
        What::ContactOffered { choice, .. } if choice.last_agent => "offered to the last agent",
        What::ContactConnected { .. } => "connected",
        What::ContactAsked { failure, .. } => match failure {
            Some(_) => "not answered by a server",
            None => "answered by a server",
        },
        What::ContactAdopted { .. } => "adopted",
        What::ContactEnded { .. } => "ended",
        What::ContactRefused { .. } => "refused",
        What::ContactAbandoned { .. } => "abandoned",
        What::SessionUnwanted { .. } => "unwanted session",
        What::OfferFailed { why, .. } => match why {
            OfferEnd::NoAnswer => "not answered",
            OfferEnd::Declined => "declined",
            OfferEnd::Busy => "busy",
            OfferEnd::Unreachable => "unreachable",
            OfferEnd::CallerGone => "caller gone while it rang",
            OfferEnd::AnsweredElsewhere => "answered elsewhere",
            _ => "failed otherwise",
        },
        What::AgentState { activity, .. } => match activity {
            Activity::WrapUp { .. } => "wrap-up",
            _ => "other activity",
        },
        _ => "other",
    }
}
