//! Messages of rtpengine's ng protocol: a cookie, a space, a bencoded dictionary, one datagram.

use std::net::{IpAddr, SocketAddr};

use super::bencode::{Value, Writer};
use crate::packets::vocabulary::Phones;

/// Names of the two interfaces, as rtpengine is told them: the callers' and the callees'.
pub(super) const INTERFACES: [&str; 2] = ["pub", "priv"];

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request<'a> {
    /// Is it there?
    Ping,
    /// A caller's SDP; the answer holds the one for the callee.
    Offer { call_id: &'a str, phones: Phones },
    /// The callee's SDP; the answer holds the one for the caller.
    Answer { call_id: &'a str, phones: Phones },
    /// The call is over.
    Delete { call_id: &'a str },
    /// Counters.
    Statistics,
}

impl Request<'_> {
    /// The datagram.
    pub fn encode(&self, cookie: u64) -> Vec<u8> {
        let [callers, callees] = INTERFACES;
        let message = match *self {
            Request::Ping => Writer::default().text("command", "ping"),
            Request::Statistics => Writer::default().text("command", "statistics"),
            Request::Delete { call_id } => Writer::default()
                .text("command", "delete")
                .text("call-id", call_id)
                .text("from-tag", "caller"),
            Request::Offer {
                call_id,
                phones: [caller, callee],
            } => media(call_id, caller, callee, &[callers, callees]).text("command", "offer"),
            Request::Answer {
                call_id,
                phones: [caller, callee],
            } => media(call_id, callee, caller, &[callees, callers])
                .text("command", "answer")
                .text("to-tag", "callee"),
        };
        format!("{cookie} {}", message.finish()).into_bytes()
    }
}

fn media(call_id: &str, phone: SocketAddr, other: SocketAddr, direction: &[&str]) -> Writer {
    Writer::default()
        .text("call-id", call_id)
        .text("from-tag", "caller")
        .text("sdp", &sdp(phone))
        .text("ICE", "remove")
        .list("direction", direction)
        .list("replace", &["origin", "session-connection"])
        .text("address-family", family(other))
        .text("transport-protocol", "RTP/AVP")
        .list("rtcp-mux", &["demux"])
        .list("flags", &["trust-address"])
}

/// The SDP of a phone that takes G.711 (RFC 8866); RTCP is on the port above.
fn sdp(phone: SocketAddr) -> String {
    let ip = phone.ip();
    let family = family(phone);
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n",
        phone.port()
    )
}

/// The address family of an address, as SDP calls it.
fn family(address: SocketAddr) -> &'static str {
    if address.is_ipv4() { "IP4" } else { "IP6" }
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply<'a> {
    /// Of the request.
    pub cookie: u64,
    /// What it says.
    pub body: Value<'a>,
}

impl<'a> Reply<'a> {
    /// Reads a datagram; `None` if it is no answer at all.
    pub fn decode(datagram: &'a [u8]) -> Option<Self> {
        let space = datagram.iter().position(|byte| *byte == b' ')?;
        let (cookie, body) = datagram.split_at(space);
        Some(Self {
            cookie: std::str::from_utf8(cookie).ok()?.parse().ok()?,
            body: Value::decode(body.get(1..)?).ok()?,
        })
    }

    /// Why it was refused, if it was.
    pub fn refusal(&self) -> Option<String> {
        let result = self.body.get("result").and_then(Value::text);
        if matches!(result, Some("ok" | "pong")) {
            return None;
        }
        let reason = self.body.get("error-reason").and_then(Value::text);
        Some(reason.or(result).unwrap_or("no result").to_owned())
    }

    /// Where rtpengine wants RTP; RTCP has to be wanted on the port above.
    pub fn media(&self) -> Option<SocketAddr> {
        parse_sdp(self.body.get("sdp")?.text()?)
    }

    /// A counter of `statistics`.
    pub fn counter(&self, group: &str, name: &str) -> Option<u64> {
        let group = self.body.get("statistics")?.get(group)?;
        u64::try_from(group.get(name)?.integer()?).ok()
    }
}

