//! Requests to HTTP servers that an operator declared: signed, bounded in time and size, over
//! connections that stay.
//!
//! - [`mod@client`]: one server's client
//! - [`mod@signature`]: how a request proves who sent it

mod client;
mod signature;

pub use client::{Client, MAX_WEBHOOK_CONNECTIONS, Server, WebhookError};
pub use signature::{ID, SIGNATURE, TIMESTAMP, sign};
