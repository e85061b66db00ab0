//! How offers end without an answer.

use crate::input::OfferFailure;
use serde::{Deserialize, Serialize};

/// How an offer ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferEnd {
    /// The phone is in another call.
    Busy,
    /// Rang as long as it may.
    NoAnswer,
    /// Refused by hand.
    Declined,
    /// The phone was not reached.
    Unreachable,
    /// The phone cannot take this medium or codec.
    NotAcceptable,
    /// The relay has no room.
    RelayFull,
    /// The customer of a call-back did not answer.
    CustomerAway,
    /// Anything else that the agent's side said.
    Error,
    /// The caller gave up.
    CallerGone,
    /// The agent logged out while its phone was being called.
    AgentLeft,
    /// Another agent's answer came first.
    AnsweredElsewhere,
    /// The relay ended the session before its answer reached us.
    Ended,
    /// The relay never said how the cancelled offer ended.
    Guard,
}

impl From<OfferFailure> for OfferEnd {
    fn from(failure: OfferFailure) -> Self {
        match failure {
            OfferFailure::Busy => Self::Busy,
            OfferFailure::NoAnswer => Self::NoAnswer,
            OfferFailure::Declined => Self::Declined,
            OfferFailure::Unreachable => Self::Unreachable,
            OfferFailure::NotAcceptable => Self::NotAcceptable,
            OfferFailure::RelayFull => Self::RelayFull,
            OfferFailure::CustomerAway => Self::CustomerAway,
            OfferFailure::Error => Self::Error,
        }
    }
}
