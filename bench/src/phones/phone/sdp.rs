//! The phones' own SDP (RFC 4566, offer and answer by RFC 3264): one audio stream of G.711.
//!
//! Written apart from the product's, so that a fault there is not mirrored here.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::super::g711::Law;
use super::event::MediaAddresses;

/// One side's description of the audio.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AudioSdp {
    /// Where it wants RTP and RTCP.
    pub media: MediaAddresses,
    /// The laws in its order, all others left out.
    pub laws: Vec<Law>,
    /// It wants to hear.
    pub hears: bool,
    /// It wants to talk.
    pub talks: bool,
}

/// Writes a description. `version` rises with each new one of a session.
pub(crate) fn write(sdp: &AudioSdp, session: u64, version: u32) -> String {
    let ip = sdp.media.rtp.ip();
    let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
    let mut text = String::with_capacity(256);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "v=0\r\no=phone {session} {version} IN {family} {ip}\r\n"
    );
    let _ = write!(text, "s=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n");
    let _ = write!(text, "m=audio {} RTP/AVP", sdp.media.rtp.port());
    for law in &sdp.laws {
        let _ = write!(text, " {}", law.payload_type());
    }
    text.push_str("\r\n");
    for law in &sdp.laws {
        let _ = write!(
            text,
            "a=rtpmap:{} {}/8000\r\n",
            law.payload_type(),
            law.name()
        );
    }
    if sdp.media.rtcp.port() != sdp.media.rtp.port().wrapping_add(1) {
        let _ = write!(text, "a=rtcp:{}\r\n", sdp.media.rtcp.port());
    }
    text.push_str("a=ptime:20\r\n");
    text.push_str(match (sdp.hears, sdp.talks) {
        (true, true) => "a=sendrecv\r\n",
        (true, false) => "a=recvonly\r\n",
        (false, true) => "a=sendonly\r\n",
        (false, false) => "a=inactive\r\n",
    });
    text
}

/// Reads the first audio stream of a description; `None` if it has none that a phone can use.
pub(crate) fn read(body: &[u8]) -> Option<AudioSdp> {
    let text = std::str::from_utf8(body).ok()?;
    let mut session = Section::default();
    let mut audio: Option<Section> = None;
    for line in text.lines() {
        if line.starts_with("m=") {
            if audio.is_some() {
                break;
            }
            if let Some(rest) = line.strip_prefix("m=audio ") {
                audio = Some(Section {
                    media: Some(rest),
                    ..Section::default()
                });
            } else {
                // Another medium before the audio: its lines are not the session's.
                session.closed = true;
            }
            continue;
        }
        match &mut audio {
            Some(section) => section.line(line),
            None if !session.closed => session.line(line),
            None => {}
        }
    }
    audio?.finish(&session)
}

#[derive(Default)]
struct Section<'a> {
    media: Option<&'a str>,
    address: Option<IpAddr>,
    rtcp: Option<&'a str>,
    /// (hears, talks) as the sender of the description sees it.
    direction: Option<(bool, bool)>,
    /// `a=rtpmap` lines: payload type and encoding.
    maps: Vec<(u8, &'a str)>,
    closed: bool,
}

impl<'a> Section<'a> {
    fn line(&mut self, line: &'a str) {
        if let Some(rest) = line.strip_prefix("c=IN ") {
            self.address = rest
                .split_once(' ')
                .and_then(|(_, ip)| ip.trim().parse().ok());
        } else if let Some(rest) = line.strip_prefix("a=rtcp:") {
            self.rtcp = Some(rest);
        } else if let Some(rest) = line.strip_prefix("a=rtpmap:") {
            let map = rest.split_once(' ');
            self.maps
                .extend(map.and_then(|(number, name)| Some((number.parse().ok()?, name))));
        } else {
            self.direction = match line {
                "a=sendrecv" => Some((true, true)),
                "a=recvonly" => Some((true, false)),
                "a=sendonly" => Some((false, true)),
                "a=inactive" => Some((false, false)),
                _ => self.direction,
            };
        }
    }

