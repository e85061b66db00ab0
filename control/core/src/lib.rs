//! The distributor without I/O: call typing, agents, queues, selection.
//!
//! [`Distributor`] is told what happens ([`Input`]) and when ([`Now`]), and says what to do
//! ([`Output`]). It has no clock, no sockets and no randomness of its own, so that the same
//! inputs always give the same outputs.

mod agent;
pub mod asking;
mod call_back;
pub mod centre;
mod contact;
mod counters;
mod distributor;
pub mod event;
pub mod explain;
mod facts;
mod id;
mod input;
pub mod limits;
mod media;
mod memory;
mod named;
mod output;
mod place;
mod selection;
mod site;
mod slot;
pub mod snapshot;
pub mod tier;
mod timers;
mod typing;

pub use call_back::Promised;
pub use centre::{Centre, Problem, validate};
pub use contact::Way;
pub use counters::Counters;
pub use distributor::{Distributor, Held, Standing};
pub use event::{Activity, Event, OfferEnd, What};
pub use explain::Explanation;
pub use facts::{CallBackWish, Earlier, Facts, Medium};
pub use id::{
    AgentId, AskId, CalendarId, ContactId, IdError, IdSource, MenuId, OfferId, QueueId, RuleId,
    SiteId,
};
pub use input::{Carried, EndCause, Input, LiveSession, Now, OfferFailure, Status};
pub use named::Named;
pub use output::{Output, RefuseReason};
pub use place::KeptPlace;
pub use site::{SiteAsk, SiteFailure};
pub use slot::Slot;
pub use snapshot::Snapshot;
pub use typing::Prefix as Network;
