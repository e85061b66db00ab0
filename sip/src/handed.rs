//! [`Handed`]: a message for somebody in the same process.

use bytes::Bytes;

use crate::limits::{MAX_HEADERS, MAX_MESSAGE_BYTES};
use crate::message::Message;
use crate::parse::ParseError;

/// A message as it would go on the wire, and beside that, where its sender is in this process, as the
/// receiver would read it: who is handed both reads nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    bytes: Bytes,
    message: Option<Box<Message>>,
}

impl Handed {
    /// A message and what it encodes to. One that is beyond the limits of what is read is left to the
    /// receiver, who refuses it.
    pub fn new(message: Message, bytes: Bytes) -> Handed {
        let fits = bytes.len() <= MAX_MESSAGE_BYTES && message.headers.len() <= MAX_HEADERS;
        Handed {
            bytes,
            message: fits.then(|| Box::new(message)),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes alone.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The message.
    ///
    /// # Errors
    /// It was handed over as bytes alone, and they are wrong.
    pub fn read(self) -> Result<Message, ParseError> {
        match self.message {
            Some(message) => Ok(*message),
            None => Message::parse(self.bytes),
        }
    }
}

impl From<Bytes> for Handed {
    fn from(bytes: Bytes) -> Self {
        Handed {
            bytes,
            message: None,
        }
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
        let handed = Handed::new(message.clone(), message.encode());
        assert_eq!(*handed.bytes(), message.encode());
        assert_eq!(handed.read().unwrap(), message);
        assert_eq!(Handed::from(message.encode()).read().unwrap(), message);
    }

    #[test]
    fn what_nobody_would_read_is_refused() {
        let mut long = request();
        for _ in 0..MAX_HEADERS {
            long.headers.push("X", "y");
        }
        let bytes = long.encode();
        assert!(Handed::new(long, bytes).read().is_err());
    }
}
