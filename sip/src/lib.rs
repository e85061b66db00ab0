//! SIP without I/O: wire, URIs, headers, transactions, dialogs, digest, SDP.
//!
//! Nothing here reads a socket, a clock or a random source: bytes, the time and seeds go in; messages,
//! events and the next time to wake come out. Nothing that comes from the network can make it panic,
//! and everything it holds is bounded by a named limit ([`limits`], [`transaction::Config`],
//! [`digest::MAX_NONCES`], [`sdp::MAX_MEDIA`]).
//!
//! The way of a message:
//!
//! 1. A datagram, or what [`stream::Framer`] cut from a connection, goes to [`Message::parse`]. Header
//!    values are slices of what was received, and bytes that are not UTF-8 come out as they went in
//!    ([`Text`]). A refused request says which answer fits ([`ParseError::answer`]).
//! 2. [`transaction::Layer::receive`] absorbs repetitions, answers CANCEL, acknowledges failures, and
//!    gives the rest to its user through [`transaction::Layer::poll`].
//! 3. The user finds the [`dialog::Dialog`] by [`dialog::DialogId`], checks credentials with
//!    [`digest::Authority`], reads the body with [`sdp::Sdp`], and answers with
//!    [`Message::response_to`] and [`transaction::Layer::respond`].
//! 4. [`transaction::Output::Send`] is what goes on the wire.
//!
//! Header values are parsed when they are asked for ([`Message::from`], [`Message::top_via`], ...);
//! until then a message is its lines, none lost, in their order. Lines that may hold several hops (Via,
//! Route, ...) can be taken apart with [`Headers::remove_first`] and [`Headers::all_split`].
//!
//! ```
//! use patchbay_sip::{HeaderName, Message, Uri};
//!
//! let wire = "OPTIONS sip:anna@example.com SIP/2.0\r\n\
//!     v: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bK1\r\n\
//!     From: <sip:b@example.com>;tag=1\r\nTo: <sip:anna@example.com>\r\n\
//!     Call-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
//! let request = Message::parse(wire.into())?;
//! assert_eq!(request.top_via()?.branch(), Some("z9hG4bK1"));
//! assert_eq!(Uri::parse(request.uri().unwrap_or_default())?.user.as_deref(), Some("anna"));
//! let mut answer = Message::response_to(&request, 200, "OK");
//! answer.set_to_tag("2");
//! answer.headers.push(HeaderName::Allow, "INVITE, ACK, BYE");
//! assert!(answer.encode().starts_with(b"SIP/2.0 200 OK\r\nVia: "));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod address;
pub mod carried;
mod check;
mod cseq;
pub mod dialog;
pub mod digest;
mod encode;
mod error;
mod handed;
mod headers;
pub mod limits;
mod message;
mod method;
mod name;
mod name_addr;
mod params;
mod parse;
mod rack;
mod scan;
pub mod sdp;
mod session_expires;
pub mod shards;
pub mod status;
pub mod stream;
pub mod text;
pub mod transaction;
pub mod uri;
mod via;

pub use rsip::Transport;

pub use address::Written;
pub use cseq::CSeq;
pub use error::{HeaderError, UriError};
pub use handed::Handed;
pub use headers::Headers;
pub use limits::{MAX_HEADERS, MAX_LINE, MAX_MESSAGE_BYTES};
pub use message::{Message, StartLine};
pub use method::{Method, UnknownMethod};
pub use name::HeaderName;
pub use name_addr::{Contacts, NameAddr};
pub use params::Params;
pub use parse::{ParseError, ParseErrorKind};
pub use rack::{RAck, parse_rseq};
pub use scan::{SplitCommas, quote, split_commas, unquote};
pub use session_expires::{LEAST_SESSION_S, Refresher, SessionExpires, min_se};
pub use text::Text;
pub use uri::{Host, Scheme, Uri};
pub use via::{MAGIC_COOKIE, Via};
