//! Putting our own addresses in the place of theirs.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use sdp_types::{AddrType, Attribute, Connection, Media, NetType, Session};

use super::media::{Direction, address};
use super::{Sdp, SdpError};

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
    /// the addresses found: attributes, by name or value, bandwidths, and words of `m=`.
    ///
    /// Until [`Sdp::readdress`], sections have `own` as their address.
    pub fn hide(&mut self, own: IpAddr, session_id: u64, version: u64) {
        let known = self.addresses();
        let session = self.session_mut();
        session.origin.username = Some("-".to_owned());
        session.origin.sess_id = session_id.to_string();
        session.origin.sess_version = version;
        session.origin.nettype = NetType::In;
        session.origin.set_unicast_ip_address(own);
        session.session_name = "-".to_owned();
        session.session_description = None;
        session.uri = None;
        session.emails.clear();
        session.phones.clear();
        session.connection = Some(Connection::from_ip_addr(own));
        session.key = None;
        session
            .bandwidths
            .retain(|bandwidth| !names_any(&bandwidth.bwtype, &known));
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
        media.connections = vec![Connection::from_ip_addr(rtp.ip())];
        media
            .attributes
            .retain(|attribute| !attribute.attribute.eq_ignore_ascii_case("rtcp"));
        if media.port == 0 {
            return Ok(());
        }
        media.port = rtp.port();
        media.num_ports = None;
        let usual = rtcp.ip() == rtp.ip() && Some(rtcp.port()) == rtp.port().checked_add(1);
        if !usual {
            let family = AddrType::from(rtcp.ip());
            let value = format!("{} IN {} {}", rtcp.port(), family.as_str(), rtcp.ip());
            media.add_attribute_with_value("rtcp", value);
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
            let word = attribute.attribute.as_str();
            !Direction::ALL
                .iter()
                .any(|one| one.as_str().eq_ignore_ascii_case(word))
        });
        media.add_attribute_from_str(direction.as_str());
        Ok(())
    }

    /// Every address that the description names in `o=` and `c=`, as it is written.
    fn addresses(&self) -> Vec<String> {
        let session: &Session = self.session();
        let connections = session.connection.iter();
        let connections = connections.chain(session.medias.iter().flat_map(|m| &m.connections));
        // An address may be written in many ways, and elsewhere in the usual one.
        let meant = connections
            .clone()
            .filter_map(|connection| address(connection).map(|ip| ip.to_string()));
        let written = connections.clone().map(|connection| {
            connection
                .connection_address
                .split('/')
                .next()
                .unwrap_or_default()
        });
        std::iter::once(session.origin.unicast_address.as_str())
            .chain(written)
            .map(str::to_owned)
            .chain(meant)
            .filter(|address| !address.is_empty())
            .collect()
    }
}

fn hide_media(media: &mut Media, known: &[String]) {
    media.connections.clear();
    media.key = None;
    media
        .bandwidths
        .retain(|bandwidth| !names_any(&bandwidth.bwtype, known));
    media
        .attributes
        .retain(|attribute| !leaks(attribute, known));
    // What stands there is a word of a registry, or nobody's: nothing is lost with it.
    for word in [&mut media.media, &mut media.proto, &mut media.fmt] {
        if names_any(word, known) {
            *word = "-".to_owned();
        }
    }
}

/// True for an attribute that holds an address: by its name, or because it holds one of `known` as a
/// word of its own.
fn leaks(attribute: &Attribute, known: &[String]) -> bool {
    let by_name = ADDRESS_ATTRIBUTES
        .iter()
        .any(|name| attribute.attribute.eq_ignore_ascii_case(name));
    by_name || names_any(&whole(attribute), known)
}

/// What is written of an attribute: its colon may be one of an IPv6 address.
fn whole(attribute: &Attribute) -> Cow<'_, str> {
    match &attribute.value {
        Some(value) => Cow::Owned(format!("{}:{value}", attribute.attribute)),
        None => Cow::Borrowed(&attribute.attribute),
    }
}

fn names_any(text: &str, known: &[String]) -> bool {
    known.iter().any(|address| names(text, address))
}

/// True where `address` stands in `value` and is not part of a longer word.
fn names(value: &str, address: &str) -> bool {
    let part = |char: Option<char>| char.is_some_and(|c| c.is_alphanumeric() || c == '.');
    value.match_indices(address).any(|(at, _)| {
        let before = value.get(..at).and_then(|text| text.chars().next_back());
        let after = value
            .get(at + address.len()..)
            .and_then(|text| text.chars().next());
        !part(before) && !part(after)
    })
}
