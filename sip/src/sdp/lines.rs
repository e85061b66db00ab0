//! The lines of a session description (RFC 8866 section 5), every one of them kept.

use bytes::Bytes;

use super::SdpError;
use super::values::{Connection, Origin, connection, is_number, origin, time};
use crate::scan::cut;
use crate::text::{Source, Text};

/// A description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// `o=`: who made it.
    pub origin: Origin,
    /// `s=`: its name.
    pub name: Text,
    /// `i=`: what it is about.
    pub information: Option<Text>,
    /// `u=`, `e=` and `p=`: where to ask, in order, with their letters.
    pub contacts: Vec<(u8, Text)>,
    /// `c=`: where media go that say nothing else.
    pub connection: Option<Connection>,
    /// `b=`.
    pub bandwidths: Vec<Text>,
    /// `t=`, `r=` and `z=` in order, with their letters.
    pub times: Vec<(u8, Text)>,
    /// `k=`: a key.
    pub key: Option<Text>,
    /// `a=`.
    pub attributes: Vec<Attribute>,
    /// `m=` and all that follows each.
    pub medias: Vec<Media>,
}

/// `a=`: one attribute, with or without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    whole: Text,
    /// Bytes of the name.
    name: usize,
}

impl Attribute {
    /// An attribute as it is written behind `a=`.
    pub fn new(whole: impl Into<Text>) -> Attribute {
        let whole = whole.into();
        let name = cut(&whole, b':').map_or(whole.len(), |(name, _)| name.len());
        Attribute { whole, name }
    }

    /// As it is written; the colon between name and value may be one of an IPv6 address.
    pub fn whole(&self) -> &Text {
        &self.whole
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.whole.get(..self.name).unwrap_or_default()
    }

    /// Its value; none for a flag.
    pub fn value(&self) -> Option<&str> {
        self.whole.get(self.name + 1..)
    }
}

/// `m=`: a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Its kind: `audio`.
    pub kind: Text,
    /// Where it goes; 0 refuses it.
    pub port: u16,
    /// How many ports it has, if it says so.
    pub ports: Option<u16>,
    /// How it is carried: `RTP/AVP`.
    pub proto: Text,
    /// Its formats.
    pub formats: Text,
    /// `i=`: its title.
    pub title: Option<Text>,
    /// `c=`.
    pub connections: Vec<Connection>,
    /// `b=`.
    pub bandwidths: Vec<Text>,
    /// `k=`: a key.
    pub key: Option<Text>,
    /// `a=`.
    pub attributes: Vec<Attribute>,
}

/// A line that cannot be read.
fn malformed(line: usize, what: &str) -> SdpError {
    SdpError::Malformed(format!("line {line}: {what}"))
}

impl Session {
    /// Reads a description: `v=` first, then the rest in nearly any order, as senders write it.
    /// Letters that are not known are left out, as RFC 8866 section 5 asks.
    pub(super) fn parse(body: &[u8]) -> Result<Session, SdpError> {
        let whole = Source::new(Bytes::copy_from_slice(body));
        let mut session = Session::default();
        let mut seen = Seen::default();
        for (index, line) in whole.bytes().split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let number = index + 1;
            let (letter, value) = cut_line(line, number)?;
            if !seen.version {
                if (letter, value) != (b'v', b"0") {
                    return Err(malformed(number, "not v=0"));
                }
                seen.version = true;
                continue;
            }
            let value = whole.text(value);
            // Names and titles come in all encodings, and go no further; whether an address stands in
            // what passes can only be seen in UTF-8.
            if value.is_latin1() && !matches!(letter, b's' | b'i') {
                return Err(malformed(number, "not UTF-8"));
            }
            let done = match session.medias.last_mut() {
                _ if letter == b'm' => medium(&value).map(|medium| {
                    // Most have one, and it is large.
                    if session.medias.is_empty() {
                        session.medias.reserve_exact(1);
                    }
                    session.medias.push(medium);
                }),
                Some(medium) => medium.take(letter, value),
                None => session.take(&mut seen, letter, value),
            };
            done.map_err(|what| malformed(number, what))?;
        }
        match seen.version {
            true => Ok(session),
            false => Err(malformed(1, "not v=0")),
        }
    }

    fn take(&mut self, seen: &mut Seen, letter: u8, value: Text) -> Result<(), &'static str> {
        match letter {
            b'v' => return Err("a second v="),
            b'o' => {
                once(&mut seen.origin, "a second o=")?;
                self.origin = origin(&value)?;
            }
            b's' => {
                once(&mut seen.name, "a second s=")?;
                self.name = value;
            }
            b'i' => only(&mut self.information, value, "a second i=")?,
            b'u' | b'e' | b'p' => {
                if letter == b'u' {
                    once(&mut seen.uri, "a second u=")?;
                }
                self.contacts.push((letter, value));
            }
            b'c' => only(&mut self.connection, connection(&value)?, "a second c=")?,
            b'b' => self.bandwidths.push(bandwidth(value)?),
            b't' | b'r' | b'z' => {
                time(letter, &value, self.times.is_empty())?;
                self.times.push((letter, value));
            }
            b'k' => only(&mut self.key, value, "a second k=")?,
            b'a' => self.attributes.push(Attribute::new(value)),
            _ => {}
        }
        Ok(())
    }
}

