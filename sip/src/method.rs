//! [`Method`]: what a request asks for.

use std::fmt;

use crate::text::Text;

/// A request's method (RFC 3261 section 7.1). Methods are case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// RFC 3261: begins or changes a session.
    Invite,
    /// RFC 3261: confirms a final answer to INVITE.
    Ack,
    /// RFC 3261: ends a session.
    Bye,
    /// RFC 3261: gives up a pending INVITE.
    Cancel,
    /// RFC 3261: binds an address of record to a contact.
    Register,
    /// RFC 3261: asks for capabilities.
    Options,
    /// RFC 6086.
    Info,
    /// RFC 3311.
    Update,
    /// RFC 3262.
    Prack,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3903.
    Publish,
    /// RFC 3428.
    Message,
    /// RFC 3515.
    Refer,
    /// Any other token.
    Extension(Text),
}

impl Method {
    /// The method as it stands on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Cancel => "CANCEL",
            Method::Register => "REGISTER",
            Method::Options => "OPTIONS",
            Method::Info => "INFO",
            Method::Update => "UPDATE",
            Method::Prack => "PRACK",
            Method::Subscribe => "SUBSCRIBE",
            Method::Notify => "NOTIFY",
            Method::Publish => "PUBLISH",
            Method::Message => "MESSAGE",
            Method::Refer => "REFER",
            Method::Extension(name) => name,
        }
    }

    /// True for the methods whose 2xx answer makes a dialog (RFC 3261, 3515, 6665).
    pub fn forms_dialog(&self) -> bool {
        matches!(
            self,
            Method::Invite | Method::Subscribe | Method::Refer | Method::Notify
        )
    }

    fn known(name: &str) -> Option<Method> {
        Some(match name {
            "INVITE" => Method::Invite,
            "ACK" => Method::Ack,
            "BYE" => Method::Bye,
            "CANCEL" => Method::Cancel,
            "REGISTER" => Method::Register,
            "OPTIONS" => Method::Options,
            "INFO" => Method::Info,
            "UPDATE" => Method::Update,
            "PRACK" => Method::Prack,
            "SUBSCRIBE" => Method::Subscribe,
            "NOTIFY" => Method::Notify,
            "PUBLISH" => Method::Publish,
            "MESSAGE" => Method::Message,
            "REFER" => Method::Refer,
            _ => return None,
        })
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        Method::known(name).unwrap_or_else(|| Method::Extension(name.into()))
    }
}

impl From<rsip::Method> for Method {
    fn from(method: rsip::Method) -> Self {
        match method {
            rsip::Method::Invite => Method::Invite,
            rsip::Method::Ack => Method::Ack,
            rsip::Method::Bye => Method::Bye,
            rsip::Method::Cancel => Method::Cancel,
            rsip::Method::Register => Method::Register,
            rsip::Method::Options => Method::Options,
            rsip::Method::Info => Method::Info,
            rsip::Method::Update => Method::Update,
            rsip::Method::PRack => Method::Prack,
            rsip::Method::Subscribe => Method::Subscribe,
            rsip::Method::Notify => Method::Notify,
            rsip::Method::Publish => Method::Publish,
            rsip::Method::Message => Method::Message,
            rsip::Method::Refer => Method::Refer,
        }
    }
}

impl TryFrom<&Method> for rsip::Method {
    type Error = UnknownMethod;

    /// Fails for [`Method::Extension`], for which rsip has no word.
    fn try_from(method: &Method) -> Result<Self, UnknownMethod> {
        Ok(match method {
            Method::Invite => rsip::Method::Invite,
            Method::Ack => rsip::Method::Ack,
            Method::Bye => rsip::Method::Bye,
            Method::Cancel => rsip::Method::Cancel,
            Method::Register => rsip::Method::Register,
            Method::Options => rsip::Method::Options,
            Method::Info => rsip::Method::Info,
            Method::Update => rsip::Method::Update,
            Method::Prack => rsip::Method::PRack,
            Method::Subscribe => rsip::Method::Subscribe,
            Method::Notify => rsip::Method::Notify,
            Method::Publish => rsip::Method::Publish,
            Method::Message => rsip::Method::Message,
            Method::Refer => rsip::Method::Refer,
            Method::Extension(_) => return Err(UnknownMethod),
        })
    }
}

/// rsip has no word for this extension method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an extension method that rsip does not know")]
pub struct UnknownMethod;

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rsip_method_is_known_under_the_same_word() {
        for theirs in rsip::Method::all() {
            let ours = Method::from(theirs);
            assert_eq!(ours.as_str(), theirs.to_string());
            assert_eq!(Method::from(ours.as_str()), ours);
            assert_eq!(rsip::Method::try_from(&ours), Ok(theirs));
        }
    }

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::from("invite"), Method::Extension("invite".into()));
        assert!(rsip::Method::try_from(&Method::from("invite")).is_err());
    }
}
