//! [`Handed`]: a message on its way.

use bytes::Bytes;

use crate::encode::estimate;
use crate::limits::{MAX_HEADERS, MAX_MESSAGE_BYTES};
use crate::message::Message;
use crate::parse::ParseError;

/// A message for somebody else: the bytes that go on the wire, or, where he is in this process, the
/// message as it stands, which nobody has to write and to read then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Bytes(Bytes),
    Message(Box<Message>),
}

impl Handed {
    /// A message as it stands. One that is beyond the limits of what is read becomes bytes, so that
    /// the receiver refuses it.
    pub fn new(message: Message) -> Handed {
        let fits = message.headers.len() <= MAX_HEADERS && estimate(&message) <= MAX_MESSAGE_BYTES;
        Handed(match fits {
            true => Form::Message(Box::new(message)),
            false => Form::Bytes(message.encode()),
        })
    }

    /// The bytes, where these are what is handed over.
    pub fn wire(&self) -> Option<&Bytes> {
        match &self.0 {
            Form::Bytes(bytes) => Some(bytes),
            Form::Message(_) => None,
        }
    }

    /// The bytes; a message is encoded for this.
    pub fn bytes(&self) -> Bytes {
        match &self.0 {
            Form::Bytes(bytes) => bytes.clone(),
            Form::Message(message) => message.encode(),
        }
    }

    /// The message.
    ///
    /// # Errors
    /// Bytes were handed over, and they are wrong.
    pub fn read(self) -> Result<Message, ParseError> {
        match self.0 {
            Form::Bytes(bytes) => Message::parse(bytes),
            Form::Message(message) => Ok(*message),
        }
    }
}

impl From<Bytes> for Handed {
    fn from(bytes: Bytes) -> Self {
        Handed(Form::Bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{HeaderName, Method};

    fn request() -> Message {
        let mut request = Message::request(Method::Options, "sip:a@b");
        request
            .headers
            .push(HeaderName::Via, "SIP/2.0/TCP h;branch=z9hG4bK1");
        request.headers.push(HeaderName::From, "<sip:c@d>;tag=1");
        request.headers.push(HeaderName::To, "<sip:a@b>");
        request.headers.push(HeaderName::CallId, "1");
        request.headers.push(HeaderName::CSeq, "1 OPTIONS");
        request
    }

    #[test]
    fn what_is_handed_over_is_what_would_be_read() {
        let message = request();
        let handed = Handed::new(message.clone());
        assert_eq!(handed.wire(), None);
        assert_eq!(handed.bytes(), message.encode());
        assert_eq!(handed.read().unwrap(), message);
        let bytes = Handed::from(message.encode());
        assert_eq!(bytes.wire(), Some(&bytes.bytes()));
        assert_eq!(bytes.read().unwrap(), message);
    }

    #[test]
    fn what_nobody_would_read_is_refused() {
        let mut long = request();
        for _ in 0..MAX_HEADERS {
            long.headers.push("X", "y");
        }
        assert!(Handed::new(long).read().is_err());
        let mut large = request();
        large.body = vec![b'x'; MAX_MESSAGE_BYTES].into();
        assert!(Handed::new(large).read().is_err());
    }
}
