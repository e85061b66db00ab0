//! From an INVITE to what the rules look at (requirement A2).

use bytes::Bytes;
use patchbay_core::limits::MAX_CHOICE_WORDS;
use patchbay_core::{Facts, Medium, MenuId};
use patchbay_sip::sdp::{Sdp, SdpError};
use patchbay_sip::{HeaderName, Message, Method, NameAddr, ParseError, Uri};
use thiserror::Error;

/// Headers of the link between relay and control start so; they are no part of the caller's
/// request.
const LINK_PREFIX: &str = "P-Patchbay-";

/// Transport and address that the request came from, as the relay saw them.
pub(super) const SOURCE: &str = "P-Patchbay-Source";

/// Why a request's body cannot be served, with the headers that say what could.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadBody {
    pub(super) status: u16,
    pub(super) headers: Vec<(HeaderName, &'static str)>,
}

/// Reads the facts of an INVITE.
pub(super) fn decode(request: &Message) -> Result<Facts, BadBody> {
    let (media, delayed_offer) = media(request)?;
    let (transport, source) = source(request);
    let from = request.from().ok();
    let address = |value: Option<NameAddr>| value.map(|value| value.uri.to_string());
    Ok(Facts {
        request_uri: request.uri().unwrap_or_default().to_owned(),
        to: address(request.to().ok()).unwrap_or_default(),
        from_name: from
            .as_ref()
            .and_then(|f| f.display.clone())
            .unwrap_or_default(),
        from: address(from).unwrap_or_default(),
        headers: headers(request),
        media,
        delayed_offer,
        source,
        transport,
        choice: chosen(request),
        ..Facts::default()
    })
}

/// What the caller chose by the link that it followed: the parameter `choice` of the Request-URI. One that
/// could be no link's is no choice.
fn chosen(request: &Message) -> Vec<String> {
    let uri = request.uri().and_then(|uri| Uri::parse(uri).ok());
    let words = uri.and_then(|uri| words_of_link(uri.params.get("choice")??));
    words.unwrap_or_default()
}

/// The words of a link, which have dots between; none of a text that could be no link's.
pub(crate) fn words_of_link(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let words: Vec<&str> = text.split('.').take(MAX_CHOICE_WORDS + 1).collect();
    let good = |word: &&str| MenuId::new(*word).check().is_ok();
    let all = words.len() <= MAX_CHOICE_WORDS && words.iter().all(good);
    all.then(|| words.into_iter().map(str::to_owned).collect())
}

fn headers(request: &Message) -> Vec<(String, String)> {
    request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .filter(|(name, _)| {
            let start = name.get(..LINK_PREFIX.len());
            !start.is_some_and(|start| start.eq_ignore_ascii_case(LINK_PREFIX))
        })
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .collect()
}

/// `udp;203.0.113.9:5060` as transport and address.
pub(super) fn source(request: &Message) -> (String, Option<std::net::SocketAddr>) {
    let value = request.headers.get(SOURCE).unwrap_or_default();
    let (transport, address) = value.split_once(';').unwrap_or((value, ""));
    (
        transport.trim().to_ascii_lowercase(),
        address.trim().parse().ok(),
    )
}

/// The media wanted, and whether the offer is left to the other side.
fn media(request: &Message) -> Result<(Vec<Medium>, bool), BadBody> {
    let encoding = request
        .headers
        .get(HeaderName::ContentEncoding)
        .unwrap_or("identity");
    if !encoding.trim().eq_ignore_ascii_case("identity") {
        return Err(BadBody {
            status: 415,
            headers: vec![(HeaderName::AcceptEncoding, "identity")],
        });
    }
    if request.body.is_empty() {
        return Ok((Vec::new(), true));
    }
    if !request.has_content_type("application/sdp") {
        return Err(BadBody {
            status: 415,
            headers: vec![(HeaderName::Accept, "application/sdp")],
        });
    }
    Ok((described(&request.body)?, false))
}

fn described(body: &[u8]) -> Result<Vec<Medium>, BadBody> {
    let sdp = Sdp::parse(body).map_err(|error| BadBody {
        status: if error == SdpError::TooManyMedia {
            488
        } else {
            400
        },
        headers: Vec::new(),
    })?;
    let words = sdp
        .session()
        .medias
        .iter()
        .map(|media| String::from(&*media.kind));
    let media = words.zip(sdp.medias()).map(|(kind, media)| Medium {
        kind,
        port: media.port(),
        protocol: media.proto().to_owned(),
        codecs: media
            .codecs()
            .into_iter()
            .map(|codec| codec.name.into())
            .collect(),
    });
    Ok(media.collect())
}

