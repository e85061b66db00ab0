//! Events: what happened, told so that it explains itself (design rule: every decision says why).

mod activity;
mod offer_end;
mod what;

pub use activity::Activity;
pub use offer_end::OfferEnd;
pub use what::What;

use serde::{Deserialize, Serialize};

/// One event. The shell numbers them; as JSON it is one flat object with a `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, in milliseconds of Unix time.
    pub unix_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: What,
}