/// Lines of which there is one.
#[derive(Default)]
struct Seen {
    version: bool,
    origin: bool,
    name: bool,
    uri: bool,
}

fn once(seen: &mut bool, what: &'static str) -> Result<(), &'static str> {
    match std::mem::replace(seen, true) {
        true => Err(what),
        false => Ok(()),
    }
}

fn only<T>(place: &mut Option<T>, value: T, what: &'static str) -> Result<(), &'static str> {
    match place.replace(value) {
        Some(_) => Err(what),
        None => Ok(()),
    }
}

/// Letter and value of a line.
fn cut_line(line: &[u8], number: usize) -> Result<(u8, &[u8]), SdpError> {
    if memchr::memchr2(b'\0', b'\r', line).is_some() {
        return Err(malformed(number, "NUL or CR within"));
    }
    match line {
        [letter, b'=', value @ ..] => Ok((*letter, value)),
        _ => Err(malformed(number, "not a letter and a value")),
    }
}

/// `b=`: a type and a number.
fn bandwidth(value: Text) -> Result<Text, &'static str> {
    let sound = cut(&value, b':').is_some_and(|(_, number)| is_number(number));
    sound.then_some(value).ok_or("malformed b=")
}

/// `m=`.
fn medium(value: &str) -> Result<Media, &'static str> {
    const BAD: &str = "malformed m=";
    let (kind, rest) = cut(value, b' ').ok_or(BAD)?;
    let (port, rest) = cut(rest, b' ').ok_or(BAD)?;
    let (proto, formats) = cut(rest, b' ').ok_or(BAD)?;
    let (port, ports) = match cut(port, b'/') {
        Some((port, ports)) => (port, Some(ports)),
        None => (port, None),
    };
    let number = |text: &str| is_number(text).then(|| text.parse::<u16>().ok()).flatten();
    let ports = ports.map(|ports| number(ports).ok_or(BAD)).transpose()?;
    Ok(Media {
        kind: kind.into(),
        port: number(port).ok_or(BAD)?,
        ports,
        proto: proto.into(),
        formats: formats.into(),
        title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    })
}

impl Media {
    fn take(&mut self, letter: u8, value: Text) -> Result<(), &'static str> {
        match letter {
            b'i' => only(&mut self.title, value, "a second i=")?,
            b'c' => self.connections.push(connection(&value)?),
            b'b' => self.bandwidths.push(bandwidth(value)?),
            b'k' => only(&mut self.key, value, "a second k=")?,
            b'a' => self.attributes.push(Attribute::new(value)),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn session(text: &str) -> Result<Session, SdpError> {
        Session::parse(text.as_bytes())
    }

    fn user(origin: &str) -> (String, u64) {
        let origin = session(&format!("v=0\no={origin}\n")).unwrap().origin;
        (origin.username.into(), origin.version)
    }

    #[test]
    fn origins_that_phones_send_are_made_sound() {
        assert_eq!(
            user("John  Doe 1 2 IN IP4 10.0.0.1"),
            ("John_Doe".into(), 2)
        );
        assert_eq!(user(" 1 2 IN IP4 h"), ("-".into(), 2));
        let long = user("- 1 123456789012345678901234 IN IP4 h");
        assert_eq!(long.1, 789_012_345_678_901_234);
        assert!(session("v=0\no=1 2\n").is_err());
        assert!(session("v=0\no=- 1 x IN IP4 h\n").is_err());
    }

    #[test]
    fn what_is_no_description_is_refused() {
        for bad in [
            "",
            "v=1\n",
            "s=-\n",
            "v=0\nbroken\n",
            "v=0\na\rb=c\n",
            "v=0\nc=IN IP4\n",
            "v=0\nc=IN IP4 h x\n",
            "v=0\nc=IN <IP4 h\n",
            "v=0\nt=0\n",
            "v=0\nt=0 0 0\n",
            "v=0\nr=1\n",
            "v=0\nb=AS\n",
            "v=0\ns=a\ns=b\n",
            "v=0\nm=audio 1 RTP/AVP\n",
            "v=0\nm=audio 65536 RTP/AVP 0\n",
            "v=0\nm=audio 1/x RTP/AVP 0\n",
            "v=0\nm=audio 1 RTP/AVP 0\nk=a\nk=b\n",
        ] {
            assert!(matches!(session(bad), Err(SdpError::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn only_names_and_titles_may_be_of_another_encoding() {
        let of = |line: &[u8]| Session::parse(&[b"v=0\n", line, b"\n"].concat());
        assert!(of(b"s=Z\xfcrich").is_ok() && of(b"i=Z\xfcrich").is_ok());
        assert!(of(b"a=x:\xdd192.0.2.9").is_err());
        assert!(of(b"m=audio 1 RTP/AVP 0\na=\xfc").is_err());
    }

    #[test]
    fn an_attribute_is_a_name_and_perhaps_a_value() {
        let flag = Attribute::new("sendrecv");
        assert_eq!((flag.name(), flag.value()), ("sendrecv", None));
        let map = Attribute::new("rtpmap:0 PCMU/8000");
        assert_eq!((map.name(), map.value()), ("rtpmap", Some("0 PCMU/8000")));
        assert_eq!(Attribute::new("x:").value(), Some(""));
    }
}
