//! Session descriptions (RFC 8866) as they cross the relay.
//!
//! A description is read once into [`Description`], which says per medium where its sender
//! receives; [`Description::readdressed`] writes it for the other side with the relay's addresses
//! in the place of every one of the sender's. ICE lines (RFC 8839) are left out: the relay's
//! address is the only candidate. `a=rtcp` is left out too: the relay's RTCP port follows RTP.

use sdp_types::{Attribute, Connection, Media, Origin, Session};
use std::net::{IpAddr, SocketAddr};
use thiserror::Error;

/// Longest session description that is read, in bytes.
pub const MAX_SDP_BYTES: usize = 16 * 1024;
/// Most media lines of one description.
pub const MAX_MEDIA_LINES: usize = 8;

/// Transports whose packets the engine re-addresses (RTP profiles of RFC 3551, 3711, 4585, 5764).
const RELAYED_PROTOCOLS: [&str; 6] = [
    "RTP/AVP",
    "RTP/AVPF",
    "RTP/SAVP",
    "RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "UDP/TLS/RTP/SAVPF",
];

/// Attributes that carry addresses or candidates of the sender, or that the relay answers itself.
const DROPPED_ATTRIBUTES: [&str; 9] = [
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "ice-lite",
    "rtcp",
    "ssrc",
];

/// Why a description cannot be relayed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SdpError {
    /// Longer than [`MAX_SDP_BYTES`].
    #[error("the session description is longer than {MAX_SDP_BYTES} bytes")]
    TooLong,
    /// More media than [`MAX_MEDIA_LINES`].
    #[error("the session description has more than {MAX_MEDIA_LINES} media")]
    TooManyMedia,
    /// Not SDP.
    #[error("the session description cannot be read: {0}")]
    Syntax(String),
    /// A connection address that is missing, a host name, or one no packet may be sent to.
    #[error("medium {0} has no usable connection address")]
    Address(usize),
}

/// Where the sender of a description receives one medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// RTP that the engine re-addresses.
    Relayed {
        /// The kind of medium: `audio`, `video`, …
        medium: String,
        /// Where RTP shall go.
        rtp: SocketAddr,
        /// Where RTCP shall go; equal to `rtp` with rtcp-mux (RFC 5761).
        rtcp: SocketAddr,
        /// The sender wants no packets now (`c=0.0.0.0`, RFC 3264 section 8.4).
        held: bool,
    },
    /// Refused by its sender (port 0), or a transport that is not relayed.
    Refused,
}

/// A description that was read, and its media lines in order.
#[derive(Debug, Clone)]
pub struct Description {
    session: Session,
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
        if body.len() > MAX_SDP_BYTES {
            return Err(SdpError::TooLong);
        }
        let session =
            patchbay_sip::sdp::parse(body).map_err(|error| SdpError::Syntax(error.to_string()))?;
        if session.medias.len() > MAX_MEDIA_LINES {
            return Err(SdpError::TooManyMedia);
        }
        let lines = session
            .medias
            .iter()
            .enumerate()
            .map(|(index, media)| line(&session, media).ok_or(SdpError::Address(index)))
            .collect::<Result<_, _>>()?;
        Ok(Self { session, lines })
    }

    /// The media lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The description for the other side: `locals` holds, for each media line, where the relay
    /// receives it from that side (none refuses the medium). Nothing that names an address in
    /// `hidden` is left in.
    pub fn readdressed(
        &self,
        origin: OriginLine,
        locals: &[Option<SocketAddr>],
        hidden: &[String],
    ) -> Vec<u8> {
        let mut session = self.session.clone();
        let address = origin.address;
        session.origin = Origin {
            username: Some("-".into()),
            sess_id: origin.id.to_string(),
            sess_version: origin.version,
            nettype: "IN".into(),
            addrtype: address_type(address).into(),
            unicast_address: address.to_string(),
        };
        session.session_name = "-".into();
        session.session_description = None;
        session.uri = None;
        session.emails.clear();
        session.phones.clear();
        session.connection = Some(connection(address));
        keep_attributes(&mut session.attributes, hidden);
        for (index, media) in session.medias.iter_mut().enumerate() {
            let local = locals.get(index).copied().flatten();
            let held = matches!(self.lines.get(index), Some(Line::Relayed { held: true, .. }));
            readdress_media(media, local, held, address, hidden);
        }
        let mut out = Vec::with_capacity(1024);
        // Writing to a Vec cannot fail.
        let _ = session.write(&mut out);
        out
    }
}

