//! Of what a caller's description offers, what the relay itself can play to it, and how that is answered.

use crate::player::Law;
use patchbay_sip::sdp::{Codec, Direction, MediaKind, Sdp};
use std::fmt::Write;
use std::net::SocketAddr;

/// What can be played to a caller, of what its description offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Audible {
    /// Which line of the description.
    line: usize,
    pub law: Law,
    pub payload: u8,
    pub events: Option<u8>,
    /// Which way it goes, as the one who plays says it.
    direction: Direction,
}

/// Where a description says that RTP and its reports shall go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
}

impl Place {
    /// One socket for both.
    pub fn single(at: SocketAddr) -> Place {
        Place { rtp: at, rtcp: at }
    }
}

impl Audible {
    /// The first line of plain audio with G.711, in the form that the caller likes better.
    pub fn of(offer: &Sdp) -> Option<Audible> {
        offer.medias().enumerate().find_map(|(line, medium)| {
            let usable =
                medium.kind() == MediaKind::Audio && medium.port() != 0 && medium.is_plain_rtp();
            let codecs = usable.then(|| medium.codecs())?;
            let (law, payload) = codecs
                .iter()
                .find_map(|codec| Some((law(codec)?, codec.payload)))?;
            let events = codecs
                .iter()
                .find(|codec| is_named(codec, "telephone-event"));
            Some(Audible {
                line,
                law,
                payload,
                events: events.map(|codec| codec.payload),
                direction: medium.direction().reversed(),
            })
        })
    }

    /// The same that goes both ways, whatever its caller wants at this moment.
    pub fn both_ways(self) -> Audible {
        Audible {
            direction: Direction::SendRecv,
            ..self
        }
    }

    /// What answers `offer` from `at`, or offers the same on its behalf: this line, and no other.
    pub fn describe(&self, offer: &Sdp, at: Place) -> String {
        let version = if at.rtp.is_ipv4() { "IP4" } else { "IP6" };
        let ip = at.rtp.ip();
        let mut answer =
            format!("v=0\r\no=- 1 1 IN {version} {ip}\r\ns=-\r\nc=IN {version} {ip}\r\nt=0 0\r\n");
        for (line, medium) in offer.medias().enumerate() {
            // Writing to a string cannot fail.
            let _ = match line == self.line {
                true => self.write_line(&mut answer, medium.proto(), at),
                false => {
                    let (kind, proto) = (medium.kind_name(), medium.proto());
                    let format = medium.formats().next().unwrap_or("0");
                    write!(answer, "m={kind} 0 {proto} {format}\r\n")
                }
            };
        }
        answer
    }

    fn write_line(&self, to: &mut String, proto: &str, at: Place) -> std::fmt::Result {
        let name = match self.law {
            Law::Mu => "PCMU",
            Law::A => "PCMA",
        };
        let events = self.events.map(|events| format!(" {events}"));
        let formats = format!("{}{}", self.payload, events.unwrap_or_default());
        write!(to, "m=audio {} {proto} {formats}\r\n", at.rtp.port())?;
        write!(to, "a=rtpmap:{} {name}/8000\r\n", self.payload)?;
        if let Some(events) = self.events {
            write!(to, "a=rtpmap:{events} telephone-event/8000\r\n")?;
            write!(to, "a=fmtp:{events} 0-15\r\n")?;
        }
        let (rtcp, direction) = (at.rtcp.port(), self.direction.as_str());
        write!(to, "a=rtcp:{rtcp}\r\na=ptime:20\r\na={direction}\r\n")
    }
}

fn is_named(codec: &Codec, name: &str) -> bool {
    codec.name.eq_ignore_ascii_case(name) && codec.clock_rate == 8000
}

fn law(codec: &Codec) -> Option<Law> {
    match codec.channels {
        1 if is_named(codec, "PCMU") => Some(Law::Mu),
        1 if is_named(codec, "PCMA") => Some(Law::A),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn offer(lines: &str) -> Sdp {
        let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
        Sdp::parse(format!("{head}{lines}").as_bytes()).unwrap()
    }

    #[test]
    fn the_form_of_g711_that_the_caller_likes_better_is_played() {
        let offer = offer(
            "m=video 4002 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 96 8 0 101\r\n\
             a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n",
        );
        let audible = Audible::of(&offer).unwrap();
        let expected = Audible {
            line: 1,
            law: Law::A,
            payload: 8,
            events: Some(101),
            direction: Direction::SendRecv,
        };
        assert_eq!(audible, expected);
        let answer = audible.describe(&offer, Place::single("192.0.2.77:65000".parse().unwrap()));
        let answer = Sdp::parse(answer.as_bytes()).unwrap();
        assert_eq!(answer.len(), 2);
        assert_eq!(answer.media(0).unwrap().port(), 0);
        let audio = answer.media(1).unwrap();
        assert_eq!(
            audio.rtp_address(),
            Some("192.0.2.77:65000".parse().unwrap())
        );
        assert_eq!(Vec::from_iter(audio.formats()), ["8", "101"]);
    }

    #[test]
    fn what_cannot_be_played_to_is_left_alone() {
        for lines in [
            "m=audio 4000 RTP/SAVP 0\r\n",
            "m=audio 0 RTP/AVP 0\r\n",
            "m=audio 4000 RTP/AVP 18\r\n",
            "m=video 4000 RTP/AVP 31\r\n",
        ] {
            assert_eq!(Audible::of(&offer(lines)), None, "{lines}");
        }
    }

    #[test]
    fn who_holds_is_answered_so() {
        let answered = |direction: &str| {
            let offer = offer(&format!("m=audio 4000 RTP/AVP 0\r\na={direction}\r\n"));
            let at = Place::single("192.0.2.77:65000".parse().unwrap());
            let audible = Audible::of(&offer).unwrap();
            let both = audible.both_ways().describe(&offer, at);
            assert!(both.contains("a=sendrecv\r\n"), "{both}");
            let answer = audible.describe(&offer, at);
            answer.lines().last().unwrap().to_owned()
        };
        assert_eq!(answered("sendonly"), "a=recvonly");
        assert_eq!(answered("recvonly"), "a=sendonly");
        assert_eq!(answered("inactive"), "a=inactive");
        assert_eq!(answered("sendrecv"), "a=sendrecv");
    }
}
