//! [`MediaView`]: what one media section says.

use std::net::{IpAddr, SocketAddr};

use super::lines::{Attribute, Media, Session};
use super::values::Connection;
use crate::scan::cut;
use crate::text::Text;

/// Kinds of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind<'a> {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Real-time text.
    Text,
    /// Anything an application does.
    Application,
    /// Instant messages (MSRP).
    Message,
    /// Fax.
    Image,
    /// Any other.
    Other(&'a str),
}

/// Which way media flow, as the sender of the description sees it (RFC 3264 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The sender of the description sends only.
    SendOnly,
    /// The sender of the description receives only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// The attribute's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// What the other side calls the same (RFC 3264 section 6.1).
    pub fn reversed(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            same => same,
        }
    }

    pub(super) const ALL: [Direction; 4] = [
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ];
}

/// One RTP payload format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    /// Payload type, 0 to 127.
    pub payload: u8,
    /// Encoding name, such as `PCMA`; empty where a dynamic payload has no `rtpmap`.
    pub name: Text,
    /// Clock rate in Hz; 0 where unknown.
    pub clock_rate: u32,
    /// Channels, at least 1.
    pub channels: u8,
    /// The `fmtp` parameters.
    pub fmtp: Option<Text>,
}

/// One media section, with what it inherits from the session.
#[derive(Clone, Copy, Debug)]
pub struct MediaView<'a> {
    session: &'a Session,
    media: &'a Media,
}

