//! Who a caller is said to be, and by whom: headers that only trusted neighbours may write.
//!
//! P-Asserted-Identity (RFC 3325) is worth what its writer is worth, and so are the Diversion (RFC
//! 5806) and History-Info (RFC 7044) that say how a call came here. From a source outside of the
//! trust domain they are taken away (RFC 3325 section 5), before rules, events and agents see them.
//! From within it they pass unless the caller asked for privacy (RFC 3323, RFC 7044 section 10.1).

use std::net::IpAddr;

use patchbay_core::Network;
use patchbay_sip::{HeaderName, Message};

/// Headers of the trust domain.
const OF_TRUSTED: [HeaderName; 3] = [
    HeaderName::PAssertedIdentity,
    HeaderName::Diversion,
    HeaderName::HistoryInfo,
];

/// Takes away what the source may not say, and what the caller wants kept. Gives how many kinds of
/// headers went.
pub(super) fn screen(request: &mut Message, source: Option<IpAddr>, trusted: &[Network]) -> u64 {
    let believed =
        source.is_some_and(|source| trusted.iter().any(|network| network.contains(source)));
    let privacy = privacy(request);
    let asks = |word: &str| privacy.iter().any(|asked| asked == word);
    let mut taken = 0;
    for header in OF_TRUSTED {
        let private = match header {
            HeaderName::PAssertedIdentity => asks("id"),
            HeaderName::HistoryInfo => asks("history") || asks("header"),
            _ => asks("id") || asks("header"),
        };
        if (!believed || private) && request.headers.remove(header) {
            taken += 1;
        }
    }
    taken
}

/// The words of Privacy (RFC 3323 section 4.2), in lower case.
fn privacy(request: &Message) -> Vec<String> {
    let values = request.headers.all(HeaderName::Privacy);
    values
        .flat_map(|value| value.split([';', ',']))
        .map(|word| word.trim().to_ascii_lowercase())
        .collect()
}

/// The value of a Call-Info (RFC 3261 section 20.9) that leads the agent's phone to what is known
/// of the contact. In the template `{contact}` stands for its identifier, `{from}` for the user part
/// of the caller's URI and `{to}` for that of the one called.
pub(super) fn call_info(template: &str, contact: &str, request: &Message) -> String {
    let user = |address: Result<patchbay_sip::NameAddr, _>| {
        let address = address.ok();
        let user = address.and_then(|address: patchbay_sip::NameAddr| address.uri.user_unescaped());
        escaped(&user.unwrap_or_default())
    };
    let url = template
        .replace("{contact}", &escaped(contact))
        .replace("{from}", &user(request.from()))
        .replace("{to}", &user(request.to()));
    format!("<{url}>;purpose=info")
}

/// Everything but unreserved characters in per cent (RFC 3986 section 2.3).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn request(lines: &str) -> Message {
        let text = format!(
            "INVITE sip:support@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
             From: <sip:+41%20%2f44@h>;tag=1\r\nTo: <sip:support@example.com>\r\nCall-ID: 1\r\n\
             CSeq: 1 INVITE\r\nP-Asserted-Identity: <sip:ceo@example.com>\r\n\
             Diversion: <sip:desk@example.com>;reason=busy\r\nHistory-Info: <sip:a@h>;index=1\r\n\
             {lines}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into_bytes().into()).unwrap()
    }

    fn left(lines: &str, source: &str) -> [bool; 3] {
        let trusted = [Network::parse("10.0.0.0/8").unwrap()];
        let mut request = request(lines);
        screen(&mut request, source.parse().ok(), &trusted);
        OF_TRUSTED.map(|header| request.headers.contains(header))
    }

    // A10; RFC 3325 sections 5 and 7, RFC 3323 section 4.2
    #[test]
    fn only_neighbours_that_are_trusted_may_say_who_calls() {
        assert_eq!(left("", "10.1.2.3"), [true; 3]);
        assert_eq!(left("", "192.0.2.1"), [false; 3]);
        assert_eq!(left("", "unknown"), [false; 3]);
        assert_eq!(left("Privacy: id\r\n", "10.1.2.3"), [false, false, true]);
        assert_eq!(left("Privacy: none\r\n", "10.1.2.3"), [true; 3]);
        let both = "Privacy: critical; history\r\n";
        assert_eq!(left(both, "10.1.2.3"), [true, true, false]);
    }

    // A10
    #[test]
    fn the_agent_is_led_to_what_is_known_of_the_contact() {
        let template = "https://crm.example/pop?c={contact}&from={from}&to={to}";
        let value = call_info(template, "00ff", &request(""));
        let url = "https://crm.example/pop?c=00ff&from=%2B41%20%2F44&to=support";
        assert_eq!(value, format!("<{url}>;purpose=info"));
    }
}
