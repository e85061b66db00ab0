//! Which headers of one side's message the other side sees.
//!
//! Headers that route, identify or authenticate belong to one dialog and are written anew;
//! the rest passes, unless its value names an address that must stay hidden (requirement B6).

use super::sdp::names_any;
use patchbay_sip::Message;

/// Headers that belong to one leg, hop or trust domain, in lower case.
const OF_ONE_LEG: [&str; 53] = [
    "accept-contact",
    "allow",
    "allow-events",
    "authentication-info",
    "authorization",
    "call-id",
    "contact",
    "content-length",
    "content-type",
    "cseq",
    "diversion",
    "event",
    "from",
    "history-info",
    "identity",
    "max-forwards",
    "min-expires",
    "min-se",
    "p-access-network-info",
    "p-asserted-identity",
    "p-called-party-id",
    "p-charging-vector",
    "p-patchbay-flow",
    "p-patchbay-source",
    "p-preferred-identity",
    "p-visited-network-id",
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
    "server",
    "service-route",
    "session-expires",
    "session-id",
    "supported",
    "target-dialog",
    "to",
    "unsupported",
    "user-agent",
    "via",
    "www-authenticate",
];

/// Methods that the buffer server re-addresses within a dialog, for `Allow`.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, MESSAGE, NOTIFY";

/// Copies onto `to` the headers of `from` that may pass, and returns how many were held back
/// because they name a hidden address.
pub fn pass(from: &Message, to: &mut Message, hidden: &[String]) -> u64 {
    let mut held_back = 0;
    for (name, value) in from.headers.iter() {
        let text = name.as_str();
        let own = OF_ONE_LEG
            .binary_search_by(|known| known.cmp(&text.to_ascii_lowercase().as_str()))
            .is_ok();
        // A warning's agent is a host name or address of the side it comes from (RFC 3261 20.43).
        if own || text.eq_ignore_ascii_case("warning") {
            continue;
        }
        if names_any(value, hidden) {
            held_back += 1;
            continue;
        }
        to.headers.push(name.clone(), value);
    }
    held_back
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use patchbay_sip::Method;

    #[test]
    fn the_list_is_sorted() {
        assert!(OF_ONE_LEG.is_sorted());
    }

    // B6
    #[test]
    fn content_passes_and_topology_does_not() {
        let text = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n\
            From: <sip:x@192.0.2.9>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1@192.0.2.9\r\nCSeq: 1 INVITE\r\n\
            Subject: help\r\nX-Origin: host 192.0.2.9\r\nUser-to-User: 41\r\nWarning: 399 h \"x\"\r\n\
            Contact: <sip:x@192.0.2.9>\r\nUser-Agent: phone\r\nContent-Length: 0\r\n\r\n";
        let from = Message::parse(text.as_bytes().to_vec().into()).unwrap();
        let mut to = Message::request(Method::Invite, "sip:c@d");
        assert_eq!(pass(&from, &mut to, &["192.0.2.9".into()]), 1);
        let names: Vec<_> = to
            .headers
            .iter()
            .map(|(n, _)| n.as_str().to_string())
            .collect();
        assert_eq!(names, ["Subject", "User-to-User"]);
    }
}
