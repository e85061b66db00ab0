//! Which headers of one side's message the other side sees.
//!
//! Headers that route, identify or authenticate belong to one dialog and are written anew;
//! the rest passes, known or not, unless its value names something that must stay hidden
//! (requirements B6, D11).

use super::sdp::names_any;
use patchbay_sip::{HeaderName, Message, Method, Text};

/// Headers that belong to one leg, hop or trust domain, in lower case. All of `P-…` (RFC 3427
/// section 4.1: private to a domain) belong to them too.
const OF_ONE_LEG: [&str; 49] = [
    "accept-contact",
    "allow",
    "authentication-info",
    "authorization",
    "call-id",
    "contact",
    "content-length",
    "content-type",
    "cseq",
    "diversion",
    "from",
    "history-info",
    "identity",
    "identity-info",
    "in-reply-to",
    "join",
    "max-forwards",
    "min-expires",
    "min-se",
    "path",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-require",
    "rack",
    "record-route",
    "refer-to",
    "referred-by",
    "reject-contact",
    "remote-party-id",
    "replaces",
    "require",
    "retry-after",
    "route",
    "rseq",
    "security-client",
    "security-server",
    "security-verify",
    "server",
    "service-route",
    "session-expires",
    "session-id",
    "supported",
    "target-dialog",
    "to",
    "user-agent",
    "via",
    // A warning's agent is a host name or address of the side it comes from (RFC 3261 20.43).
    "warning",
    "www-authenticate",
];

/// Option tags (RFC 3261 section 19.2) that concern one leg alone: the relay does what they ask
/// for itself, or there is nothing to do on a leg.
const OPTIONS_OF_ONE_LEG: [&str; 7] = [
    "gruu",
    "join",
    "outbound",
    "path",
    "replaces",
    "sec-agree",
    "timer",
];

/// The option tag of RFC 3262.
pub const RELIABLE: &str = "100rel";

/// What the relay itself does on each leg, for `Supported`: RFC 3891 and RFC 4028.
pub const SUPPORTED: &str = "replaces, timer";

/// Methods that pass in a dialog whatever a phone says of itself, for `Allow`.
pub const ALLOW: [Method; 12] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Prack,
    Method::Update,
    Method::Options,
    Method::Info,
    Method::Message,
    Method::Notify,
    Method::Subscribe,
    Method::Refer,
];

/// Methods without which there is no call; no policy can deny them.
pub const NEEDED: [Method; 5] = [
    Method::Invite,
    Method::Ack,
    Method::Cancel,
    Method::Bye,
    Method::Prack,
];

/// Copies onto `to` the headers of `from` that may pass, and returns how many were held back
/// because they name something hidden.
pub fn pass(from: &Message, to: &mut Message, hidden: &[Text]) -> u64 {
    let mut held_back = 0;
    for (name, value) in from.headers.iter() {
        if is_of_one_leg(name.as_str()) {
            continue;
        }
        // An address is also a token, and so the name of a header that nobody knows.
        if names_any(value, hidden) || names_any(name.as_str(), hidden) {
            held_back += 1;
            continue;
        }
        to.headers.push(name.clone(), value);
    }
    held_back
}

fn is_of_one_leg(name: &str) -> bool {
    let lower = || name.bytes().map(|byte| byte.to_ascii_lowercase());
    let is_private = name
        .get(..2)
        .is_some_and(|start| start.eq_ignore_ascii_case("p-"));
    is_private
        || OF_ONE_LEG
            .binary_search_by(|known| known.bytes().cmp(lower()))
            .is_ok()
}

/// Copies the option tags of `Supported` and `Require` that concern both ends. That an answer
/// wants a PRACK is not copied: its number has to be written anew with it.
pub fn pass_options(from: &Message, to: &mut Message) {
    let passing = |name: HeaderName| {
        let tags = from.headers.all_split(name);
        let both = tags.filter(|tag| {
            let own = OPTIONS_OF_ONE_LEG.iter();
            !own.chain((!from.is_request()).then_some(&RELIABLE))
                .any(|own| own.eq_ignore_ascii_case(tag))
        });
        both.collect::<Vec<_>>().join(", ")
    };
    let require = passing(HeaderName::Require);
    if !require.is_empty() {
        to.headers.push(HeaderName::Require, require);
    }
    let supported = match passing(HeaderName::Supported) {
        tags if tags.is_empty() => Text::from(SUPPORTED),
        tags => Text::written(&format_args!("{SUPPORTED}, {tags}")),
    };
    to.headers.push(HeaderName::Supported, supported);
}

