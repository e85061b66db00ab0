//! What is looked at of a message to find out whose it is.

use bytes::Bytes;
use patchbay_sip::carried::{is_envelope, open};
use patchbay_sip::{Message, Method, NameAddr};

/// Who and what.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub call_id: String,
    pub from: Person,
    pub to: Person,
    /// The method of CSeq.
    pub method: String,
    /// An INVITE outside of any dialog.
    pub begins: bool,
}

/// An address of From or To.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub user: String,
    pub address: String,
}

impl Person {
    fn new(named: &NameAddr) -> Person {
        let user = named.uri.user_unescaped().unwrap_or_default();
        let address = format!("{user}@{}", named.uri.host);
        Person { user, address }
    }

    /// Whether this is what somebody means by a user or an address.
    pub fn is(&self, wanted: &str) -> bool {
        let wanted = wanted.strip_prefix("sip:").unwrap_or(wanted);
        match wanted.contains('@') {
            true => self.address.eq_ignore_ascii_case(wanted),
            false => self.user == wanted,
        }
    }
}

impl Head {
    /// None of what cannot be read. Of an envelope, that of the message in it.
    pub fn read(bytes: &Bytes) -> Option<Head> {
        let message = Message::parse(bytes.clone()).ok()?;
        let message = match is_envelope(&message) {
            true => open(&message).unwrap_or(message),
            false => message,
        };
        let person = |named: Result<NameAddr, _>| named.map(|named| Person::new(&named));
        let begins = message.method() == Some(&Method::Invite) && message.to_tag().is_none();
        Some(Head {
            call_id: message.call_id().ok()?.to_owned(),
            from: person(message.from()).unwrap_or_default(),
            to: person(message.to()).unwrap_or_default(),
            method: message.cseq().ok()?.method.to_string(),
            begins,
        })
    }
}
