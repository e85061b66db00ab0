//! The lines of a session description (RFC 8866 section 5), every one of them kept.

use std::net::IpAddr;

use bytes::Bytes;

use super::SdpError;
use crate::address::Written;
use crate::scan::cut;
use crate::text::Text;

/// Most digits that surely fit 64 bits.
const SAFE_DIGITS: usize = 18;

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

/// `o=`: who made a description, and which of theirs it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The user, `-` if there is none.
    pub username: Text,
    /// The session's number.
    pub session_id: Text,
    /// Rises with each description of the session.
    pub version: u64,
    /// The host.
    pub host: Connection,
}

impl Default for Origin {
    fn default() -> Self {
        Origin {
            username: Text::from_static("-"),
            session_id: Text::from_static("0"),
            version: 0,
            host: Connection::of(IpAddr::from([0, 0, 0, 0])),
        }
    }
}

/// `c=`: where media go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The kinds of network and address: `IN IP4`.
    pub kind: Text,
    /// The address, perhaps with a time to live.
    pub address: Text,
}

impl Connection {
    /// An address of the Internet.
    pub fn of(ip: IpAddr) -> Connection {
        Connection {
            kind: Text::from_static(kind_of(ip)),
            address: Text::from(&Written(ip)),
        }
    }
}

/// The kinds of network and address of an address.
pub(super) fn kind_of(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "IN IP4",
        IpAddr::V6(_) => "IN IP6",
    }
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
        let whole = Bytes::copy_from_slice(body);
        let mut session = Session::default();
        let mut seen = Seen::default();
        for (index, line) in whole.split(|&byte| byte == b'\n').enumerate() {
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
            let value = Text::part_of(&whole, value);
            // Names and titles come in all encodings, and go no further; whether an address stands in
            // what passes can only be seen in UTF-8.
            if value.is_latin1() && !matches!(letter, b's' | b'i') {
                return Err(malformed(number, "not UTF-8"));
            }
            let done = match session.medias.last_mut() {
                _ if letter == b'm' => medium(&value).map(|medium| session.medias.push(medium)),
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

/// `o=`. White space in the user name, which is common and wrong, becomes `_`; a version longer than
/// 64 bits keeps its last digits: it is only ever compared and counted up.
fn origin(value: &str) -> Result<Origin, &'static str> {
    const BAD: &str = "malformed o=";
    let mut words = value.split_ascii_whitespace().rev();
    let mut next = || words.next().ok_or(BAD);
    let (address, family, net) = (next()?, next()?, next()?);
    let (version, session_id) = (next()?, next()?);
    let digits = version.get(version.len().saturating_sub(SAFE_DIGITS)..);
    let digits = digits.filter(|_| version.bytes().all(|byte| byte.is_ascii_digit()));
    let mut names: Vec<&str> = words.collect();
    names.reverse();
    let username = match &*names {
        [] => Text::from_static("-"),
        [one] => Text::from(*one),
        several => Text::from(several.join("_")),
    };
    Ok(Origin {
        username,
        session_id: session_id.into(),
        version: digits.and_then(|digits| digits.parse().ok()).ok_or(BAD)?,
        host: Connection {
            kind: kind(net, family).ok_or(BAD)?,
            address: address.into(),
        },
    })
}

/// `c=`.
fn connection(value: &str) -> Result<Connection, &'static str> {
    const BAD: &str = "malformed c=";
    let mut words = value.split_ascii_whitespace();
    let (Some(net), Some(family), Some(address), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD);
    };
    Ok(Connection {
        kind: kind(net, family).ok_or(BAD)?,
        address: address.into(),
    })
}

/// The kinds of network and address, which are tokens (RFC 8866 section 9).
fn kind(net: &str, family: &str) -> Option<Text> {
    let known = ["IN IP4", "IN IP6"].into_iter().find(|known| {
        let known = known.split_once(' ');
        known == Some((net, family))
    });
    if let Some(known) = known {
        return Some(Text::from_static(known));
    }
    let token = |word: &str| word.bytes().all(is_token_byte);
    (token(net) && token(family)).then(|| Text::joined(&[net, " ", family]))
}

fn is_token_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x27 | 0x2a..=0x2b | 0x2d..=0x2e | 0x30..=0x39 | 0x41..=0x5a | 0x5e..=0x7e)
}

/// `b=`: a type and a number.
fn bandwidth(value: Text) -> Result<Text, &'static str> {
    let sound = cut(&value, b':').is_some_and(|(_, number)| is_number(number));
    sound.then_some(value).ok_or("malformed b=")
}

/// `t=`: two numbers; `r=` belongs to one.
fn time(letter: u8, value: &str, first: bool) -> Result<(), &'static str> {
    if letter == b'r' && first {
        return Err("r= without t=");
    }
    if letter != b't' {
        return Ok(());
    }
    let mut words = value.split_ascii_whitespace();
    let both = words
        .by_ref()
        .take(2)
        .filter(|word| is_number(word))
        .count()
        == 2;
    (both && words.next().is_none())
        .then_some(())
        .ok_or("malformed t=")
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
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
