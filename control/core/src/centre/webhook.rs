//! Agents that are programs (requirement D6): the server that takes their contacts.

use super::Secret;
use super::ask::{Endpoint, endpoint, secret};
use super::problems::Problems;
use crate::limits::{MAX_OFFER_MS, MIN_ASK_MS};
use serde::{Deserialize, Serialize};

/// A server that is asked whether its agent takes a contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where it is: `https://`; `http://` only on this host, or with `insecure`.
    pub url: String,
    /// The key that requests are signed with, 16 bytes or more; after `whsec_` as base64.
    pub secret: Secret,
    /// How long an offer waits for the answer. 10 to 30000 milliseconds, default 2000.
    #[serde(default = "time_limit")]
    pub time_limit_ms: u32,
    /// A PEM file on the control host with the authorities that the server's certificate must come
    /// from; default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Allows `http://` to another host, where everybody on the way can read and forge answers.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub insecure: bool,
}

fn time_limit() -> u32 {
    2_000
}

pub(super) fn check(problems: &mut Problems, path: &str, webhook: &Webhook) {
    let path = format!("{path}.webhook");
    let limit = webhook.time_limit_ms;
    problems.range(
        format!("{path}.time_limit_ms"),
        limit,
        MIN_ASK_MS,
        MAX_OFFER_MS,
    );
    secret(problems, &path, &webhook.secret);
    endpoint(
        problems,
        &path,
        &Endpoint {
            url: &webhook.url,
            has_ca: webhook.ca_file.is_some(),
            insecure: webhook.insecure,
        },
    );
}
