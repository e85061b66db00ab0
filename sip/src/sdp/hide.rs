//! Putting our own addresses in the place of theirs.

use std::net::{IpAddr, SocketAddr};

use super::lines::{Attribute, Media};
use super::media::{Direction, address, written};
use super::values::{Connection, Origin, kind_of};
use super::{Sdp, SdpError};
use crate::address::Written;
use crate::text::Text;

/// Attributes that only hold addresses, or means to reach them.
const ADDRESS_ATTRIBUTES: [&str; 11] = [
    "rtcp",
    "candidate",
    "remote-candidates",
    "end-of-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-lite",
    "ice-options",
    "ice-mismatch",
    "source-filter",
    "alt",
];

impl Sdp {
    /// Hides who made the description and where: `o=` becomes ours with `session_id` and `version`, every
    /// `c=` and `a=rtcp` goes (to be put back by [`Sdp::readdress`]), ICE goes, `i=`, `u=`, `e=` and `p=`
    /// of the session go, and so do keys (`k=`, which RFC 8866 has given up) and whatever names one of
    /// the addresses found: attributes, by name or value, bandwidths, repeated times (`r=`, `z=`), and words
    /// of `m=`.
    ///
    /// Until [`Sdp::readdress`], sections have `own` as their address.
    pub fn hide(&mut self, own: IpAddr, session_id: u64, version: u64) {
        let known = self.addresses();
        let session = self.session_mut();
        session.origin = Origin {
            username: Text::from_static("-"),
            session_id: session_id.to_string().into(),
            version,
            host: Connection::of(own),
        };
        session.name = Text::from_static("-");
        session.information = None;
        session.contacts.clear();
        session.connection = Some(Connection::of(own));
        session.key = None;
        session
            .bandwidths
            .retain(|bandwidth| !names_any(bandwidth, &known));
        session.times.retain(|(_, time)| !names_any(time, &known));
        session
            .attributes
            .retain(|attribute| !leaks(attribute, &known));
        for media in &mut session.medias {
            hide_media(media, &known);
        }
    }

    /// Puts our addresses in section `index`: `c=`, the port, and `a=rtcp` where RTCP is not on the next
    /// port. A section refused by port 0 keeps it.
    ///
    /// # Errors
    /// [`SdpError::NoMedia`].
    pub fn readdress(
        &mut self,
        index: usize,
        rtp: SocketAddr,
        rtcp: SocketAddr,
    ) -> Result<(), SdpError> {
        let media = self
            .session_mut()
            .medias
            .get_mut(index)
            .ok_or(SdpError::NoMedia(index))?;
        media.connections = vec![Connection::of(rtp.ip())];
        media
            .attributes
            .retain(|attribute| !attribute.name().eq_ignore_ascii_case("rtcp"));
        if media.port == 0 {
            return Ok(());
        }
        media.port = rtp.port();
        media.ports = None;
        let usual = rtcp.ip() == rtp.ip() && Some(rtcp.port()) == rtp.port().checked_add(1);
        if !usual {
            let kind = kind_of(rtcp.ip());
            let value = format!("rtcp:{} {kind} {}", rtcp.port(), rtcp.ip());
            media.attributes.push(Attribute::new(value));
        }
        Ok(())
    }

    /// Refuses section `index` by port 0 (RFC 3264 section 6).
    ///
    /// # Errors
    /// [`SdpError::NoMedia`].
    pub fn refuse(&mut self, index: usize) -> Result<(), SdpError> {
        let media = self
            .session_mut()
            .medias
            .get_mut(index)
            .ok_or(SdpError::NoMedia(index))?;
        media.port = 0;
        Ok(())
    }

    /// Sets which way media of section `index` flow.
    ///
    /// # Errors
    /// [`SdpError::NoMedia`].
    pub fn set_direction(&mut self, index: usize, direction: Direction) -> Result<(), SdpError> {
        let media = self
            .session_mut()
            .medias
            .get_mut(index)
            .ok_or(SdpError::NoMedia(index))?;
        media.attributes.retain(|attribute| {
            let word = attribute.name();
            !Direction::ALL
                .iter()
                .any(|one| one.as_str().eq_ignore_ascii_case(word))
        });
        media.attributes.push(Attribute::new(direction.as_str()));
        Ok(())
    }

    /// Every address that the description names in `o=` and `c=`, as it is written and as it is
    /// usually written.
    fn addresses(&self) -> Vec<Text> {
        let session = self.session();
        let sections = session.medias.iter().flat_map(|media| &media.connections);
        let all = std::iter::once(&session.origin.host).chain(&session.connection);
        let mut known = Vec::with_capacity(2 + 2 * session.medias.len());
        for connection in all.chain(sections) {
            add(&mut known, written(connection).into());
            if let Some(ip) = address(connection) {
                add(&mut known, Text::from(&Written(ip)));
            }
        }
        known
    }
}

fn add(known: &mut Vec<Text>, address: Text) {
    if !address.is_empty() && !known.contains(&address) {
        known.push(address);
    }
}

fn hide_media(media: &mut Media, known: &[Text]) {
    media.connections.clear();
    media.key = None;
    media
        .bandwidths
        .retain(|bandwidth| !names_any(bandwidth, known));
    media
        .attributes
        .retain(|attribute| !leaks(attribute, known));
    // What stands there is a word of a registry, or nobody's: nothing is lost with it.
    for word in [&mut media.kind, &mut media.proto, &mut media.formats] {
        if names_any(word, known) {
            *word = Text::from_static("-");
        }
    }
}

/// True for an attribute that holds an address: by its name, or because it holds one of `known` as a
/// word of its own.
fn leaks(attribute: &Attribute, known: &[Text]) -> bool {
    let name = attribute.name();
    let by_name = ADDRESS_ATTRIBUTES
        .iter()
        .any(|one| name.eq_ignore_ascii_case(one));
    by_name || names_any(attribute.whole(), known)
}

fn names_any(text: &str, known: &[Text]) -> bool {
    known.iter().any(|address| names(text, address))
}

/// True where `address` stands in `value` and is not part of a longer word.
fn names(value: &str, address: &str) -> bool {
    let Some(first) = address.bytes().next() else {
        return false;
    };
    let part = |char: Option<char>| char.is_some_and(|c| c.is_alphanumeric() || c == '.');
    memchr::memchr_iter(first, value.as_bytes()).any(|at| {
        let Some(after) = value.get(at..).and_then(|rest| rest.strip_prefix(address)) else {
            return false;
        };
        let before = value.get(..at).and_then(|text| text.chars().next_back());
        !part(before) && !part(after.chars().next())
    })
}
