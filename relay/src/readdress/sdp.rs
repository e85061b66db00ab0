//! Session descriptions (RFC 8866) as they cross the relay.
//!
//! A description is read once into [`Description`], which says per medium where its sender
//! receives; [`Description::readdressed`] writes it for the other side with the relay's addresses
//! in the place of every one of the sender's.

use memchr::memchr2_iter;
use patchbay_route::pair::{Profile, Remote};
use patchbay_route::reception::MAX_CLOCK_HZ;
use patchbay_sip::Text;
use patchbay_sip::sdp::{Attribute, Direction, MediaView, Sdp};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use thiserror::Error;

/// Most media lines of one description that a session relays.
pub const MAX_MEDIA_LINES: usize = 8;

/// Transport of fax (T.38) over UDP (ITU-T T.38 annex D). Its packets are not RTP: nothing of them
/// is looked at.
const UDPTL: &str = "udptl";

/// Transports whose packets the engine re-addresses (RTP profiles of RFC 3551, 3711, 4585, 5764,
/// and fax).
const RELAYED_PROTOCOLS: [&str; 7] = [
    "RTP/AVP",
    "RTP/AVPF",
    "RTP/SAVP",
    "RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "UDP/TLS/RTP/SAVPF",
    UDPTL,
];

/// Why a description cannot be relayed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SdpError {
    /// More media than [`MAX_MEDIA_LINES`].
    #[error("the session description has more than {MAX_MEDIA_LINES} media")]
    TooManyMedia,
    /// Not SDP, or too long.
    #[error(transparent)]
    Syntax(#[from] patchbay_sip::sdp::SdpError),
    /// A connection address that is missing, a host name, or one no packet may be sent to.
    #[error("medium {0} has no usable connection address")]
    Address(usize),
}

/// Where the sender of a description receives one medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// RTP, or another flow over UDP, that the engine re-addresses.
    Relayed {
        /// The kind of medium: `audio`, `video`, …
        medium: Text,
        /// Where RTP shall go.
        rtp: SocketAddr,
        /// Where RTCP shall go unless it is multiplexed.
        rtcp: SocketAddr,
        /// RTCP may come to `rtp`, if the other description says so too (RFC 5761).
        mux: bool,
        /// The sender wants no packets now (`c=0.0.0.0`, RFC 3264 section 8.4).
        held: bool,
        /// The sender wants media: not `sendonly`, not `inactive`.
        receives: bool,
        /// The sender receives where it sends from. Only `a=direction:passive`, by which some
        /// gateways say that what they send tells nothing of where they receive, denies it.
        symmetric: bool,
        /// Encrypted by the protocol's name, or opportunistically (RFC 8643), or no RTP at all.
        profile: Profile,
        /// Clock of the RTP timestamps of its first codec, in Hz; 0 if it is not known.
        clock_hz: u32,
    },
    /// Refused by its sender (port 0), or a transport that is not relayed.
    Refused,
}

impl Line {
    /// What the engine is told of a medium's sender: `local` is where the relay receives from it.
    /// None for a refused one. The clock is not said: that is the answer's, whosever line this is.
    pub fn remote(&self, local: SocketAddr, other: Option<&Line>) -> Option<Remote> {
        let Line::Relayed {
            rtp,
            rtcp,
            mux,
            held,
            receives,
            symmetric,
            profile,
            ..
        } = self
        else {
            return None;
        };
        let agreed = *mux && matches!(other, Some(Line::Relayed { mux: true, .. }));
        let (rtp, rtcp) = match (*held, agreed) {
            (true, _) => (nowhere(local), nowhere(local)),
            (false, true) => (*rtp, *rtp),
            (false, false) => (*rtp, *rtcp),
        };
        Some(Remote {
            receives: *receives,
            symmetric: *symmetric,
            profile: *profile,
            ..Remote::new(rtp, rtcp, rtp.ip(), Duration::ZERO)
        })
    }
}

impl Line {
    /// Clock of the RTP timestamps of both directions, in Hz, if this is an answer's line: the
    /// first codec of an answer is the one that is used (RFC 3264 section 6.1). 0 if not known.
    pub fn clock_hz(&self) -> u32 {
        match self {
            Line::Relayed { clock_hz, .. } => *clock_hz,
            Line::Refused => 0,
        }
    }
}

/// A description that was read, and its media lines in order.
#[derive(Debug, Clone)]
pub struct Description {
    sdp: Box<Sdp>,
    lines: Vec<Line>,
}

