//! [`Message`]: a request or a response.

use bytes::Bytes;

use crate::cseq::CSeq;
use crate::encode;
use crate::error::HeaderError;
use crate::headers::Headers;
use crate::method::Method;
use crate::name::HeaderName;
use crate::name_addr::{Contacts, NameAddr};
use crate::parse::{self, ParseError};
use crate::scan::split_commas;
use crate::text::Text;
use crate::uri::Host;
use crate::via::Via;

/// The first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartLine {
    /// A request's (RFC 3261 section 7.1).
    Request {
        /// What is asked.
        method: Method,
        /// The Request-URI as it is written.
        uri: Text,
    },
    /// A response's (RFC 3261 section 7.2).
    Response {
        /// 100 to 699.
        status: u16,
        /// Words for people.
        reason: Text,
    },
}

/// A SIP message. Cloning shares the received bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The first line.
    pub start: StartLine,
    /// The header lines, without Content-Length: the body's length says it.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl Message {
    /// Parses one whole message: a datagram, or what [`crate::stream::Framer`] cut from a stream.
    ///
    /// Everything that RFC 4475 calls valid is accepted, and also bare LF as line end. Bytes after
    /// the body that Content-Length announces are left out (RFC 3261 section 18.3). Beyond the
    /// syntax of the lines this checks what no element can do without: Via, From, To, Call-ID and
    /// CSeq present, once where once is allowed, readable, and CSeq's method that of the request.
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong and which answer fits.
    pub fn parse(datagram: Bytes) -> Result<Message, ParseError> {
        parse::message(datagram)
    }

    /// The bytes to send. Content-Length is written from the body. Line ends within values, which
    /// would begin a header of their own, become spaces.
    pub fn encode(&self) -> Bytes {
        encode::message(self)
    }

    /// Bytes that it takes on the wire, a few less at most: without looking at each of them.
    pub fn wire_bytes(&self) -> usize {
        encode::estimate(self)
    }

    /// A request without headers.
    pub fn request(method: Method, uri: impl Into<Text>) -> Message {
        Message {
            start: StartLine::Request {
                method,
                uri: uri.into(),
            },
            headers: Headers::with_capacity(16),
            body: Bytes::new(),
        }
    }

    /// The beginning of an answer to `request` (RFC 3261 section 8.2.6): Via, From, To, Call-ID and
    /// CSeq are copied, Timestamp too into a 100, and Record-Route where the answer may make a dialog
    /// (101 to 299, section 12.1.1). A To tag is not added: see [`Message::set_to_tag`]. An empty
    /// `reason` stands for the usual words.
    pub fn response_to(request: &Message, status: u16, reason: &str) -> Message {
        let reason = if reason.is_empty() {
            crate::status::reason(status)
        } else {
            reason
        };
        let mut headers = Headers::with_capacity(12);
        headers.extend(Message::copied(request, status));
        Message {
            start: StartLine::Response {
                status,
                reason: reason.into(),
            },
            headers,
            body: Bytes::new(),
        }
    }

    /// The headers that an answer to `request` takes from it.
    pub(crate) fn copied(
        request: &Message,
        status: u16,
    ) -> impl Iterator<Item = (HeaderName, Text)> {
        let dialog =
            (101..300).contains(&status) && request.method().is_some_and(Method::forms_dialog);
        let lines = request.headers.iter().filter(move |(name, _)| match name {
            HeaderName::Via
            | HeaderName::From
            | HeaderName::To
            | HeaderName::CallId
            | HeaderName::CSeq => true,
            HeaderName::RecordRoute => dialog,
            HeaderName::Timestamp => status == 100,
            _ => false,
        });
        lines.map(|(name, value)| (name.clone(), value.clone()))
    }

    /// A request's method.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// A response's status.
    pub fn status(&self) -> Option<u16> {
        match &self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(*status),
        }
    }

    /// A request's URI as it is written.
    pub fn uri(&self) -> Option<&str> {
        match &self.start {
            StartLine::Request { uri, .. } => Some(uri),
            StartLine::Response { .. } => None,
        }
    }

    /// Changes a request's URI; nothing happens to a response.
    pub fn set_uri(&mut self, new: impl Into<Text>) {
        if let StartLine::Request { uri, .. } = &mut self.start {
            *uri = new.into();
        }
    }

    /// True for a request.
    pub fn is_request(&self) -> bool {
        self.method().is_some()
    }

    pub(crate) fn single(&self, name: HeaderName, word: &'static str) -> Result<&str, HeaderError> {
        self.headers.get(name).ok_or(HeaderError::Missing(word))
    }

    /// The Call-ID.
    ///
    /// # Errors
    /// [`HeaderError::Missing`], also where it is empty.
    pub fn call_id(&self) -> Result<&str, HeaderError> {
        match self.single(HeaderName::CallId, "Call-ID")? {
            "" => Err(HeaderError::Missing("Call-ID")),
            id => Ok(id),
        }
    }

    /// The CSeq.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn cseq(&self) -> Result<CSeq, HeaderError> {
        CSeq::parse(self.single(HeaderName::CSeq, "CSeq")?)
    }

    /// The From address.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn from(&self) -> Result<NameAddr, HeaderError> {
        NameAddr::parse(self.single(HeaderName::From, "From")?)
    }

    /// The To address.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn to(&self) -> Result<NameAddr, HeaderError> {
        NameAddr::parse(self.single(HeaderName::To, "To")?)
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn top_via(&self) -> Result<Via, HeaderError> {
        Via::parse(self.first_via()?)
    }

    /// The host and port in the topmost Via: who has sent a request, by its own word.
    ///
    /// # Errors
    /// Missing or malformed.
    pub fn sent_by(&self) -> Result<(Host, Option<u16>), HeaderError> {
        Via::sender(self.first_via()?)
    }

    /// The `branch` of the topmost Via.
    pub(crate) fn branch(&self) -> Result<Option<&str>, HeaderError> {
        Via::branch_in(self.first_via()?)
    }

    /// The topmost Via as it is written.
    pub(crate) fn first_via(&self) -> Result<&str, HeaderError> {
        let first = self
            .single(HeaderName::Via, "Via")
            .map(split_commas)?
            .next();
        first.ok_or(HeaderError::Missing("Via"))
    }

    /// The addresses of all Contact headers.
    ///
    /// # Errors
    /// What is wrong with the first malformed one; a star next to others is
    /// [`HeaderError::Malformed`].
    pub fn contacts(&self) -> Result<Contacts, HeaderError> {
        let mut list = Vec::new();
        let mut star = false;
        for item in self.headers.all_split(HeaderName::Contact) {
            if item == "*" {
                star = true;
            } else {
                list.push(NameAddr::parse(item)?);
            }
        }
        match (star, list.is_empty()) {
            (true, true) => Ok(Contacts::Star),
            (true, false) => Err(HeaderError::Malformed("Contact")),
            (false, _) => Ok(Contacts::List(list)),
        }
    }

    /// The tag of From.
    pub fn from_tag(&self) -> Option<Text> {
        NameAddr::tag_of(self.headers.get(HeaderName::From)?).map(Text::from)
    }

    /// The tag of To.
    pub fn to_tag(&self) -> Option<Text> {
        NameAddr::tag_of(self.headers.get(HeaderName::To)?).map(Text::from)
    }

    /// Adds a tag to To where it has none. The value keeps the bytes that were received.
    pub fn set_to_tag(&mut self, tag: &str) {
        let tagged = match self.headers.text(HeaderName::To) {
            Some(to) if NameAddr::tag_of(to).is_none() => to.with_suffix(&format!(";tag={tag}")),
            _ => return,
        };
        self.headers.set(HeaderName::To, tagged);
    }

    fn number(&self, name: HeaderName) -> Option<u32> {
        let digits = self.headers.get(name)?;
        let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // A number too large to hold means "very many" all the same (RFC 3261 section 20.19).
        sound.then(|| digits.parse().unwrap_or(u32::MAX))
    }

    /// Max-Forwards; `None` where absent or not a number.
    pub fn max_forwards(&self) -> Option<u32> {
        self.number(HeaderName::MaxForwards)
    }

    /// Expires in seconds; `None` where absent or not a number.
    pub fn expires(&self) -> Option<u32> {
        self.number(HeaderName::Expires)
    }

    /// The Content-Type as it is written, with parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(HeaderName::ContentType)
    }

    /// True where the body's type is `mime`, such as `application/sdp`, whatever its parameters.
    pub fn has_content_type(&self, mime: &str) -> bool {
        self.content_type()
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case(mime))
    }

    /// Puts `body` in place with its type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.headers.set(HeaderName::ContentType, content_type);
        self.body = body.into();
    }
}
