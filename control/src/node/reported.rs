//! What is told of contacts that are carried outside.

use patchbay_core::{ContactId, Input, OfferFailure, OfferId};
use serde::Deserialize;
use thiserror::Error;

/// What is told of a contact that is carried outside.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// The agent is being called.
    Ringing {
        /// By this offer.
        offer: OfferId,
    },
    /// The agent has taken the call-back, and the customer is being called.
    Calling {
        /// By this offer.
        offer: OfferId,
    },
    /// The agent has it; of a call-back: the customer has answered.
    Answered {
        /// By this offer.
        offer: OfferId,
    },
    /// The agent did not take it.
    Failed {
        /// By this offer.
        offer: OfferId,
        /// Why.
        cause: Option<Failed>,
        /// The SIP status that says why, 300 to 699; it counts where no cause is given.
        status: Option<u16>,
    },
    /// It is over.
    Ended {
        /// By this offer.
        offer: OfferId,
    },
    /// The customer gave up before an agent had it.
    Abandoned,
}

/// Why an agent did not take a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failed {
    /// The agent is busy with something else.
    Busy,
    /// The agent did not answer.
    NoAnswer,
    /// The agent refused it.
    Declined,
    /// The agent was not reached.
    Unreachable,
    /// The agent cannot take this medium.
    NotAcceptable,
    /// The customer of a call-back did not answer: it is called again later.
    CustomerAway,
    /// Anything else.
    Error,
}

impl From<Failed> for OfferFailure {
    fn from(why: Failed) -> OfferFailure {
        match why {
            Failed::Busy => OfferFailure::Busy,
            Failed::NoAnswer => OfferFailure::NoAnswer,
            Failed::Declined => OfferFailure::Declined,
            Failed::Unreachable => OfferFailure::Unreachable,
            Failed::NotAcceptable => OfferFailure::NotAcceptable,
            Failed::CustomerAway => OfferFailure::CustomerAway,
            Failed::Error => OfferFailure::Error,
        }
    }
}

/// Why a report was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReportError {
    /// No contact of that name is carried outside.
    #[error("no contact `{0}` is carried outside, or it has been over for long")]
    Unknown(ContactId),
    /// The offer is not one of the contact's.
    #[error("`{offer}` is no offer of `{contact}`")]
    NotItsOffer {
        /// The contact.
        contact: ContactId,
        /// What was taken for one of its offers.
        offer: OfferId,
    },
    /// The agent is no longer reserved by that offer: who is calling the agent has to stop.
    #[error(
        "the offer `{0}` is over: end what goes on with its agent, and ask how the contact stands"
    )]
    OfferOver(OfferId),
    /// What was reported belongs to call-backs, and the contact is none.
    #[error("`{0}` is no call-back: nobody but the agent is called")]
    NotACallBack(ContactId),
    /// Its asker called here itself, and the relay sees what becomes of it.
    #[error("`{0}` was claimed by a call, which says what becomes of it: end that call")]
    Claimed(ContactId),
    /// The contact was answered: its end is to be reported.
    #[error("the contact was answered by `{0}`: report `ended` with that offer")]
    Answered(OfferId),
}

/// What a report means.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    /// This is to be told.
    Tell(Input),
    /// It was known.
    Known,
}

/// Why an offer failed, as far as a report says.
pub(super) fn failure(cause: Option<Failed>, status: Option<u16>) -> OfferFailure {
    let by_status = || status.map(OfferFailure::of_status);
    cause
        .map(OfferFailure::from)
        .or_else(by_status)
        .unwrap_or(OfferFailure::Error)
}