/// What the relay puts in `o=` toward one side: constant but for the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginLine {
    /// Session identifier, the same for the life of the dialog.
    pub id: u64,
    /// Rises with every description sent in the dialog (RFC 3264 section 8).
    pub version: u64,
    /// The relay's address on that side.
    pub address: IpAddr,
}

impl Description {
    /// Reads a description.
    pub fn read(body: &[u8]) -> Result<Self, SdpError> {
        let sdp = Sdp::parse(body)?;
        if sdp.len() > MAX_MEDIA_LINES {
            return Err(SdpError::TooManyMedia);
        }
        let lines = sdp
            .medias()
            .enumerate()
            .map(|(index, media)| line(&sdp, &media, index).ok_or(SdpError::Address(index)))
            .collect::<Result<_, _>>()?;
        let sdp = Box::new(sdp);
        Ok(Self { sdp, lines })
    }

    /// The media lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether no medium flows: each is refused, taken away or asks for silence.
    pub fn asks_for_hold(&self) -> bool {
        let mut active = self.sdp.medias().filter(|media| media.port() != 0);
        !self.lines.is_empty() && active.all(|media| media.is_hold())
    }

    /// The description for the other side: `locals` holds, for each media line, where the relay
    /// receives RTP from that side, RTCP on the next port (none refuses the medium). Nothing that
    /// names an address in `hidden` is left in.
    pub fn readdressed(
        &self,
        origin: OriginLine,
        locals: &[Option<SocketAddr>],
        hidden: &[impl AsRef<str>],
    ) -> bytes::Bytes {
        let mut sdp = Sdp::clone(&self.sdp);
        sdp.hide(origin.address, origin.id, origin.version);
        let session = sdp.session_mut();
        session
            .bandwidths
            .retain(|bandwidth| !names_any(bandwidth, hidden));
        session
            .attributes
            .retain(|attribute| may_pass(attribute, hidden));
        for media in &mut session.medias {
            media.title = None;
            // What stands there is a word of a registry, or nobody's: nothing is lost with it.
            for word in [&mut media.kind, &mut media.proto, &mut media.formats] {
                if names_any(word, hidden) {
                    *word = Text::from_static("-");
                }
            }
            media
                .bandwidths
                .retain(|bandwidth| !names_any(bandwidth, hidden));
            media
                .attributes
                .retain(|attribute| may_pass(attribute, hidden));
        }
        for (index, line) in self.lines.iter().enumerate() {
            let local = locals.get(index).copied().flatten();
            // The index is that of a line of this very description.
            let _ = match (line, local) {
                (Line::Relayed { held, .. }, Some(local)) => {
                    let rtp = if *held { nowhere(local) } else { local };
                    let rtcp = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
                    sdp.readdress(index, rtp, rtcp)
                }
                _ => sdp.refuse(index),
            };
        }
        sdp.encode()
    }
}

/// Whether the other side may see an attribute. The canonical name in a source attribute is user@host
/// (RFC 5576, RFC 3550).
fn may_pass(attribute: &Attribute, hidden: &[impl AsRef<str>]) -> bool {
    !attribute.name().eq_ignore_ascii_case("ssrc") && !names_any(attribute.whole(), hidden)
}

/// `c=0.0.0.0`: an old hold stays one for the other side.
fn nowhere(local: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match local {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, local.port())
}

/// Whether a text names one of the hidden addresses. Hosts are the same in small and in capital
/// letters (RFC 3261 section 19.1.4, RFC 5954 section 4.2).
pub fn names_any(text: &str, hidden: &[impl AsRef<str>]) -> bool {
    hidden
        .iter()
        .any(|name| names(text.as_bytes(), name.as_ref().as_bytes()))
}

fn names(text: &[u8], name: &[u8]) -> bool {
    let Some(first) = name.first() else {
        return false;
    };
    let (small, capital) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr2_iter(small, capital, text).any(|at| {
        let there = text.get(at..at + name.len());
        there.is_some_and(|there| there.eq_ignore_ascii_case(name))
    })
}

/// The kind of a media line, as it is written.
fn kind(sdp: &Sdp, index: usize) -> Text {
    let media = sdp.session().medias.get(index);
    media.map(|media| media.kind.clone()).unwrap_or_default()
}