fn readdress_media(
    media: &mut Media,
    local: Option<SocketAddr>,
    held: bool,
    session_address: IpAddr,
    hidden: &[String],
) {
    media.connections.clear();
    media.num_ports = None;
    media.media_title = None;
    keep_attributes(&mut media.attributes, hidden);
    let Some(local) = local else {
        media.port = 0;
        return;
    };
    media.port = local.port();
    if held {
        let nowhere: IpAddr = match local {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        media.connections.push(connection(nowhere));
    } else if local.ip() != session_address {
        media.connections.push(connection(local.ip()));
    }
}

fn keep_attributes(attributes: &mut Vec<Attribute>, hidden: &[String]) {
    attributes.retain(|attribute| {
        let dropped = DROPPED_ATTRIBUTES
            .iter()
            .any(|name| attribute.attribute.eq_ignore_ascii_case(name));
        let leaks = attribute
            .value
            .as_deref()
            .is_some_and(|value| names_any(value, hidden));
        !dropped && !leaks
    });
}

/// Whether a text names one of the hidden addresses.
pub fn names_any(text: &str, hidden: &[String]) -> bool {
    hidden.iter().any(|address| text.contains(address.as_str()))
}

fn line(session: &Session, media: &Media) -> Option<Line> {
    let relayed = RELAYED_PROTOCOLS
        .iter()
        .any(|known| media.proto.eq_ignore_ascii_case(known));
    if media.port == 0 || !relayed {
        return Some(Line::Refused);
    }
    let ip = media
        .connections
        .first()
        .or(session.connection.as_ref())
        .and_then(|c| c.connection_address.parse::<IpAddr>().ok())?;
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_multicast() || broadcast {
        return None;
    }
    let rtp = SocketAddr::new(ip, media.port);
    Some(Line::Relayed {
        medium: media.media.clone(),
        rtp,
        rtcp: rtcp_address(media, rtp),
        held: ip.is_unspecified(),
    })
}

/// RFC 3605: `a=rtcp:port [IN IP4 address]`; RFC 5761: `a=rtcp-mux`; else the next port.
fn rtcp_address(media: &Media, rtp: SocketAddr) -> SocketAddr {
    let attribute = |name: &str| {
        media
            .attributes
            .iter()
            .find(|attribute| attribute.attribute.eq_ignore_ascii_case(name))
    };
    if attribute("rtcp-mux").is_some() {
        return rtp;
    }
    let mut words = attribute("rtcp")
        .and_then(|attribute| attribute.value.as_deref())
        .unwrap_or_default()
        .split_ascii_whitespace();
    match words.next().and_then(|port| port.parse().ok()) {
        Some(port) => {
            let ip = words.nth(2).and_then(|ip| ip.parse().ok());
            SocketAddr::new(ip.unwrap_or(rtp.ip()), port)
        }
        None => SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1)),
    }
}

fn connection(address: IpAddr) -> Connection {
    Connection {
        nettype: "IN".into(),
        addrtype: address_type(address).into(),
        connection_address: address.to_string(),
    }
}

fn address_type(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
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

    fn readdressed(offer: &str, hidden: &[String]) -> String {
        let description = Description::read(offer.as_bytes()).unwrap();
        let origin = OriginLine {
            id: 7,
            version: 2,
            address: "198.51.100.1".parse().unwrap(),
        };
        let locals = [Some("198.51.100.1:20000".parse().unwrap()), None];
        String::from_utf8(description.readdressed(origin, &locals, hidden)).unwrap()
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
        let of = |offer: &str| match Description::read(offer.as_bytes()).unwrap().lines() {
            [Line::Relayed { rtcp, .. }, ..] => rtcp.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(OFFER), "192.0.2.10:4055");
        let plain = OFFER.replace("a=rtcp:4055 IN IP4 192.0.2.10\r\n", "");
        assert_eq!(of(&plain), "192.0.2.9:4001");
        let mux = OFFER.replace("a=rtcp:4055 IN IP4 192.0.2.10", "a=rtcp-mux");
        assert_eq!(of(&mux), "192.0.2.9:4000");
        let port_only = OFFER.replace("a=rtcp:4055 IN IP4 192.0.2.10", "a=rtcp:4077");
        assert_eq!(of(&port_only), "192.0.2.9:4077");
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
        assert_eq!(error(&"a".repeat(MAX_SDP_BYTES + 1)), SdpError::TooLong);
    }
}