    fn finish(&self, session: &Section<'_>) -> Option<AudioSdp> {
        let mut words = self.media?.split_ascii_whitespace();
        let port: u16 = words.next()?.parse().ok().filter(|port| *port != 0)?;
        if words.next()? != "RTP/AVP" {
            return None;
        }
        let laws: Vec<Law> = words.filter_map(|number| self.law(number)).collect();
        let ip = self.address.or(session.address)?;
        let rtcp = match self.rtcp {
            Some(value) => self.rtcp_address(value, ip)?,
            None => SocketAddr::new(ip, port.checked_add(1)?),
        };
        // RFC 2543 phones say "hold" with an address of zero.
        let held = ip.is_unspecified();
        let (hears, talks) = self.direction.or(session.direction).unwrap_or((true, true));
        let media = MediaAddresses {
            rtp: SocketAddr::new(ip, port),
            rtcp,
        };
        (!laws.is_empty()).then_some(AudioSdp {
            media,
            laws,
            hears: hears && !held,
            talks,
        })
    }

    /// The law of a format, unless its rtpmap says that the number means something else.
    fn law(&self, number: &str) -> Option<Law> {
        let number: u8 = number.parse().ok()?;
        let law = Law::from_payload_type(number)?;
        let mapped = self.maps.iter().find(|(other, _)| *other == number);
        let fits = mapped.is_none_or(|(_, name)| {
            name.split('/')
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case(law.name()))
        });
        fits.then_some(law)
    }

    /// RFC 3605: `port` or `port IN IP4 address`.
    fn rtcp_address(&self, value: &str, ip: IpAddr) -> Option<SocketAddr> {
        let mut words = value.split_ascii_whitespace();
        let port = words.next()?.parse().ok()?;
        let own = words.nth(2).and_then(|address| address.parse().ok());
        Some(SocketAddr::new(own.unwrap_or(ip), port))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn addresses(rtp: &str, rtcp: &str) -> MediaAddresses {
        MediaAddresses {
            rtp: rtp.parse().unwrap(),
            rtcp: rtcp.parse().unwrap(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for media in [
            addresses("127.0.0.1:4000", "127.0.0.1:4001"),
            addresses("[::1]:4000", "[::1]:5001"),
        ] {
            for (hears, talks) in [(true, true), (true, false), (false, true), (false, false)] {
                let sdp = AudioSdp {
                    media,
                    laws: vec![Law::A, Law::Mu],
                    hears,
                    talks,
                };
                assert_eq!(read(write(&sdp, 7, 1).as_bytes()).unwrap(), sdp);
            }
        }
    }

    #[test]
    fn the_streams_own_lines_come_before_the_sessions() {
        let text = "v=0\r\nc=IN IP4 10.0.0.1\r\na=inactive\r\nm=video 9 RTP/AVP 96\r\n\
                    c=IN IP4 10.0.0.9\r\nm=audio 4000 RTP/AVP 96 8 0\r\nc=IN IP4 10.0.0.2\r\n\
                    a=rtcp:77 IN IP4 10.0.0.3\r\na=rtpmap:0 L16/8000\r\na=sendrecv\r\n";
        let sdp = read(text.as_bytes()).unwrap();
        assert_eq!(sdp.media, addresses("10.0.0.2:4000", "10.0.0.3:77"));
        assert_eq!((sdp.laws, sdp.hears, sdp.talks), (vec![Law::A], true, true));
    }

    #[test]
    fn nothing_usable_is_none() {
        for text in [
            "",
            "v=0\r\nm=audio 0 RTP/AVP 0\r\nc=IN IP4 1.2.3.4\r\n",
            "v=0\r\nm=audio 5 RTP/SAVP 0\r\nc=IN IP4 1.2.3.4\r\n",
            "v=0\r\nm=audio 5 RTP/AVP 9\r\nc=IN IP4 1.2.3.4\r\n",
            "v=0\r\nm=audio 5 RTP/AVP 0\r\n",
            "v=0\r\nm=audio 65535 RTP/AVP 0\r\nc=IN IP4 1.2.3.4\r\n",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
