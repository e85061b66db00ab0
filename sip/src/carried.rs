//! SIP in SIP: a message as the body of a MESSAGE (RFC 3428) of the type `message/sip` (RFC 3261
//! sections 23.4 and 27.5).
//!
//! Two hosts that have one connection can carry a whole transaction so: what one of them sends on
//! [`Flow::inside`] of the connection goes into [`envelope`]s, and what comes out of [`open`] counts
//! as received on that flow. The inner messages keep their own Via and branch, by which they belong
//! together; the MESSAGEs around them are transactions of their own, each answered at once.

use bytes::Bytes;

use crate::limits::MAX_BODY_BYTES;
use crate::message::Message;
use crate::method::Method;
use crate::name::HeaderName;
use crate::stream::{Frame, Framer};
use crate::transaction::Flow;

/// The type of a body that is a SIP message.
pub const MESSAGE_SIP: &str = "message/sip";

/// Connection numbers with this bit name no socket: what goes there is carried by the connection
/// whose number lacks it. Sockets are numbered from below and from 2^63 on, and never reach it.
const INSIDE: u64 = 1 << 62;

/// Connection numbers with this bit are of ways to somebody else in this process.
pub const IN_PROCESS: u64 = 1 << 60;

/// Why a message cannot be carried, or is none that was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CarryError {
    /// Longer than a body may be ([`MAX_BODY_BYTES`]).
    #[error("the SIP message is too long to be carried")]
    TooLong,
    /// Content-Encoding: the body would have to be decoded first.
    #[error("the SIP message in the body is encoded")]
    Encoded,
    /// The body is not one whole message with its Content-Length.
    #[error("the body is not one whole SIP message")]
    Framing,
    /// It cannot be read.
    #[error("the SIP message in the body cannot be read")]
    Unreadable,
    /// It carries another one.
    #[error("the SIP message in the body carries another one")]
    Nested,
}

impl Flow {
    /// The way inside this connection, by MESSAGEs. The same for a flow that is inside already.
    #[must_use]
    pub fn inside(self) -> Flow {
        Flow {
            connection: self.connection | INSIDE,
            ..self
        }
    }

    /// Whether the other end is in this process: what is sent there need not become bytes.
    #[must_use]
    pub fn is_in_process(&self) -> bool {
        self.is_reliable() && self.connection & (IN_PROCESS | INSIDE) == IN_PROCESS
    }

    /// The connection that carries what is sent here; none if this is a way of its own.
    #[must_use]
    pub fn outside(self) -> Option<Flow> {
        (self.connection & INSIDE != 0).then_some(Flow {
            connection: self.connection & !INSIDE,
            ..self
        })
    }
}

/// Whether a message is a MESSAGE outside of any dialog that says to carry another one.
pub fn is_envelope(message: &Message) -> bool {
    message.method() == Some(&Method::Message)
        && message.has_content_type(MESSAGE_SIP)
        && message.to_tag().is_none()
}

/// A MESSAGE from one host to the next that carries `inner`. `name` must be fresh: it becomes
/// Call-ID and From tag.
///
/// # Errors
/// [`CarryError::TooLong`].
pub fn envelope(inner: Bytes, from: &str, to: &str, name: &str) -> Result<Message, CarryError> {
    if inner.len() > MAX_BODY_BYTES {
        return Err(CarryError::TooLong);
    }
    let mut message = Message::request(Method::Message, to);
    let headers = &mut message.headers;
    // For the next host, and for nobody behind it.
    headers.push(HeaderName::MaxForwards, "0");
    headers.push(HeaderName::From, format!("<{from}>;tag={name}"));
    headers.push(HeaderName::To, format!("<{to}>"));
    headers.push(HeaderName::CallId, name);
    headers.push(HeaderName::CSeq, "1 MESSAGE");
    message.set_body(MESSAGE_SIP, inner);
    Ok(message)
}