impl<'a> MediaView<'a> {
    pub(super) fn new(session: &'a Session, media: &'a Media) -> MediaView<'a> {
        MediaView { session, media }
    }

    /// The kind as it is written.
    pub fn kind_name(&self) -> &'a str {
        self.media.kind.as_str()
    }

    /// The kind.
    pub fn kind(&self) -> MediaKind<'a> {
        let word = self.media.kind.as_str();
        let known = [
            ("audio", MediaKind::Audio),
            ("video", MediaKind::Video),
            ("text", MediaKind::Text),
            ("application", MediaKind::Application),
            ("message", MediaKind::Message),
            ("image", MediaKind::Image),
        ];
        let found = known
            .into_iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name));
        found.map_or(MediaKind::Other(word), |(_, kind)| kind)
    }

    /// The port; 0 refuses the section.
    pub fn port(&self) -> u16 {
        self.media.port
    }

    /// The protocol, such as `RTP/AVP`.
    pub fn proto(&self) -> &'a str {
        &self.media.proto
    }

    /// True for RTP without encryption.
    pub fn is_plain_rtp(&self) -> bool {
        ["RTP/AVP", "RTP/AVPF"]
            .iter()
            .any(|word| word.eq_ignore_ascii_case(self.proto()))
    }

    /// The formats: payload types where the protocol is RTP.
    pub fn formats(&self) -> impl Iterator<Item = &'a str> {
        self.media.formats.split_ascii_whitespace()
    }

    /// The value of the first attribute `name` of the section: `Some(None)` for a flag.
    pub fn attribute(&self, name: &str) -> Option<Option<&'a str>> {
        let found = self
            .media
            .attributes
            .iter()
            .find(|a| a.name().eq_ignore_ascii_case(name));
        found.map(Attribute::value)
    }

    /// Which way media flow: of the section, else of the session, else both ways.
    pub fn direction(&self) -> Direction {
        let of = |attributes: &[Attribute]| {
            attributes.iter().find_map(|attribute| {
                let word = attribute.name();
                Direction::ALL
                    .into_iter()
                    .find(|one| one.as_str().eq_ignore_ascii_case(word))
            })
        };
        of(&self.media.attributes)
            .or_else(|| of(&self.session.attributes))
            .unwrap_or(Direction::SendRecv)
    }

    /// The address: of the section, else of the session. `None` for host names, which are not
    /// resolved.
    pub fn connection(&self) -> Option<IpAddr> {
        address(
            self.media
                .connections
                .first()
                .or(self.session.connection.as_ref())?,
        )
    }

    /// Where RTP is to be sent; `None` without an address or with port 0.
    pub fn rtp_address(&self) -> Option<SocketAddr> {
        let port = Some(self.port()).filter(|port| *port != 0)?;
        Some(SocketAddr::new(self.connection()?, port))
    }

    /// Where RTCP is to be sent: what `a=rtcp` says (RFC 3605), else the next port. With
    /// [`MediaView::rtcp_mux`] agreed on, it goes to the RTP port instead.
    pub fn rtcp_address(&self) -> Option<SocketAddr> {
        let rtp = self.rtp_address()?;
        if let Some(Some(value)) = self.attribute("rtcp") {
            let mut words = value.split_ascii_whitespace();
            if let Some(Ok(port)) = words.next().map(str::parse::<u16>)
                && port != 0
            {
                // `a=rtcp:53020 IN IP4 126.16.64.4`
                let ip = words.nth(2).and_then(|word| word.parse().ok());
                return Some(SocketAddr::new(ip.unwrap_or(rtp.ip()), port));
            }
        }
        Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?))
    }

    /// True where RTCP may share the RTP port (RFC 5761).
    pub fn rtcp_mux(&self) -> bool {
        self.attribute("rtcp-mux").is_some()
    }

    /// True where the section asks for silence: `sendonly`, `inactive`, or the old way with an address
    /// of zeros (RFC 3264 section 8.4).
    pub fn is_hold(&self) -> bool {
        matches!(self.direction(), Direction::SendOnly | Direction::Inactive)
            || self.connection().is_some_and(|ip| ip.is_unspecified())
    }

    /// The payload formats in order of preference; formats that are no payload type are left out.
    pub fn codecs(&self) -> Vec<Codec> {
        self.formats()
            .filter_map(|format| self.codec(format.parse().ok()?))
            .collect()
    }

    fn codec(&self, payload: u8) -> Option<Codec> {
        if payload > 127 {
            return None;
        }
        let about = |name: &str| {
            self.media
                .attributes
                .iter()
                .filter(|a| a.name().eq_ignore_ascii_case(name))
                .find_map(|attribute| {
                    let (number, rest) = cut(attribute.value()?.trim_ascii(), b' ')?;
                    (number.parse::<u8>().ok()? == payload).then(|| rest.trim_ascii())
                })
        };
        let fmtp = about("fmtp").map(Text::from);
        let (name, clock_rate, channels) = match about("rtpmap") {
            Some(map) => {
                let mut parts = map.split('/');
                let name = Text::from(parts.next().unwrap_or_default());
                let rate = parts.next().and_then(|rate| rate.parse().ok()).unwrap_or(0);
                let channels = parts.next().and_then(|channels| channels.parse().ok());
                (name, rate, channels.unwrap_or(1).max(1))
            }
            None => static_payload(payload),
        };
        Some(Codec {
            payload,
            name,
            clock_rate,
            channels,
            fmtp,
        })
    }
}

/// The payload types of RFC 3551 section 6 that need no `rtpmap`.
fn static_payload(payload: u8) -> (Text, u32, u8) {
    let (name, rate, channels) = match payload {
        0 => ("PCMU", 8000, 1),
        3 => ("GSM", 8000, 1),
        4 => ("G723", 8000, 1),
        8 => ("PCMA", 8000, 1),
        9 => ("G722", 8000, 1),
        10 => ("L16", 44100, 2),
        11 => ("L16", 44100, 1),
        13 => ("CN", 8000, 1),
        15 => ("G728", 8000, 1),
        18 => ("G729", 8000, 1),
        26 => ("JPEG", 90000, 1),
        31 => ("H261", 90000, 1),
        34 => ("H263", 90000, 1),
        _ => ("", 0, 1),
    };
    (Text::from_static(name), rate, channels)
}

/// The address of a `c=` line, without TTL.
pub(super) fn address(connection: &Connection) -> Option<IpAddr> {
    written(connection).parse().ok()
}

/// What is written as the address of a `c=` line, without TTL.
pub(super) fn written(connection: &Connection) -> &str {
    let all = connection.address.as_str();
    cut(all, b'/').map_or(all, |(address, _)| address)
}
