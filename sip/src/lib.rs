//! SIP without I/O: wire, URIs, headers, transactions, dialogs, digest, SDP.
#![warn(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::indexing_slicing))]

mod check;
mod cseq;
pub mod dialog;
pub mod digest;
mod encode;
mod error;
mod headers;
pub mod limits;
mod message;
mod method;
mod name;
mod name_addr;
mod params;
mod parse;
mod scan;
pub mod sdp;
pub mod status;
pub mod stream;
pub mod text;
pub mod transaction;
pub mod uri;
mod via;

pub use rsip::Transport;

pub use cseq::CSeq;
pub use error::{HeaderError, UriError};
pub use headers::Headers;
pub use limits::{MAX_HEADERS, MAX_LINE, MAX_MESSAGE_BYTES};
pub use message::{Message, StartLine};
pub use method::{Method, UnknownMethod};
pub use name::HeaderName;
pub use name_addr::{Contacts, NameAddr};
pub use params::Params;
pub use parse::{ParseError, ParseErrorKind};
pub use scan::{SplitCommas, quote, split_commas, unquote};
pub use text::Text;
pub use uri::{Host, Scheme, Uri};
pub use via::{MAGIC_COOKIE, Via};