/// The message that an envelope carries. Strict: it has to fill the body, with a Content-Length of
/// its own that says so, and must not be an envelope itself.
///
/// # Errors
/// [`CarryError`].
pub fn open(envelope: &Message) -> Result<Message, CarryError> {
    if envelope.headers.contains(HeaderName::ContentEncoding) {
        return Err(CarryError::Encoded);
    }
    let mut framer = Framer::new();
    framer.push(&envelope.body);
    let whole = match framer.next() {
        Some(Ok(Frame::Message(bytes))) if framer.pending() == 0 => bytes,
        _ => return Err(CarryError::Framing),
    };
    let inner = Message::parse(whole).map_err(|_| CarryError::Unreadable)?;
    match inner.has_content_type(MESSAGE_SIP) {
        true => Err(CarryError::Nested),
        false => Ok(inner),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const INVITE: &str = "INVITE sip:relay.invalid;agent=a SIP/2.0\r\n\
        Via: SIP/2.0/TCP control.invalid;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\n\
        Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 4\r\n\r\nv=0\n";

    fn carrying(body: &str) -> Message {
        let from_to = ("sip:control.invalid", "sip:relay.invalid");
        envelope(body.to_owned().into(), from_to.0, from_to.1, "name").unwrap()
    }

    /// As the other side gets it.
    fn sent(message: &Message) -> Message {
        let mut message = message.clone();
        let via = "SIP/2.0/TCP control.invalid;branch=z9hG4bKouter";
        message.headers.push_front(HeaderName::Via, via);
        Message::parse(message.encode()).unwrap()
    }

    // B4
    #[test]
    fn what_goes_in_comes_out_byte_for_byte() {
        let received = sent(&carrying(INVITE));
        assert!(is_envelope(&received));
        assert_eq!(received.content_type(), Some("message/sip"));
        let inner = open(&received).unwrap();
        assert_eq!(inner.encode(), INVITE.as_bytes());
    }

    // B4
    #[test]
    fn what_is_not_one_whole_message_is_refused() {
        let shorter = INVITE.replace("Length: 4", "Length: 3");
        let longer = INVITE.replace("Length: 4", "Length: 5");
        let without = INVITE.replace("Content-Length: 4\r\n", "");
        let twice = format!("{INVITE}{INVITE}");
        let blank = format!("\r\n\r\n{INVITE}");
        for body in [&shorter, &longer, &without, &twice, &blank, "", "\r\n", "x"] {
            assert_eq!(open(&carrying(body)), Err(CarryError::Framing), "{body}");
        }
        let broken = INVITE.replace("SIP/2.0\r\nVia", "SIP/9.0\r\nVia");
        assert_eq!(open(&carrying(&broken)), Err(CarryError::Unreadable));
        let mut encoded = carrying(INVITE);
        encoded.headers.push(HeaderName::ContentEncoding, "gzip");
        assert_eq!(open(&encoded), Err(CarryError::Encoded));
        let inner = sent(&carrying(INVITE)).encode();
        let inner = String::from_utf8(inner.to_vec()).unwrap();
        assert_eq!(open(&carrying(&inner)), Err(CarryError::Nested));
    }

    // B4
    #[test]
    fn what_a_body_cannot_hold_is_not_put_into_one() {
        let long = vec![b'x'; MAX_BODY_BYTES + 1];
        let refused = envelope(long.into(), "sip:a", "sip:b", "name").unwrap_err();
        assert_eq!(refused, CarryError::TooLong);
    }

    // B4
    #[test]
    fn the_way_inside_is_one_level_deep() {
        let address = "192.0.2.1:5070".parse().unwrap();
        let flow = |connection| Flow {
            transport: crate::Transport::Tcp,
            local: address,
            remote: address,
            connection,
        };
        for number in [1, 77, 1 << 63, (1 << 63) + 4] {
            assert_eq!(flow(number).outside(), None);
            assert_eq!(flow(number).inside().inside(), flow(number).inside());
            assert_eq!(flow(number).inside().outside(), Some(flow(number)));
        }
    }
}
