//! [`HeaderName`]: header field names, their compact forms and their case.

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::text::Text;

macro_rules! header_names {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(, $compact:literal)?;)*) => {
        /// A header field's name. Names are case-insensitive and compact forms (RFC 3261
        /// section 7.3.3) are understood; the long form is what is sent.
        #[derive(Clone, Debug)]
        pub enum HeaderName {
            $($(#[$doc])* #[doc = concat!("`", $name, "`")] $variant,)*
            /// Any other name, spelt as it came; in a box, so that the names of nearly all headers are
            /// small.
            Other(Box<Text>),
        }

        impl HeaderName {
            /// The name as it is sent.
            pub fn as_str(&self) -> &str {
                match self {
                    $(HeaderName::$variant => $name,)*
                    HeaderName::Other(name) => name,
                }
            }

            /// The name that is spelt so, if it is known.
            pub(crate) fn known(name: &[u8]) -> Option<HeaderName> {
                let mut at = *FIRST.get(usize::from(hash(name)))?;
                while let Some((known, spelling)) = KNOWN.get(usize::from(at)) {
                    let spelling = spelling.as_bytes();
                    // Nearly all write names as the RFCs do.
                    if name == spelling || name.eq_ignore_ascii_case(spelling) {
                        return Some(known.name());
                    }
                    at = *NEXT.get(usize::from(at))?;
                }
                None
            }
        }

        /// A known name, as a number.
        #[derive(Clone, Copy)]
        enum Known {
            $($variant,)*
        }

        impl Known {
            const fn name(self) -> HeaderName {
                match self {
                    $(Known::$variant => HeaderName::$variant,)*
                }
            }
        }

        /// Every spelling, long and compact.
        const KNOWN: &[(Known, &str)] = &[
            $((Known::$variant, $name),)*
            $($((Known::$variant, $compact),)?)*
        ];
    };
}

/// No spelling.
const NONE: u8 = u8::MAX;

/// By hash, the first spelling that has it, and for each spelling the next one.
const FIRST: [u8; 256] = CHAINS.0;
const NEXT: [u8; KNOWN.len()] = CHAINS.1;

#[allow(
    clippy::indexing_slicing,
    reason = "the compiler runs it: an index out of bounds would not build"
)]
const CHAINS: ([u8; 256], [u8; KNOWN.len()]) = {
    let mut first = [NONE; 256];
    let mut next = [NONE; KNOWN.len()];
    // The later ones go first, so that the names before them are found at once.
    let mut at = KNOWN.len();
    while at > 0 {
        at -= 1;
        let hash = hash(KNOWN[at].1.as_bytes()) as usize;
        next[at] = first[hash];
        first[hash] = at as u8;
    }
    (first, next)
};

/// A number for a name, whatever its case: from its length, its first, second and last letter.
const fn hash(name: &[u8]) -> u8 {
    let (first, second, last) = match name {
        [] => return 0,
        [only] => (*only, 0, *only),
        [first, last] => (*first, 0, *last),
        [first, second, .., last] => (*first, *second, *last),
    };
    let sum = (first | 0x20) as usize * 7 + (second | 0x20) as usize * 31 + (last | 0x20) as usize;
    (sum + name.len() * 13) as u8
}

