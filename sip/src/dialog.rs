//! Dialogs (RFC 3261 section 12) and the repetition of a 2xx until its ACK (section 13.3.1.4).

use std::time::{Duration, Instant};

use crate::cseq::CSeq;
use crate::error::HeaderError;
use crate::message::Message;
use crate::method::Method;
use crate::name::HeaderName;
use crate::name_addr::NameAddr;
use crate::text::Text;
use crate::transaction::Config;
use crate::uri::Uri;

/// What identifies a dialog on our side.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId {
    /// Call-ID.
    pub call_id: Text,
    /// Our tag.
    pub local_tag: Text,
    /// Their tag; empty for elements of RFC 2543 that send none.
    pub remote_tag: Text,
}

impl DialogId {
    /// The dialog that a received request belongs to; `None` for one outside of dialogs (no To tag).
    pub fn of_request(request: &Message) -> Option<DialogId> {
        Some(DialogId {
            call_id: request.call_id().ok()?.into(),
            local_tag: request.to_tag()?,
            remote_tag: request.from_tag().unwrap_or_default(),
        })
    }

    /// The dialog that a received response belongs to or makes; `None` without To tag.
    pub fn of_response(response: &Message) -> Option<DialogId> {
        Some(DialogId {
            call_id: response.call_id().ok()?.into(),
            local_tag: response.from_tag().unwrap_or_default(),
            remote_tag: response.to_tag()?,
        })
    }
}

/// A request that came out of order (RFC 3261 section 12.2.2): answer 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CSeqError {
    /// The CSeq is not above the last one.
    #[error("CSeq {got} is not above {last}")]
    OutOfOrder {
        /// What came.
        got: u32,
        /// What came before.
        last: u32,
    },
    /// No readable CSeq.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// One side of a dialog. Its texts are its own: it keeps none of the messages that made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// Call-ID.
    pub call_id: Text,
    /// Our tag.
    pub local_tag: Text,
    /// Their tag; empty where they send none.
    pub remote_tag: Text,
    /// Our address as From or To has it, with our tag.
    pub local_uri: Text,
    /// Their address as From or To has it, with their tag.
    pub remote_uri: Text,
    /// Where requests are addressed: their Contact.
    pub remote_target: Text,
    /// The Route values of our requests, nearest first.
    pub route_set: Vec<Text>,
    /// CSeq of our last request; 0 before the first.
    pub local_cseq: u32,
    /// CSeq of their last request.
    pub remote_cseq: Option<u32>,
}

impl Dialog {
    /// The dialog that our 101 to 299 answer with `local_tag` makes (RFC 3261 section 12.1.1).
    ///
    /// # Errors
    /// A header of the request is missing or malformed; Contact is among those needed.
    pub fn uas(request: &Message, local_tag: &str) -> Result<Dialog, HeaderError> {
        let remote_uri = address(request, HeaderName::From, "From")?;
        let local_uri = address(request, HeaderName::To, "To")?;
        Ok(Dialog {
            call_id: request.call_id()?.into(),
            local_tag: local_tag.into(),
            remote_tag: NameAddr::tag_of(remote_uri).unwrap_or("").into(),
            local_uri: tagged(local_uri, local_tag),
            remote_uri: remote_uri.detached(),
            remote_target: target(request)?,
            route_set: request
                .headers
                .all_split(HeaderName::RecordRoute)
                .map(Text::from)
                .collect(),
            local_cseq: 0,
            remote_cseq: Some(request.cseq()?.number),
        })
    }

    /// The dialog that their 101 to 299 answer to our request makes (RFC 3261 section 12.1.2).
    ///
    /// # Errors
    /// A header of either is missing or malformed; To tag and Contact of the answer are among those
    /// needed.
    pub fn uac(request: &Message, response: &Message) -> Result<Dialog, HeaderError> {
        let local_uri = address(request, HeaderName::From, "From")?;
        let remote_uri = address(response, HeaderName::To, "To")?;
        let mut route_set: Vec<Text> = response
            .headers
            .all_split(HeaderName::RecordRoute)
            .map(Text::from)
            .collect();
        route_set.reverse();
        Ok(Dialog {
            call_id: request.call_id()?.into(),
            local_tag: NameAddr::tag_of(local_uri).unwrap_or("").into(),
            remote_tag: NameAddr::tag_of(remote_uri)
                .ok_or(HeaderError::Missing("To tag"))?
                .into(),
            local_uri: local_uri.detached(),
            remote_uri: remote_uri.detached(),
            remote_target: target(response)?,
            route_set,
            local_cseq: request.cseq()?.number,
            remote_cseq: None,
        })
    }

    /// What identifies the dialog.
    pub fn id(&self) -> DialogId {
        DialogId {
            call_id: self.call_id.clone(),
            local_tag: self.local_tag.clone(),
            remote_tag: self.remote_tag.clone(),
        }
    }

    /// The next request in the dialog (RFC 3261 section 12.2.1.1), without Via and Contact. Not for
    /// ACK, which takes the INVITE's number: see [`Dialog::ack`].
    pub fn request(&mut self, method: Method) -> Message {
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.build(method, self.local_cseq)
    }