fn line(sdp: &Sdp, media: &MediaView<'_>, index: usize) -> Option<Line> {
    let relayed = RELAYED_PROTOCOLS
        .iter()
        .any(|known| media.proto().eq_ignore_ascii_case(known));
    if media.port() == 0 || !relayed {
        return Some(Line::Refused);
    }
    let rtp = media.rtp_address()?;
    let broadcast = matches!(rtp.ip(), IpAddr::V4(v4) if v4.is_broadcast());
    if rtp.ip().is_multicast() || broadcast {
        return None;
    }
    let mux = media.rtcp_mux();
    Some(Line::Relayed {
        medium: kind(sdp, index),
        rtp,
        rtcp: media.rtcp_address().or(mux.then_some(rtp))?,
        mux,
        held: rtp.ip().is_unspecified(),
        receives: !matches!(media.direction(), Direction::SendOnly | Direction::Inactive),
        symmetric: media.attribute("direction") != Some(Some("passive")),
        profile: profile(sdp, media),
        clock_hz: clock_hz(media),
    })
}

/// The clock of the first codec that is more than a companion of others: tones (RFC 4733) and
/// comfort noise (RFC 3389) take the clock of what they go with, or say that they do not.
fn clock_hz(media: &MediaView<'_>) -> u32 {
    let is_companion = |name: &str| {
        ["telephone-event", "tone", "CN"]
            .iter()
            .any(|companion| name.eq_ignore_ascii_case(companion))
    };
    let codecs = media.codecs();
    let first = codecs.iter().find(|codec| !is_companion(&codec.name));
    let clock_hz = first.map_or(0, |codec| codec.clock_rate);
    if clock_hz > MAX_CLOCK_HZ { 0 } else { clock_hz }
}