header_names! {
    Via = "Via", "v";
    From = "From", "f";
    To = "To", "t";
    CallId = "Call-ID", "i";
    CSeq = "CSeq";
    Contact = "Contact", "m";
    MaxForwards = "Max-Forwards";
    ContentLength = "Content-Length", "l";
    ContentType = "Content-Type", "c";
    ContentEncoding = "Content-Encoding", "e";
    ContentDisposition = "Content-Disposition";
    ContentLanguage = "Content-Language";
    Route = "Route";
    RecordRoute = "Record-Route";
    Path = "Path";
    ServiceRoute = "Service-Route";
    Expires = "Expires";
    MinExpires = "Min-Expires";
    Authorization = "Authorization";
    ProxyAuthorization = "Proxy-Authorization";
    WwwAuthenticate = "WWW-Authenticate";
    ProxyAuthenticate = "Proxy-Authenticate";
    AuthenticationInfo = "Authentication-Info";
    Allow = "Allow";
    Supported = "Supported", "k";
    Unsupported = "Unsupported";
    Require = "Require";
    ProxyRequire = "Proxy-Require";
    Accept = "Accept";
    AcceptEncoding = "Accept-Encoding";
    AcceptLanguage = "Accept-Language";
    Subject = "Subject", "s";
    UserAgent = "User-Agent";
    Server = "Server";
    RetryAfter = "Retry-After";
    Warning = "Warning";
    Reason = "Reason";
    Date = "Date";
    Timestamp = "Timestamp";
    Organization = "Organization";
    Priority = "Priority";
    InReplyTo = "In-Reply-To";
    ReplyTo = "Reply-To";
    AlertInfo = "Alert-Info";
    CallInfo = "Call-Info";
    ErrorInfo = "Error-Info";
    MimeVersion = "MIME-Version";
    Event = "Event", "o";
    AllowEvents = "Allow-Events", "u";
    SubscriptionState = "Subscription-State";
    ReferTo = "Refer-To", "r";
    ReferredBy = "Referred-By", "b";
    Replaces = "Replaces";
    SessionExpires = "Session-Expires", "x";
    MinSe = "Min-SE";
    RSeq = "RSeq";
    RAck = "RAck";
    SipETag = "SIP-ETag";
    SipIfMatch = "SIP-If-Match";
    PAssertedIdentity = "P-Asserted-Identity";
    PPreferredIdentity = "P-Preferred-Identity";
    Privacy = "Privacy";
    HistoryInfo = "History-Info";
    Diversion = "Diversion";
    Identity = "Identity", "y";
    FlowTimer = "Flow-Timer";
    AcceptContact = "Accept-Contact", "a";
    RejectContact = "Reject-Contact", "j";
    RequestDisposition = "Request-Disposition", "d";
    /// Tells control where a request came from, in words: `udp;192.0.2.9:5060`.
    PatchbaySource = "P-Patchbay-Source";
    /// Tells the relay itself, when the request comes back as a transfer, by a flow token.
    PatchbayFlow = "P-Patchbay-Flow";
    /// Tells the next control process the place of a caller who waits.
    PatchbayPlace = "P-Patchbay-Place";
}

impl HeaderName {
    /// True for the headers whose field values are comma-separated lists of routes or hops, where
    /// one line with two values means the same as two lines (RFC 3261 section 7.3.1).
    pub fn is_hop_list(&self) -> bool {
        matches!(
            self,
            HeaderName::Via
                | HeaderName::Route
                | HeaderName::RecordRoute
                | HeaderName::Path
                | HeaderName::ServiceRoute
        )
    }

    /// A hand-made `Other("via")` still means Via.
    fn is_spelt_like(&self, other: &HeaderName) -> bool {
        let (one, two) = (self.as_str(), other.as_str());
        one.len() == two.len() && one.eq_ignore_ascii_case(two)
    }
}

impl From<&str> for HeaderName {
    fn from(name: &str) -> Self {
        HeaderName::known(name.as_bytes())
            .unwrap_or_else(|| HeaderName::Other(Box::new(name.into())))
    }
}

impl From<&HeaderName> for HeaderName {
    fn from(name: &HeaderName) -> Self {
        name.clone()
    }
}

impl PartialEq for HeaderName {
    // Messages are searched by name, line by line.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (HeaderName::Other(_), _) | (_, HeaderName::Other(_)) => self.is_spelt_like(other),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.as_str().bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_forms_and_case_do_not_matter() {
        assert_eq!(HeaderName::from("v"), HeaderName::Via);
        assert_eq!(HeaderName::from("VIA"), HeaderName::Via);
        assert_eq!(HeaderName::from("call-id"), HeaderName::CallId);
        assert_eq!(HeaderName::from("I"), HeaderName::CallId);
        assert_eq!(HeaderName::from("x-Note"), HeaderName::from("X-NOTE"));
        assert_ne!(HeaderName::from("z"), HeaderName::Via);
        assert_eq!(HeaderName::Other(Box::new("via".into())), HeaderName::Via);
    }

    #[test]
    fn an_unknown_name_keeps_its_spelling() {
        assert_eq!(HeaderName::from("x-NoTe").as_str(), "x-NoTe");
    }
}
