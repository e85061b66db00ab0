//! What one caller hears, frame by frame.

use super::keys::Keys;
use super::{Law, Listener};
use crate::audio::{Clip, Library, MAX_SAID, Saying, law};
use patchbay_route::waiting::{MAX_PARTS, Part, Say};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Samples of a packet: 20 ms (RFC 3551 section 4.2).
pub(super) const FRAME: usize = 160;
/// A packet: RTP's fixed header and a frame.
pub(super) const PACKET: usize = 12 + FRAME;
/// Announcements that wait for those before them, in clips; further ones are left out.
const MAX_WAITING_CLIPS: usize = 2 * MAX_SAID;
/// Mu-law of no sound.
const SILENCE: u8 = 0xff;
/// What is heard before an announcement.
const CHIME: &str = "chime";

/// A clip, and how much of it was heard.
#[derive(Debug)]
struct Heard {
    clip: Arc<Clip>,
    at: usize,
}

impl Heard {
    fn of(clip: Arc<Clip>) -> Heard {
        Heard { clip, at: 0 }
    }

    fn next(&mut self) -> Option<u8> {
        let sample = self.clip.samples().get(self.at).copied();
        self.at += 1;
        sample
    }
}

/// What one caller hears.
#[derive(Debug)]
pub(super) struct Stream {
    pub to: SocketAddr,
    law: Law,
    payload: u8,
    pub events: Option<u8>,
    language: String,
    music: Option<Heard>,
    said: VecDeque<Heard>,
    sequence: u16,
    timestamp: u32,
    source: u32,
    /// The first packet of a spurt says so (RFC 3551 section 4.1).
    begins: bool,
    pub keys: Keys,
}

impl Stream {
    /// For one who listens from now on. `seed` names the stream: SSRC, first sequence number and
    /// timestamp are at random (RFC 3550 section 5.1).
    pub fn new(listener: &Listener, library: &Library, seed: u64) -> Stream {
        let [a, b, c, d, e, f, g, h] = seed.to_be_bytes();
        Stream {
            to: listener.to,
            law: listener.law,
            payload: listener.payload & 0x7f,
            events: listener.events,
            language: listener.language.clone(),
            music: library.get(&listener.music).map(Heard::of),
            said: VecDeque::new(),
            sequence: u16::from_be_bytes([a, b]),
            timestamp: u32::from_be_bytes([c, d, a, b]),
            source: u32::from_be_bytes([e, f, g, h]),
            begins: true,
            keys: Keys::default(),
        }
    }

    /// Something is said as soon as what is being said is over; music that is named begins at once, since
    /// its caller has come elsewhere.
    pub fn say(&mut self, say: &Say, library: &Library) {
        if let Some(language) = &say.language {
            self.language.clone_from(language);
        }
        if let Some(music) = &say.music {
            self.music = library.get(music).map(Heard::of);
            self.said.clear();
        }
        let parts: Vec<Saying> = say.parts.iter().take(MAX_PARTS).map(saying).collect();
        if parts.is_empty() {
            return;
        }
        let chime = library.get(CHIME).filter(|_| self.said.is_empty());
        let clips = chime.into_iter().chain(library.say(&self.language, &parts));
        for clip in clips {
            if self.said.len() < MAX_WAITING_CLIPS {
                self.said.push_back(Heard::of(clip));
            }
        }
    }

    /// The next sample: of what is said, then of the music, which begins anew at its end.
    fn sample(&mut self) -> u8 {
        while let Some(said) = self.said.front_mut() {
            if let Some(sample) = said.next() {
                return sample;
            }
            self.said.pop_front();
        }
        let Some(music) = &mut self.music else {
            return SILENCE;
        };
        if let Some(sample) = music.next() {
            return sample;
        }
        music.at = 0;
        music.next().unwrap_or(SILENCE)
    }

    /// The next 20 ms as an RTP packet.
    pub fn packet(&mut self) -> [u8; PACKET] {
        let mut packet = [0; PACKET];
        let (header, frame) = packet.split_at_mut(PACKET - FRAME);
        let marker = u8::from(std::mem::take(&mut self.begins)) << 7;
        let [s, t] = self.sequence.to_be_bytes();
        let fixed = [0x80, marker | self.payload, s, t];
        let fields = fixed
            .into_iter()
            .chain(self.timestamp.to_be_bytes())
            .chain(self.source.to_be_bytes());
        header
            .iter_mut()
            .zip(fields)
            .for_each(|(at, byte)| *at = byte);
        for sample in frame {
            *sample = match self.law {
                Law::Mu => self.sample(),
                Law::A => law::mu_to_a(self.sample()),
            };
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME as u32);
        packet
    }
}

