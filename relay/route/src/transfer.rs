//! Transfer of control: the agent's identifier appended to the buffer server's URI as URI
//! parameters (requirement B2), signed so that nobody outside can make a relay call an agent. The
//! INVITE with this URI travels in one of several ways ([`Carrier`]); it is the same in each.
//!
//! The signature is HMAC-SHA256 (RFC 2104) over the URI up to its `sig` parameter, the Call-ID
//! and the caller's From tag: a captured URI is of no use in another dialog, and the relay
//! refuses a signature that it has seen before.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE, HEXUPPER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Longest transfer URI accepted, in bytes.
pub const MAX_TRANSFER_URI_BYTES: usize = 4096;
/// Longest time that a transfer may be valid for, in seconds; a longer `exp` is refused.
pub const MAX_TRANSFER_VALIDITY_S: u64 = 300;
/// Shortest link secret accepted, in bytes.
pub const MIN_SECRET_BYTES: usize = 16;

/// The URI in front of the parameters: the buffer server, whichever host it is.
pub const TRANSFER_URI: &str = "sip:relay.invalid";

/// Where answers to what control sends in envelopes go: control, whichever host it is.
pub const CONTROL_URI: &str = "sip:control.invalid";

/// How a transferred INVITE, and all that belongs to it, travels between control and relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carrier {
    /// As a request of its own on the connection between the two (requirement B2).
    #[default]
    Uri,
    /// As the body of a MESSAGE on the same connection (requirement B4).
    Message,
    /// By a tunnel: a stream of HTTP/2 (RFC 9113) from control to the relay's private API for each
    /// transfer (requirement B5).
    Tunnel,
}

/// Where the relay's private API takes tunnels: POST, by HTTP/2 alone. What either side sends is
/// SIP messages one after the other, each with its Content-Length (RFC 3261 section 18.3).
pub const TUNNEL_PATH: &str = "/relay/v1/tunnel";

/// Tunnels on one connection at a time; the next transfer finds no agent.
pub const MAX_TUNNELS: u32 = 16_384;

/// Connection numbers of tunnels, on both sides; those of sockets are below, or from 2^63 on.
pub const TUNNELS: core::ops::Range<u64> = 1 << 61..1 << 62;

impl Carrier {
    /// All of them.
    pub const ALL: [Carrier; 3] = [Carrier::Uri, Carrier::Message, Carrier::Tunnel];

    /// As the configuration names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Carrier::Uri => "uri",
            Carrier::Message => "message",
            Carrier::Tunnel => "tunnel",
        }
    }
}

/// In the place of an agent's contact URI, where a caller waits and is to hear something.
pub const WAITING_URI: &str = "sip:waiting.invalid";

/// The body type of an INFO by which control has something said to a caller who waits: a
/// [`Say`](crate::waiting::Say) as JSON.
pub const SAY_TYPE: &str = "application/vnd.patchbay.say+json";

/// What a caller hears who waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hears {
    /// The name of the music; empty: silence.
    pub music: String,
    /// The language of what is said to him, by the name of its folder of prompts.
    pub language: String,
    /// Whether the call is answered before, so that the caller may wait as long as it takes.
    pub answered: bool,
}

/// Whom the relay shall call, and what for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferTarget {
    /// The agent's contact URI, or [`WAITING_URI`].
    pub agent_uri: String,
    /// The Path of the agent's registration (RFC 3327), if it has one.
    pub path: Option<String>,
    /// The agent's address of record, shown to the phone as To; the contact URI if absent.
    pub aor: Option<String>,
    /// The agent's identifier.
    pub agent_id: String,
    /// The contact.
    pub contact: String,
    /// The offer.
    pub offer: String,
    /// Whether the agent's phone is asked to tell when the call is over (requirement A9).
    pub notice: bool,
    /// Nobody is called: the caller waits, and hears this from the relay itself.
    pub hears: Option<Hears>,
    /// The caller has been answered and waits: who is called takes the place of what it hears.
    pub joins: bool,
}