/// Why a text is no INVITE whose facts could be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextError {
    /// Not a SIP message.
    #[error(transparent)]
    Unreadable(#[from] ParseError),
    /// A response, or a request of another kind.
    #[error("not an INVITE request")]
    NotAnInvite,
    /// Its body cannot be served; a real one would be answered so.
    #[error("the body would be answered with {0}")]
    Body(u16),
}

/// The facts of an INVITE given as text, whose lines may end in LF alone, for a dry run.
///
/// # Errors
/// [`TextError`].
pub fn facts_of_text(text: &[u8]) -> Result<Facts, TextError> {
    let message = Message::parse(as_sent(text))?;
    if message.method() != Some(&Method::Invite) {
        return Err(TextError::NotAnInvite);
    }
    decode(&message).map_err(|body| TextError::Body(body.status))
}

/// An INVITE that went through an editor has lost the CR of each line, and its Content-Length no
/// longer fits; the body is then what follows the empty line.
fn as_sent(text: &[u8]) -> Bytes {
    let edited = std::str::from_utf8(text).ok();
    let Some(text) = edited.filter(|text| !text.contains('\r')) else {
        return Bytes::copy_from_slice(text);
    };
    let (head, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let is_length = |line: &&str| {
        let name = line.split(':').next().unwrap_or("").trim_end();
        name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("l")
    };
    let head: Vec<&str> = head.lines().filter(|line| !is_length(line)).collect();
    let rest = rest.replace('\n', "\r\n");
    format!("{}\r\n\r\n{rest}", head.join("\r\n")).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEAD: &str = "INVITE sip:support@example.com SIP/2.0\n\
        Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1\n\
        From: \"Eve\" <sip:eve@example.net>;tag=1\nTo: <sip:support@example.com>\n\
        Call-ID: a\nCSeq: 1 INVITE\nX-Customer: gold\n\
        P-Patchbay-Source: tcp;[2001:db8::7]:5062\np-patchbay-flow: secret\n";

    // A2
    #[test]
    fn media_codecs_source_and_headers_are_read() {
        let sdp = "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
            m=audio 4000 RTP/AVP 8 96\r\na=rtpmap:96 opus/48000/2\r\n\
            m=video 0 RTP/SAVPF 97\r\na=rtpmap:97 VP8/90000\r\n";
        let length = sdp.len();
        let text =
            format!("{HEAD}Content-Type: application/sdp\nContent-Length: {length}\n\n{sdp}");
        let facts = facts_of_text(text.as_bytes()).unwrap();
        assert_eq!(facts.request_uri, "sip:support@example.com");
        assert_eq!(facts.from, "sip:eve@example.net");
        assert_eq!(facts.from_name, "Eve");
        assert_eq!(facts.transport, "tcp");
        assert_eq!(facts.source, Some("[2001:db8::7]:5062".parse().unwrap()));
        assert_eq!(facts.media[0].codecs, ["PCMA", "opus"]);
        assert_eq!(facts.media[0].protocol, "RTP/AVP");
        assert_eq!(
            (facts.media[1].kind.as_str(), facts.media[1].port),
            ("video", 0)
        );
        assert!(!facts.delayed_offer);
        assert!(
            facts
                .headers
                .contains(&("X-Customer".into(), "gold".into()))
        );
        assert!(
            !facts
                .headers
                .iter()
                .any(|(name, _)| name.to_lowercase().contains("patchbay"))
        );
    }

    #[test]
    fn bodies_that_cannot_be_served_say_what_could() {
        let of = |rest: &str| facts_of_text(format!("{HEAD}{rest}").as_bytes());
        assert!(of("\n").unwrap().delayed_offer);
        assert_eq!(
            of("Content-Type: text/plain\n\nhello"),
            Err(TextError::Body(415))
        );
        assert_eq!(
            of("Content-Type: application/sdp\n\nhello"),
            Err(TextError::Body(400))
        );
        let encoded = "Content-Type: application/sdp\nContent-Encoding: gzip\n\nx";
        assert_eq!(of(encoded), Err(TextError::Body(415)));
        let options = HEAD.replace("INVITE", "OPTIONS");
        assert_eq!(
            facts_of_text(format!("{options}\n").as_bytes()),
            Err(TextError::NotAnInvite)
        );
        assert!(matches!(
            facts_of_text(b"hello"),
            Err(TextError::Unreadable(_))
        ));
    }
}