fn saying(part: &Part) -> Saying {
    match part {
        Part::Position(place) => Saying::Position(*place),
        Part::ExpectedWait(seconds) => Saying::ExpectedWait(Duration::from_secs(*seconds)),
        Part::Recording(name) => Saying::Text(name.clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::session::Ids;

    fn listener(law: Law, music: &str) -> Listener {
        Listener {
            session: Ids::new([1; 32]).session(),
            to: "192.0.2.1:4000".parse().unwrap(),
            law,
            payload: 8,
            events: Some(101),
            music: music.into(),
            language: "en".into(),
        }
    }

    fn say(parts: Vec<Part>) -> Say {
        Say {
            parts,
            ..Say::default()
        }
    }

    #[test]
    fn packets_follow_each_other_and_only_the_first_begins() {
        let library = Library::builtin();
        let mut stream = Stream::new(&listener(Law::A, "music"), &library, 7);
        let [first, second] = [stream.packet(), stream.packet()];
        assert_eq!((first[0], first[1], second[1]), (0x80, 0x88, 0x08));
        let number = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
        let time = |packet: &[u8]| u32::from_be_bytes(packet[4..8].try_into().unwrap());
        assert_eq!(number(&second), number(&first).wrapping_add(1));
        assert_eq!(time(&second), time(&first).wrapping_add(160));
        assert_eq!(first[8..12], second[8..12]);
    }

    #[test]
    fn music_goes_on_after_an_announcement_and_begins_anew_at_its_end() {
        let library = Library::builtin();
        let music = library.get("music").unwrap();
        let mut stream = Stream::new(&listener(Law::Mu, "music"), &library, 7);
        assert_eq!(stream.packet()[12..], music.samples()[..FRAME]);
        stream.say(&say(vec![Part::Position(3)]), &library);
        let chime = library.get(CHIME).unwrap();
        let words = library.say("en", &[Saying::Position(3)]);
        let said: Vec<u8> = std::iter::once(&chime)
            .chain(&words)
            .flat_map(|clip| clip.samples().to_vec())
            .collect();
        let heard: Vec<u8> = (0..said.len() / FRAME + 1)
            .flat_map(|_| stream.packet()[12..].to_vec())
            .collect();
        let (announced, after) = heard.split_at(said.len());
        assert!(announced == said);
        assert!(*after == music.samples()[FRAME..FRAME + after.len()]);
        let rest = music.samples().len() - FRAME - after.len();
        for _ in 0..rest / FRAME {
            stream.packet();
        }
        let last = rest % FRAME;
        let around = stream.packet();
        assert_eq!(around[12 + last..], music.samples()[..FRAME - last]);
    }

    // D15
    #[test]
    fn who_comes_elsewhere_does_not_hear_the_rest_of_what_was_said() {
        let library = Library::builtin();
        let mut stream = Stream::new(&listener(Law::Mu, ""), &library, 7);
        stream.say(&say(vec![Part::Position(3)]), &library);
        stream.packet();
        let elsewhere = Say {
            music: Some("music".into()),
            ..Say::default()
        };
        stream.say(&elsewhere, &library);
        let music = library.get("music").unwrap();
        assert_eq!(stream.packet()[12..], music.samples()[..FRAME]);
    }

    #[test]
    fn without_music_there_is_silence() {
        let library = Library::builtin();
        let mut stream = Stream::new(&listener(Law::Mu, ""), &library, 7);
        assert_eq!(stream.packet()[12..], [SILENCE; FRAME]);
        let mut stream = Stream::new(&listener(Law::A, "unknown"), &library, 7);
        assert_eq!(stream.packet()[12..], [law::mu_to_a(SILENCE); FRAME]);
    }

    #[test]
    fn announcements_do_not_pile_up() {
        let library = Library::builtin();
        let mut stream = Stream::new(&listener(Law::Mu, "music"), &library, 7);
        for place in 1..1000 {
            stream.say(&say(vec![Part::Position(place)]), &library);
        }
        assert_eq!(stream.said.len(), MAX_WAITING_CLIPS);
    }
}
