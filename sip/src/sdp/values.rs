//! The values of `o=`, `c=` and `t=` (RFC 8866 sections 5.2, 5.7 and 5.9).

use std::net::IpAddr;

use crate::address::Written;
use crate::text::Text;

/// Most digits that surely fit 64 bits.
const SAFE_DIGITS: usize = 18;

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

/// `o=`. White space in the user name, which is common and wrong, becomes `_`; a version longer than
/// 64 bits keeps its last digits: it is only ever compared and counted up.
pub(super) fn origin(value: &str) -> Result<Origin, &'static str> {
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
pub(super) fn connection(value: &str) -> Result<Connection, &'static str> {
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

/// `t=`: two numbers; `r=` belongs to one.
pub(super) fn time(letter: u8, value: &str, first: bool) -> Result<(), &'static str> {
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

pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
