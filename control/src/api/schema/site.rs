//! Other centres.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Another centre that is asked for agents while contacts wait here.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteDeclaration {
    /// Its identifier; its agent `anna` is told of here as `anna@lyon`.
    pub id: String,
    /// Where its API is: `https://`, or `http://` on the control host itself.
    pub url: String,
    /// The token that it has given out. It can be written and never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub token: Option<String>,
    /// Whether there is one. Sent back without a `token`, true keeps the one that was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_set: Option<bool>,
    /// Where calls come in there: a SIP URI without a user.
    pub edge: String,
    /// The queues whose contacts ask there, each with the name of the queue there.
    pub queues: BTreeMap<String, String>,
    /// How long a contact waits here before it asks there; 0 to 86400.
    #[schema(required = false, default = 0)]
    pub after_seconds: u32,
    /// How many contacts of one queue ask there at a time; 1 to 1000.
    #[schema(required = false, default = 50)]
    pub max_at_once: u32,
    /// A PEM file with the authorities of its certificate; default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Allows `http://` to another host.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub insecure: bool,
}