/// Why a transfer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// Not a transfer URI at all.
    #[error("not a transfer URI")]
    NotATransfer,
    /// A parameter is missing, or cannot be read.
    #[error("the transfer parameter `{0}` is missing or unreadable")]
    Parameter(&'static str),
    /// Longer than [`MAX_TRANSFER_URI_BYTES`].
    #[error("the transfer URI is too long")]
    TooLong,
    /// The signature is not ours.
    #[error("the transfer's signature does not match: both hosts need the same link secret")]
    Forged,
    /// Past its time, or valid for longer than allowed.
    #[error("the transfer has expired: are the clocks of both hosts right?")]
    Expired,
}

/// A transfer that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whom to call.
    pub target: TransferTarget,
    /// Until when it counts, in seconds of Unix time.
    pub expires_unix: u64,
    /// The signature; remember it until `expires_unix` to refuse a replay.
    pub signature: [u8; 32],
}

/// Whether a Request-URI asks for a transfer; says nothing about its signature.
pub fn is_transfer(uri: &str) -> bool {
    uri.strip_prefix(TRANSFER_URI)
        .is_some_and(|rest| rest.starts_with(";agent="))
}

/// The signed Request-URI for `target` in the caller's dialog.
pub fn sign(
    secret: &[u8],
    target: &TransferTarget,
    call_id: &str,
    from_tag: &str,
    expires_unix: u64,
) -> String {
    let mut uri = format!("{TRANSFER_URI};agent={}", escape(&target.agent_uri));
    for (name, value) in [("path", &target.path), ("aor", &target.aor)] {
        if let Some(value) = value {
            uri.push_str(&format!(";{name}={}", escape(value)));
        }
    }
    uri.push_str(&format!(
        ";agentid={};contact={};offer={};exp={expires_unix}",
        escape(&target.agent_id),
        escape(&target.contact),
        escape(&target.offer)
    ));
    if target.notice {
        uri.push_str(";notice=dialog");
    }
    if let Some(hears) = &target.hears {
        let (music, language) = (escape(&hears.music), escape(&hears.language));
        uri.push_str(&format!(";music={music};language={language}"));
        if hears.answered {
            uri.push_str(";answer=yes");
        }
    }
    if target.joins {
        uri.push_str(";joins=waiting");
    }
    let signature = keyed(secret, &uri, call_id, from_tag).finalize();
    uri.push_str(";sig=");
    HEXLOWER.encode_append(&signature.into_bytes(), &mut uri);
    uri
}

/// Checks a Request-URI and reads whom it asks to call.
pub fn verify(
    secret: &[u8],
    uri: &str,
    call_id: &str,
    from_tag: &str,
    now_unix: u64,
) -> Result<Verified, TransferError> {
    if !is_transfer(uri) {
        return Err(TransferError::NotATransfer);
    }
    if uri.len() > MAX_TRANSFER_URI_BYTES {
        return Err(TransferError::TooLong);
    }
    let (signed, signature) = uri
        .rsplit_once(";sig=")
        .ok_or(TransferError::Parameter("sig"))?;
    let signature = from_hex(signature).ok_or(TransferError::Parameter("sig"))?;
    keyed(secret, signed, call_id, from_tag)
        .verify_slice(&signature)
        .map_err(|_| TransferError::Forged)?;
    let all = &parameters(signed);
    let expires_unix = parameter(all, "exp")
        .and_then(|value| value.parse().ok())
        .ok_or(TransferError::Parameter("exp"))?;
    if expires_unix < now_unix || expires_unix - now_unix > MAX_TRANSFER_VALIDITY_S {
        return Err(TransferError::Expired);
    }
    let need = |name: &'static str| parameter(all, name).ok_or(TransferError::Parameter(name));
    let target = TransferTarget {
        agent_uri: need("agent")?,
        path: parameter(all, "path"),
        aor: parameter(all, "aor"),
        agent_id: need("agentid")?,
        contact: need("contact")?,
        offer: need("offer")?,
        notice: parameter(all, "notice").as_deref() == Some("dialog"),
        hears: parameter(all, "music").map(|music| Hears {
            music,
            language: parameter(all, "language").unwrap_or_default(),
            answered: parameter(all, "answer").as_deref() == Some("yes"),
        }),
        joins: parameter(all, "joins").as_deref() == Some("waiting"),
    };
    Ok(Verified {
        target,
        expires_unix,
        signature,
    })
}

fn keyed(secret: &[u8], uri: &str, call_id: &str, from_tag: &str) -> Hmac<Sha256> {
    // A key of any length is valid for HMAC; the fallback cannot be reached.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret)
        .unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    for part in [uri, call_id, from_tag] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac
}

