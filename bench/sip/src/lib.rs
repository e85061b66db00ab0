//! The same work on the same messages, done with Patchbay's own SIP crate, with rsip and with rsipstack.
//!
//! Three pieces of work, each including those before it, from a datagram that stands in a receive
//! buffer, as each library's users have it:
//!
//! - *parse*: the message as the library holds it;
//! - *read*: and what an element must know of it: top Via with host and branch, both tags, CSeq,
//!   Call-ID and the URI of Contact;
//! - *re-address*: and the message as it goes on, on the wire. A request gets another Request-URI, loses its
//!   first Route and a hop of Max-Forwards, and has a Via before its own; a response loses its first Via;
//!   Contact is another one in both.

pub mod messages;
pub mod ours;
pub mod theirs;

/// What a re-addressed message is given.
pub struct Change {
    /// Request-URI of requests.
    pub target: &'static str,
    /// The Via that is put before the others of requests.
    pub via: &'static str,
    /// Contact.
    pub contact: &'static str,
}

/// The same for every library.
pub const CHANGE: Change = Change {
    target: "sip:anna@203.0.113.7:5090;transport=udp",
    via: "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK8c1f5a0be2d94f7603;rport",
    contact: "<sip:6e0f1b7a9c3d@198.51.100.1:5060>",
};

/// What an element must know of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Bytes of the host in the top Via.
    pub via_host: usize,
    /// Bytes of its branch.
    pub branch: usize,
    /// Bytes of the tag of From.
    pub from_tag: usize,
    /// Bytes of the tag of To, if it has one.
    pub to_tag: Option<usize>,
    /// Number of CSeq.
    pub cseq: u32,
    /// Bytes of Call-ID.
    pub call_id: usize,
    /// The port of Contact, if there is one.
    pub contact_port: Option<u16>,
}

/// One library at work. `None` where it cannot read a message.
pub trait Library {
    /// Reads a datagram.
    fn parse(datagram: &[u8]) -> Option<impl Sized>;
    /// Reads what an element must know.
    fn read(datagram: &[u8]) -> Option<Facts>;
    /// The datagram as it goes on.
    fn readdress(datagram: &[u8]) -> Option<Vec<u8>>;
}
