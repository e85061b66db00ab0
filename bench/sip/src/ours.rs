//! Patchbay's own crate.

use bytes::Bytes;
use patchbay_sip::{HeaderName, Message, NameAddr, Uri};

use crate::{CHANGE, Facts, Library};

/// `patchbay-sip`.
pub struct Ours;

/// The relay copies a datagram out of its receive buffer once, and reads it where it is then.
fn parse(datagram: &[u8]) -> Option<Message> {
    Message::parse(Bytes::copy_from_slice(datagram)).ok()
}

fn facts(message: &Message) -> Option<Facts> {
    let via = message.top_via().ok()?;
    let contact = message.headers.get(HeaderName::Contact);
    let contact = contact.map(NameAddr::parse).transpose().ok()?;
    Some(Facts {
        via_host: via.host.to_string().len(),
        branch: via.branch()?.len(),
        from_tag: message.from_tag()?.len(),
        to_tag: message.to_tag().map(|tag| tag.len()),
        cseq: message.cseq().ok()?.number,
        call_id: message.call_id().ok()?.len(),
        contact_port: contact.and_then(|contact: NameAddr| port(&contact.uri)),
    })
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port
}

impl Library for Ours {
    fn parse(datagram: &[u8]) -> Option<impl Sized> {
        parse(datagram)
    }

    fn read(datagram: &[u8]) -> Option<Facts> {
        facts(&parse(datagram)?)
    }

    fn readdress(datagram: &[u8]) -> Option<Vec<u8>> {
        encoded(datagram).map(Vec::from)
    }
}

/// The same as it is sent: without another buffer.
pub fn encoded(datagram: &[u8]) -> Option<Bytes> {
    let mut message = parse(datagram)?;
    std::hint::black_box(facts(&message)?);
    if message.is_request() {
        message.set_uri(CHANGE.target);
        message.headers.remove_first(HeaderName::Route);
        let hops = message.max_forwards()?.saturating_sub(1);
        message
            .headers
            .set(HeaderName::MaxForwards, hops.to_string());
        message.headers.push_front(HeaderName::Via, CHANGE.via);
    } else {
        message.headers.remove_first(HeaderName::Via);
    }
    if message.headers.contains(HeaderName::Contact) {
        message.headers.set(HeaderName::Contact, CHANGE.contact);
    }
    Some(message.encode())
}
