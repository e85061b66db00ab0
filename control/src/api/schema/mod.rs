//! The shapes of the API for its OpenAPI document. The handlers give and take the distributor's own
//! types; a test holds the two together.

mod declaration;
mod explanation;
mod menu;
mod reports;
mod route;
mod sessions;
mod site;
mod state;
#[cfg(test)]
mod tests;
mod tier;
mod trace;

pub use declaration::{AgentDeclaration, Declaration, RuleDeclaration};
pub use explanation::{Explanation, Facts};
pub use reports::{Record, Report};
pub use route::{Report as RouteReport, Routed, Wanted, Wish};
pub use sessions::Sessions;
pub use state::{Agent, AgentView, Contact, Contacts, EventMessage, QueueView, Status};
pub use tier::Tier;
pub use trace::TraceLine;