/// Address of the only audio stream. An `a=rtcp` (RFC 3605) must name the port above.
fn parse_sdp(sdp: &str) -> Option<SocketAddr> {
    let value = |prefix: &'static str| sdp.lines().find_map(move |line| line.strip_prefix(prefix));
    let ip: IpAddr = value("c=IN IP4 ")
        .or_else(|| value("c=IN IP6 "))?
        .trim()
        .parse()
        .ok()?;
    let port: u16 = value("m=audio ")?.split(' ').next()?.parse().ok()?;
    let rtcp = match value("a=rtcp:") {
        Some(rtcp) => rtcp.split_whitespace().next()?.parse().ok()?,
        None => port.checked_add(1)?,
    };
    let usable = port > 0 && port.checked_add(1) == Some(rtcp) && value("a=rtcp-mux").is_none();
    usable.then(|| SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_offer_is_a_cookie_and_a_sorted_dictionary() {
        let phones = ["10.0.0.1:4000", "[fd99::1]:5000"].map(|phone| phone.parse().unwrap());
        let offer = Request::Offer {
            call_id: "c1",
            phones,
        };
        let datagram = offer.encode(7);
        let reply = Reply::decode(&datagram).unwrap();
        assert_eq!(reply.cookie, 7);
        assert_eq!(reply.body.get("command").unwrap().text(), Some("offer"));
        assert_eq!(reply.media(), Some(phones[0]));
        let family = reply.body.get("address-family").and_then(Value::text);
        assert_eq!(family, Some("IP6"));
        let direction = vec![Value::Bytes(b"pub"), Value::Bytes(b"priv")];
        assert_eq!(reply.body.get("direction"), Some(&Value::List(direction)));
        let Value::Dictionary(entries) = &reply.body else {
            unreachable!("decode gave its entries");
        };
        assert!(entries.is_sorted_by_key(|(key, _)| *key));
    }

    #[test]
    fn the_other_requests_say_what_they_are() {
        let phones = ["10.0.0.1:4000", "[fd99::1]:5000"].map(|phone| phone.parse().unwrap());
        let call_id = "c1";
        for (request, text) in [
            (Request::Ping, "3 d7:command4:pinge"),
            (Request::Statistics, "3 d7:command10:statisticse"),
            (
                Request::Delete { call_id },
                "3 d7:call-id2:c17:command6:delete8:from-tag6:callere",
            ),
        ] {
            assert_eq!(String::from_utf8(request.encode(3)).unwrap(), text);
        }
        let answer = Request::Answer { call_id, phones }.encode(3);
        let answer = Reply::decode(&answer).unwrap();
        assert_eq!(answer.media(), Some(phones[1]));
        let family = answer.body.get("address-family").and_then(Value::text);
        assert_eq!(family, Some("IP4"));
        assert_eq!(answer.body.get("to-tag").unwrap().text(), Some("callee"));
    }

    #[test]
    fn answers_tell_refusal_and_counters() {
        let reply = Reply::decode(b"12 d6:result4:ponge").unwrap();
        assert_eq!((reply.cookie, reply.refusal()), (12, None));
        let refused = Reply::decode(b"1 d12:error-reason4:full6:result5:errore").unwrap();
        assert_eq!(refused.refusal(), Some("full".to_owned()));
        assert_eq!(
            Reply::decode(b"1 de").unwrap().refusal(),
            Some("no result".to_owned())
        );
        let text = b"1 d10:statisticsd15:totalstatisticsd7:packetsi5e3:badi-1eee6:result2:oke";
        let counted = Reply::decode(text).unwrap();
        assert_eq!(counted.counter("totalstatistics", "packets"), Some(5));
        assert_eq!(counted.counter("totalstatistics", "bad"), None);
        assert_eq!(counted.counter("else", "packets"), None);
        for senseless in ["", "1", "x de", "1 d", "1  de", "-1 de"] {
            assert_eq!(Reply::decode(senseless.as_bytes()), None, "{senseless}");
        }
    }

    #[test]
    fn only_usable_media_are_taken() {
        let sdp = |end: &str| format!("v=0\r\nc=IN IP4 10.0.0.1\r\n{end}");
        let usable = Some("10.0.0.1:1024".parse().unwrap());
        for (text, media) in [
            (sdp("m=audio 1024 RTP/AVP 0\r\na=rtcp:1025\r\n"), usable),
            (sdp("m=audio 1024 RTP/AVP 0\r\n"), usable),
            (sdp("m=audio 1024 RTP/AVP 0\r\na=rtcp:1027\r\n"), None),
            (sdp("m=audio 1024 RTP/AVP 0\r\na=rtcp-mux\r\n"), None),
            (sdp("m=audio 0 RTP/AVP 0\r\n"), None),
            (sdp("m=audio 70000 RTP/AVP 0\r\n"), None),
            (sdp("m=video 1024 RTP/AVP 0\r\n"), None),
            ("m=audio 1024 RTP/AVP 0\r\n".to_owned(), None),
        ] {
            assert_eq!(parse_sdp(&text), media, "{text}");
        }
    }
}