/// Adds `Allow`: what the other side said that it can do, or all that the relay passes; without
/// what policy denies.
pub fn pass_allow(from: &Message, to: &mut Message, denied: &[Method]) {
    let said: Vec<Method> = from
        .headers
        .all_split(HeaderName::Allow)
        .map(Method::from)
        .collect();
    let all = if said.is_empty() { &ALLOW[..] } else { &said };
    to.headers.push(HeaderName::Allow, allow(all, denied));
}

/// The value of `Allow` for `all` without those that policy denies.
pub fn allow(all: &[Method], denied: &[Method]) -> String {
    let passing = all.iter().filter(|method| !denied.contains(method));
    let words: Vec<&str> = passing.map(Method::as_str).collect();
    words.join(", ")
}

/// Who the caller is said to be and how the call came here: control has taken away what no trusted
/// neighbour wrote (RFC 3325), so that what a transfer still carries is for the agent.
const OF_CONTROL: [HeaderName; 3] = [
    HeaderName::PAssertedIdentity,
    HeaderName::Diversion,
    HeaderName::HistoryInfo,
];

/// Copies onto the agent's INVITE what a transfer says of the caller's identity, and returns how many
/// were held back because they name a hidden address.
pub fn pass_identity(transfer: &Message, to: &mut Message, hidden: &[Text]) -> u64 {
    let mut held_back = 0;
    for name in OF_CONTROL {
        for value in transfer.headers.all(name.clone()) {
            if names_any(value, hidden) {
                held_back += 1;
            } else {
                to.headers.push(name.clone(), value);
            }
        }
    }
    held_back
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(lines: &str) -> Message {
        let text = format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
            From: <sip:x@192.0.2.9>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1@192.0.2.9\r\n\
            CSeq: 1 INVITE\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into_bytes().into()).unwrap()
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(OF_ONE_LEG.is_sorted());
    }

    // B6, D11
    #[test]
    fn content_passes_and_topology_does_not() {
        let from = message(
            "Subject: help\r\nX-Origin: host 192.0.2.9\r\nUser-to-User: 41\r\n\
            Warning: 399 h \"x\"\r\nContact: <sip:x@192.0.2.9>\r\nUser-Agent: phone\r\n\
            P-Made-Up: x\r\nIn-Reply-To: 7@host\r\n",
        );
        let mut to = Message::request(Method::Invite, "sip:c@d");
        assert_eq!(pass(&from, &mut to, &["192.0.2.9".into()]), 1);
        let names: Vec<_> = to
            .headers
            .iter()
            .map(|(n, _)| n.as_str().to_string())
            .collect();
        assert_eq!(names, ["Subject", "User-to-User"]);
    }

    // B6
    #[test]
    fn options_of_both_ends_pass_and_those_of_a_leg_are_ours() {
        let from =
            message("k: 100rel, Timer, x-new\r\nSupported: path\r\nRequire: gruu, 100rel\r\n");
        let mut to = Message::request(Method::Invite, "sip:c@d");
        pass_options(&from, &mut to);
        assert_eq!(to.headers.get(HeaderName::Require), Some("100rel"));
        let supported = to.headers.get(HeaderName::Supported);
        assert_eq!(supported, Some("replaces, timer, 100rel, x-new"));
    }

    // B6
    #[test]
    fn what_a_side_can_do_is_told_without_what_policy_denies() {
        let denied = [Method::Refer];
        let told = |lines: &str| {
            let mut to = Message::request(Method::Invite, "sip:c@d");
            pass_allow(&message(lines), &mut to, &denied);
            to.headers.get(HeaderName::Allow).unwrap().to_owned()
        };
        assert_eq!(
            told("Allow: INVITE, REFER\r\nAllow: FOO\r\n"),
            "INVITE, FOO"
        );
        assert!(told("").contains("UPDATE") && !told("").contains("REFER"));
    }
}