/// Whether the packets of a medium are encrypted, or look like anything at all. RTP/AVP with a fingerprint or a key offers it
/// (RFC 8643), so that DTLS may come there.
fn profile(sdp: &Sdp, media: &MediaView<'_>) -> Profile {
    let session = &sdp.session().attributes;
    let offered = ["fingerprint", "crypto"].iter().any(|word| {
        media.attribute(word).is_some()
            || session
                .iter()
                .any(|attribute| attribute.name().eq_ignore_ascii_case(word))
    });
    match media.is_plain_rtp() && !offered {
        true => Profile::Plain,
        false => Profile::Protected,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OFFER: &str = "v=0\r\no=alice 1 1 IN IP4 192.0.2.9\r\ns=call of 192.0.2.9\r\n\
        c=IN IP4 192.0.2.9\r\nt=0 0\r\na=tool:x 192.0.2.9\r\n\
        m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtcp:4055 IN IP4 192.0.2.10\r\n\
        a=candidate:1 1 UDP 1 192.0.2.9 4000 typ host\r\na=sendrecv\r\n\
        m=message 7000 TCP/MSRP *\r\na=path:msrp://192.0.2.9:7000/x;tcp\r\n";

    fn readdressed(offer: &str, hidden: &[impl AsRef<str>]) -> String {
        let description = Description::read(offer.as_bytes()).unwrap();
        let origin = OriginLine {
            id: 7,
            version: 2,
            address: "198.51.100.1".parse().unwrap(),
        };
        let locals = [Some("198.51.100.1:20000".parse().unwrap()), None];
        String::from_utf8(description.readdressed(origin, &locals, hidden).to_vec()).unwrap()
    }

    // B6, B7: topology hidden in SDP
    #[test]
    fn no_address_of_the_sender_is_left() {
        let hidden = ["192.0.2.9".to_string(), "192.0.2.10".to_string()];
        let text = readdressed(OFFER, &hidden);
        assert!(!text.contains("192.0.2."), "{text}");
        assert!(text.contains("o=- 7 2 IN IP4 198.51.100.1\r\n"), "{text}");
        assert!(text.contains("m=audio 20000 RTP/AVP 0 101\r\n"), "{text}");
        assert!(text.contains("a=sendrecv\r\n"), "{text}");
        assert!(text.contains("m=message 0 TCP/MSRP"), "{text}");
    }

    // B7
    #[test]
    fn rtcp_is_where_the_attribute_says_or_on_the_next_port() {
        let read = |offer: &str| Description::read(offer.as_bytes()).unwrap();
        let local = "198.51.100.1:20000".parse().unwrap();
        let both = |offer: &str, answer: &str| {
            let remote = read(offer).lines()[0].remote(local, read(answer).lines().first());
            remote.unwrap().rtcp.to_string()
        };
        let of = |offer: &str| both(offer, offer);
        assert_eq!(of(OFFER), "192.0.2.10:4055");
        let plain = OFFER.replace("a=rtcp:4055 IN IP4 192.0.2.10\r\n", "");
        assert_eq!(of(&plain), "192.0.2.9:4001");
        let mux = OFFER.replace("a=rtcp:4055 IN IP4 192.0.2.10", "a=rtcp-mux");
        assert_eq!(of(&mux), "192.0.2.9:4000");
        // Both have to agree to it.
        assert_eq!(both(&mux, &plain), "192.0.2.9:4001");
        assert_eq!(both(&plain, &mux), "192.0.2.9:4001");
        let port_only = OFFER.replace("a=rtcp:4055 IN IP4 192.0.2.10", "a=rtcp:4077");
        assert_eq!(of(&port_only), "192.0.2.9:4077");
    }

    // B7, G6
    #[test]
    fn direction_symmetry_and_encryption_reach_the_engine() {
        let of = |offer: &str| {
            let local = "198.51.100.1:20000".parse().unwrap();
            let description = Description::read(offer.as_bytes()).unwrap();
            description.lines()[0].remote(local, None).unwrap()
        };
        let usual = of(OFFER);
        assert!(usual.receives && usual.symmetric);
        assert_eq!(usual.profile, Profile::Plain);
        for (word, receives) in [("sendonly", false), ("inactive", false), ("recvonly", true)] {
            let offer = OFFER.replace("a=sendrecv", &format!("a={word}"));
            assert_eq!(of(&offer).receives, receives, "{word}");
        }
        let passive = OFFER.replace("a=sendrecv", "a=direction:passive");
        assert!(!of(&passive).symmetric);
        for proto in ["RTP/SAVP", "UDP/TLS/RTP/SAVPF"] {
            let offer = OFFER.replace("RTP/AVP", proto);
            assert_eq!(of(&offer).profile, Profile::Protected, "{proto}");
        }
        for attribute in [
            "fingerprint:sha-256 00",
            "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
        ] {
            let offer = OFFER.replace("a=sendrecv", &format!("a={attribute}"));
            assert_eq!(of(&offer).profile, Profile::Protected, "{attribute}");
        }
        let held = of(&OFFER.replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0"));
        assert!(held.rtp.ip().is_unspecified() && held.rtcp.ip().is_unspecified());
    }

    // B6, B7
    #[test]
    fn fax_is_relayed_as_it_is() {
        let fax = "m=image 4000 udptl t38\r\na=T38FaxVersion:0\r\n";
        let audio = "m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n";
        let offer = OFFER.replace(audio, fax);
        let read = Description::read(offer.as_bytes()).unwrap();
        let local = "198.51.100.1:20000".parse().unwrap();
        let remote = read.lines()[0].remote(local, None).unwrap();
        assert_eq!(remote.profile, Profile::Protected, "no packet is judged");
        let text = readdressed(&offer, &["192.0.2.9".to_string(), "192.0.2.10".to_string()]);
        assert!(text.contains("m=image 20000 udptl t38\r\n"), "{text}");
        assert!(text.contains("a=T38FaxVersion:0\r\n"), "{text}");
        assert!(!text.contains("192.0.2."), "{text}");
    }

    #[test]
    fn the_clock_is_that_of_the_first_codec() {
        let of = |formats: &str| {
            let medium = format!("m=audio 4000 RTP/AVP {formats}\r\n");
            let text = OFFER.replace("m=audio 4000 RTP/AVP 0 101\r\n", &medium);
            Description::read(text.as_bytes()).unwrap().lines()[0].clock_hz()
        };
        assert_eq!((of("0 101"), of("9"), of("11 0")), (8000, 8000, 44_100));
        // A dynamic type without a map says nothing, and nor do an unheard-of clock and a refusal.
        assert_eq!((of("101 0"), of("0\r\na=rtpmap:0 X/2000000")), (0, 0));
        assert_eq!(
            of("13 101 96\r\na=rtpmap:101 telephone-event/8000\r\na=rtpmap:96 opus/48000/2"),
            48_000
        );
        assert_eq!(Line::Refused.clock_hz(), 0);
    }

    #[test]
    fn an_old_hold_stays_a_hold() {
        let held = OFFER.replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0");
        let text = readdressed(&held, &["192.0.2.9".to_string()]);
        assert!(text.contains("c=IN IP4 0.0.0.0\r\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_relayed_is_refused_with_a_reason() {
        let error = |offer: &str| Description::read(offer.as_bytes()).unwrap_err();
        assert!(matches!(error("hello"), SdpError::Syntax(_)));
        let multicast = OFFER.replace("c=IN IP4 192.0.2.9", "c=IN IP4 224.0.0.1");
        assert_eq!(error(&multicast), SdpError::Address(0));
        let named = OFFER.replace("c=IN IP4 192.0.2.9", "c=IN IP4 phone.example");
        assert_eq!(error(&named), SdpError::Address(0));
        let many = "m=audio 4000 RTP/AVP 0\r\n".repeat(MAX_MEDIA_LINES + 1);
        assert_eq!(error(&format!("{OFFER}{many}")), SdpError::TooManyMedia);
    }
}
