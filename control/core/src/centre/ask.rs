//! Servers that are asked what a contact is: their declaration (requirement D13).

use super::Secret;
use super::problems::Problems;
use super::validate::{ids, known};
use crate::id::{AskId, QueueId, RuleId};
use crate::limits::{MAX_ASK_MS, MAX_ASKS, MIN_ASK_MS, MIN_ASK_SECRET_BYTES};
use crate::typing::{Calendar, Expression, Variable};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What comes of asking, or is looked up meanwhile.
const UNKNOWN_YET: [Variable; 4] = [
    Variable::Customer,
    Variable::Entitlements,
    Variable::Earlier,
    Variable::Answers,
];

const MAX_URL_BYTES: usize = 2_048;

/// A server that is asked about each arriving contact that its `when` fits, before the rules look
/// at it. Of several the first that fits is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Its identifier, which no rule has: it stands where a rule's does if the server decides.
    pub id: AskId,
    /// Where it is: `https://`; `http://` only on this host, or with `insecure`.
    pub url: String,
    /// The key that questions are signed with, 16 bytes or more; after `whsec_` as base64.
    pub secret: Secret,
    /// An expression as in a rule: only contacts of which it is true are asked about. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The IANA time zone of the expression's `time`; default `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How long a contact waits for the answer. 10 to 5000 milliseconds, default 300.
    #[serde(default = "time_limit")]
    pub time_limit_ms: u32,
    /// The queue of contacts for which no good answer came; default: the rules decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<QueueId>,
    /// A PEM file on the control host with the authorities that the server's certificate must come
    /// from; default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Allows `http://` to another host, where everybody on the way can read and forge answers.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub insecure: bool,
}

fn time_limit() -> u32 {
    300
}

pub(super) fn check(
    problems: &mut Problems,
    asks: &[Ask],
    (rules, queues): (&BTreeSet<&RuleId>, &BTreeSet<&QueueId>),
    calendars: &[Calendar],
) {
    problems.at_most("ask", asks.len(), MAX_ASKS);
    ids(problems, "ask", asks.iter().map(|ask| ask.id.as_str()));
    for (index, ask) in asks.iter().enumerate() {
        let path = format!("ask[{index}]");
        if rules.iter().any(|rule| rule.as_str() == ask.id.as_str()) {
            problems.add(
                format!("{path}.id"),
                format!("`{}` is already the identifier of a rule", ask.id),
                "give each its own identifier: both stand for who decided",
            );
        }
        server(problems, &path, ask);
        expression(problems, &path, ask, calendars);
        if let Some(queue) = &ask.on_failure {
            known(problems, format!("{path}.on_failure"), queue, queues);
        }
    }
    let all = asks.iter().position(|ask| ask.when.is_none());
    for index in all.map_or(0, |all| all + 1)..all.map_or(0, |_| asks.len()) {
        problems.add(
            format!("ask[{index}]"),
            "it is never asked: one before it has no `when`, and the first that fits is asked",
            "move it before that one, or give that one a `when`",
        );
    }
}

fn server(problems: &mut Problems, path: &str, ask: &Ask) {
    problems.range(
        format!("{path}.time_limit_ms"),
        ask.time_limit_ms,
        MIN_ASK_MS,
        MAX_ASK_MS,
    );
    secret(problems, path, &ask.secret);
    endpoint(
        problems,
        path,
        &Endpoint {
            url: &ask.url,
            has_ca: ask.ca_file.is_some(),
            insecure: ask.insecure,
        },
    );
}

/// A server that gets requests.
pub(super) struct Endpoint<'a> {
    pub url: &'a str,
    pub has_ca: bool,
    pub insecure: bool,
}

/// What requests are signed with.
pub(super) fn secret(problems: &mut Problems, path: &str, secret: &Secret) {
    if secret.expose().len() < MIN_ASK_SECRET_BYTES {
        problems.add(
            format!("{path}.secret"),
            "the secret is too short, and could be guessed",
            format!(
                "use {MIN_ASK_SECRET_BYTES} bytes or more, such as 32 random ones in hexadecimal"
            ),
        );
    }
}