    /// The ACK for the 2xx of our INVITE with this CSeq (RFC 3261 section 13.2.2.4).
    pub fn ack(&self, cseq: u32) -> Message {
        self.build(Method::Ack, cseq)
    }

    fn build(&self, method: Method, cseq: u32) -> Message {
        let strict = self
            .route_set
            .first()
            .and_then(|route| strict_router(route));
        let mut request = match &strict {
            Some(first) => Message::request(method.clone(), first.as_str()),
            None => Message::request(method.clone(), self.remote_target.clone()),
        };
        let headers = &mut request.headers;
        for route in self.route_set.iter().skip(usize::from(strict.is_some())) {
            headers.push(HeaderName::Route, route.clone());
        }
        if strict.is_some() {
            headers.push(HeaderName::Route, format!("<{}>", self.remote_target));
        }
        headers.push(HeaderName::MaxForwards, "70");
        headers.push(HeaderName::From, self.local_uri.clone());
        headers.push(HeaderName::To, self.remote_uri.clone());
        headers.push(HeaderName::CallId, self.call_id.clone());
        headers.push(HeaderName::CSeq, CSeq::new(cseq, method));
        request
    }

    /// Takes a request that belongs to this dialog: checks its order (RFC 3261 section 12.2.2) and
    /// takes over the Contact of a target refresh (re-INVITE, UPDATE, SUBSCRIBE, NOTIFY). ACK and
    /// CANCEL bear the number of their INVITE and are always in order.
    ///
    /// # Errors
    /// [`CSeqError`]; the dialog is unchanged then, and the answer is 500 (400 for a bad header).
    pub fn receive(&mut self, request: &Message) -> Result<(), CSeqError> {
        let cseq = request.cseq()?;
        if matches!(cseq.method, Method::Ack | Method::Cancel) {
            return Ok(());
        }
        if let Some(last) = self.remote_cseq
            && cseq.number <= last
        {
            return Err(CSeqError::OutOfOrder {
                got: cseq.number,
                last,
            });
        }
        self.remote_cseq = Some(cseq.number);
        if matches!(
            cseq.method,
            Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
        ) {
            self.refresh_target(request);
        }
        Ok(())
    }

    /// Takes over the Contact of a request or answer that refreshes the target; a message without a
    /// usable Contact changes nothing.
    pub fn refresh_target(&mut self, message: &Message) {
        if let Ok(target) = target(message) {
            self.remote_target = target;
        }
    }
}

/// A header that holds an address, as it is written.
fn address<'a>(
    message: &'a Message,
    name: HeaderName,
    word: &'static str,
) -> Result<&'a Text, HeaderError> {
    let value = message
        .headers
        .text(name)
        .ok_or(HeaderError::Missing(word))?;
    NameAddr::check(value)?;
    Ok(value)
}

/// The address with our tag, which a request that makes a dialog cannot have brought.
fn tagged(address: &Text, tag: &str) -> Text {
    match NameAddr::tag_of(address) {
        None => address.with_suffix(&format!(";tag={tag}")),
        Some(_) => match NameAddr::parse(address) {
            Ok(address) => address.with_tag(tag).into(),
            Err(_) => address.clone(),
        },
    }
}

/// The URI of the first Contact.
fn target(message: &Message) -> Result<Text, HeaderError> {
    let contact = message.headers.all_split(HeaderName::Contact).next();
    let contact = NameAddr::parse(contact.ok_or(HeaderError::Missing("Contact"))?)?;
    Ok(contact.uri.to_string().into())
}

/// The URI of a route that knows no loose routing: it takes the place of the Request-URI.
fn strict_router(route: &str) -> Option<String> {
    let uri: Uri = NameAddr::parse(route).ok()?.uri;
    (!uri.is_loose_router()).then(|| uri.to_string())
}

/// What [`Retransmit::wake`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetransmitStep {
    /// Send the 2xx again.
    Resend,
    /// No ACK came within 64 T1: send BYE.
    GaveUp,
    /// It is not time yet.
    Idle,
}

/// When to send the 2xx of an INVITE again, over every transport, until its ACK comes: after T1,
/// doubling up to T2, for 64 T1 (RFC 3261 section 13.3.1.4). Drop it when the ACK comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retransmit {
    next: Instant,
    end: Instant,
    interval: Duration,
    longest: Duration,
    over: bool,
}

impl Retransmit {
    /// Begins with the first 2xx, sent at `now`.
    pub fn new(config: &Config, now: Instant) -> Retransmit {
        Retransmit {
            next: now + config.t1,
            end: now + config.timeout(),
            interval: config.t1,
            longest: config.t2,
            over: false,
        }
    }

    /// When [`Retransmit::wake`] wants to be called; `None` once given up.
    pub fn next_wakeup(&self) -> Option<Instant> {
        (!self.over).then(|| self.next.min(self.end))
    }

    /// What to do at `now`.
    pub fn wake(&mut self, now: Instant) -> RetransmitStep {
        if self.over || now < self.next.min(self.end) {
            return RetransmitStep::Idle;
        }
        if now >= self.end {
            self.over = true;
            return RetransmitStep::GaveUp;
        }
        self.interval = self.interval.saturating_mul(2).min(self.longest);
        self.next = now + self.interval;
        RetransmitStep::Resend
    }
}