/// The parameters of a URI, as they are written.
fn parameters(uri: &str) -> Vec<(&str, &str)> {
    let all = uri.split(';').skip(1);
    all.filter_map(|parameter| parameter.split_once('='))
        .collect()
}

fn parameter(all: &[(&str, &str)], name: &str) -> Option<String> {
    let (_, value) = all.iter().find(|(key, _)| *key == name)?;
    unescape(value)
}

/// Percent-escapes everything but RFC 3986 unreserved characters.
fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 8);
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                out.push('%');
                HEXUPPER.encode_append(&[byte], &mut out);
            }
        }
    }
    out
}

fn unescape(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            let mut escaped = [0];
            HEXLOWER_PERMISSIVE.decode_mut(&pair, &mut escaped).ok()?;
            bytes.extend(escaped);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    if text.len() != 2 * out.len() {
        return None;
    }
    HEXLOWER_PERMISSIVE
        .decode_mut(text.as_bytes(), &mut out)
        .ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn target() -> TransferTarget {
        TransferTarget {
            agent_uri: "sip:anna@[2001:db8::7]:5090;transport=tcp".into(),
            path: Some("<sip:tok%41en@192.0.2.1;lr;ob>".into()),
            aor: None,
            agent_id: "anna".into(),
            contact: "c-1".into(),
            offer: "o=1;sig=00".into(),
            notice: true,
            hears: None,
            joins: false,
        }
    }

    // B2
    #[test]
    fn what_was_signed_is_read_back() {
        let uri = sign(SECRET, &target(), "call", "tag", 1030);
        let read = verify(SECRET, &uri, "call", "tag", 1000).unwrap();
        assert_eq!(read.target, target());
        assert_eq!(read.expires_unix, 1030);
    }

    // D14
    #[test]
    fn what_a_caller_hears_is_read_back() {
        for music in ["", "shop/soft music;1"] {
            for answered in [false, true] {
                let hears = Hears {
                    music: music.into(),
                    language: "de".into(),
                    answered,
                };
                let target = TransferTarget {
                    agent_uri: WAITING_URI.into(),
                    hears: Some(hears),
                    joins: answered,
                    ..target()
                };
                let uri = sign(SECRET, &target, "call", "tag", 1030);
                let read = verify(SECRET, &uri, "call", "tag", 1000).unwrap();
                assert_eq!(read.target, target);
            }
        }
    }

    #[test]
    fn another_dialog_secret_time_or_agent_is_refused() {
        let uri = sign(SECRET, &target(), "call", "tag", 1030);
        let refused = |uri: &str, secret: &[u8], call: &str, tag: &str, now: u64| {
            verify(secret, uri, call, tag, now).unwrap_err()
        };
        assert_eq!(
            refused(&uri, SECRET, "call2", "tag", 1000),
            TransferError::Forged
        );
        assert_eq!(
            refused(&uri, SECRET, "call", "tag2", 1000),
            TransferError::Forged
        );
        assert_eq!(
            refused(&uri, b"another secret..", "call", "tag", 1000),
            TransferError::Forged
        );
        assert_eq!(
            refused(&uri, SECRET, "call", "tag", 1031),
            TransferError::Expired
        );
        assert_eq!(
            refused(&uri, SECRET, "call", "tag", 1),
            TransferError::Expired
        );
        let other = uri.replace("agentid=anna", "agentid=bert");
        assert_eq!(
            refused(&other, SECRET, "call", "tag", 1000),
            TransferError::Forged
        );
        let appended = format!("{uri};agent=sip%3Aevil%40192.0.2.66");
        assert!(verify(SECRET, &appended, "call", "tag", 1000).is_err());
    }

    #[test]
    fn what_is_no_transfer_is_said_to_be_none() {
        for uri in [
            "",
            "sip:a@b",
            "sip:relay.invalid",
            "sip:relay.invalid;x=agent=",
        ] {
            assert_eq!(
                verify(SECRET, uri, "c", "t", 0),
                Err(TransferError::NotATransfer)
            );
        }
        assert_eq!(
            verify(SECRET, "sip:relay.invalid;agent=x;sig=zz", "c", "t", 0),
            Err(TransferError::Parameter("sig"))
        );
    }
}