pub(super) fn endpoint(problems: &mut Problems, path: &str, server: &Endpoint<'_>) {
    let at = format!("{path}.url");
    match host(server.url) {
        None => problems.add(
            at,
            format!("`{}` is not a URL that can be asked", server.url),
            "write it like \"https://crm.example.com/route\", without user name and fragment",
        ),
        Some((Scheme::Http, host)) if !server.insecure && !is_loopback(host) => problems.add(
            at,
            format!(
                "`{host}` is another host, and http would show it customers' calls unprotected"
            ),
            "use https, or say `insecure = true` if nobody else can reach that network",
        ),
        Some((Scheme::Http, _)) if server.has_ca => problems.add(
            format!("{path}.ca_file"),
            "http knows no certificates",
            "use https, or leave it out",
        ),
        Some(_) => {}
    }
}

fn expression(problems: &mut Problems, path: &str, ask: &Ask, calendars: &[Calendar]) {
    let Some(text) = &ask.when else {
        if let Some(zone) = &ask.zone {
            problems.add(
                format!("{path}.zone"),
                format!("the zone `{zone}` belongs to no expression"),
                "leave it out",
            );
        }
        return;
    };
    let zone = ask.zone.as_deref().unwrap_or("UTC");
    let read = Expression::new(text, zone, calendars);
    let unknown = read.as_ref().ok().and_then(|read| {
        let mut named = read.variables().iter();
        named.find(|named| UNKNOWN_YET.contains(named))
    });
    if let Some(variable) = unknown {
        problems.add(
            format!("{path}.when"),
            format!(
                "nothing is known of `{}` before a server was asked",
                variable.name()
            ),
            "use what the call itself says: uri, to, from, headers, media, source, time, calendar",
        );
    }
    if let Err(wrong) = read {
        let field = match wrong.field {
            "zone" => "zone",
            _ => "when",
        };
        problems.add(format!("{path}.{field}"), wrong.message, wrong.remedy);
    }
}

/// How a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// The scheme and the host of a URL without user name and fragment.
fn host(url: &str) -> Option<(Scheme, &str)> {
    let (scheme, rest) = match url.split_once("://")? {
        ("http", rest) => (Scheme::Http, rest),
        ("https", rest) => (Scheme::Https, rest),
        _ => return None,
    };
    let clean = url.len() <= MAX_URL_BYTES
        && url.bytes().all(|byte| byte.is_ascii_graphic())
        && !url.contains(['#', '\\', '<', '>', '"', '{', '}']);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let named = !host.is_empty() && !host.contains('@');
    let numbered = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (clean && named && numbered).then_some((scheme, host))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    // D13
    #[test]
    fn urls_without_a_plain_host_are_refused() {
        for (url, expected) in [
            (
                "https://crm.example.com/route?x=1",
                Some((Scheme::Https, "crm.example.com")),
            ),
            ("http://127.0.0.1:8080", Some((Scheme::Http, "127.0.0.1"))),
            (
                "https://[2001:db8::1]:8443/",
                Some((Scheme::Https, "[2001:db8::1]")),
            ),
            (
                "https://[2001:db8::1]/",
                Some((Scheme::Https, "[2001:db8::1]")),
            ),
            ("https://user:word@crm.example.com/", None),
            ("https://crm.example.com:0/", None),
            ("https://crm.example.com/#top", None),
            ("https:///route", None),
            ("ftp://crm.example.com/", None),
            ("https://crm.example.com/a b", None),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
        assert!(is_loopback("localhost") && is_loopback("127.9.9.9") && is_loopback("[::1]"));
        assert!(!is_loopback("127.0.0.1.example.com") && !is_loopback("10.0.0.1"));
    }
}
