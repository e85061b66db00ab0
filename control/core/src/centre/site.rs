//! Other centres that give agents (requirement D12): their declaration.

use super::Secret;
use super::ask::{Endpoint, endpoint};
use super::problems::Problems;
use super::validate::{ids, known, plausible};
use crate::id::{QueueId, SiteId, check as check_id};
use crate::limits::{MAX_ASKED_THERE, MAX_SITES};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const DAY_SECONDS: u32 = 86_400;

/// A centre that is asked for agents while a contact waits here. Whoever is free first, here or there,
/// has the contact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Its identifier; its agent `anna` is told of here as `anna@lyon`.
    pub id: SiteId,
    /// Where its API is: `https://`; `http://` only on this host, or with `insecure`.
    pub url: String,
    /// The token that it has given out for these queues.
    pub token: Secret,
    /// Where calls come in there: a `sip:` or `sips:` URI without a user.
    pub edge: String,
    /// The queues whose contacts ask there, each with the name of the queue there.
    pub queues: BTreeMap<QueueId, QueueId>,
    /// How long a contact waits here before it asks there. 0 to 86400, default 0.
    #[serde(default)]
    pub after_seconds: u32,
    /// How many contacts of one queue ask there at a time, those that came first. 1 to 1000, default 50.
    #[serde(default = "max_at_once")]
    pub max_at_once: usize,
    /// A PEM file on the control host with the authorities that the API's certificate must come from;
    /// default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Allows `http://` to another host, where everybody on the way can read and forge answers.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub insecure: bool,
}

fn max_at_once() -> usize {
    50
}

pub(super) fn check(problems: &mut Problems, sites: &[Site], queues: &BTreeSet<&QueueId>) {
    problems.at_most("site", sites.len(), MAX_SITES);
    ids(problems, "site", sites.iter().map(|site| site.id.as_str()));
    for (index, site) in sites.iter().enumerate() {
        let path = format!("site[{index}]");
        address(problems, &path, site);
        problems.range(
            format!("{path}.after_seconds"),
            site.after_seconds,
            0,
            DAY_SECONDS,
        );
        let most = MAX_ASKED_THERE;
        problems.range(format!("{path}.max_at_once"), site.max_at_once, 1, most);
        if site.queues.is_empty() {
            problems.add(
                format!("{path}.queues"),
                format!("no contact would ever ask `{}`", site.id),
                "write them like { support = \"support\" }: ours, then theirs",
            );
        }
        for (ours, theirs) in &site.queues {
            known(problems, format!("{path}.queues.{ours}"), ours, queues);
            if let Err(error) = check_id(theirs.as_str()) {
                problems.add(
                    format!("{path}.queues.{ours}"),
                    format!("`{theirs}`: {error}"),
                    "write the name that the queue has there",
                );
            }
        }
    }
}

fn address(problems: &mut Problems, path: &str, site: &Site) {
    endpoint(
        problems,
        path,
        &Endpoint {
            url: &site.url,
            has_ca: site.ca_file.is_some(),
            insecure: site.insecure,
        },
    );
    if site.url.contains('?') {
        problems.add(
            format!("{path}.url"),
            format!("`{}` is not where an API begins", site.url),
            "write it like \"https://control.lyon.example:8443\"",
        );
    }
    let token = site.token.expose();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        problems.add(
            format!("{path}.token"),
            "it is not a token",
            "have one given out there: patchbay token create NAME --role integration --scope contacts:route --queue QUEUE",
        );
    }
    if !plausible(&site.edge) || site.edge.contains('@') {
        problems.add(
            format!("{path}.edge"),
            format!("`{}` is not where calls come in", site.edge),
            "write it like \"sip:edge.lyon.example:5060\", without a user",
        );
    }
}
