//! What is known of a contact when it arrives: the facts that rules look at (requirement A2).

use crate::id::{AgentId, QueueId};
use crate::named::Named;
use crate::slot::Slot;
use core::net::SocketAddr;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that the arriving request says. All fields may be empty: a rule over an empty
/// field does not match, and without a usable medium the contact is refused with 488.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// The Request-URI, as it came.
    pub request_uri: String,
    /// The URI in the To header, without display name and header parameters.
    pub to: String,
    /// The URI in the From header, without display name and header parameters.
    pub from: String,
    /// The display name in the From header, unquoted; empty without one.
    pub from_name: String,
    /// All header fields in order, with their names as they came.
    pub headers: Vec<(String, String)>,
    /// The media of the session description in order, those with port 0 included.
    pub media: Vec<Medium>,
    /// The request has no session description and asks the other side for the offer (RFC 3261
    /// section 13.2.1). Audio is then assumed. Leave it false to have such a request refused.
    pub delayed_offer: bool,
    /// Where the request came from.
    pub source: Option<SocketAddr>,
    /// What it came over: `udp`, `tcp`, `tls`, `ws`, `wss`; empty if not known.
    pub transport: String,
    /// What it is, for one that does not come by SIP; `media` is then not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<Slot>,
    /// The agent whose device the request names (RFC 5627): the contact is for nobody else.
    pub wanted_agent: Option<AgentId>,
    /// What the customer's record says: attributes by name; empty if there is none.
    pub customer: BTreeMap<String, String>,
    /// What the customer is entitled to.
    pub entitlements: Vec<String>,
    /// Earlier contacts of this caller.
    pub earlier: Earlier,
    /// What the caller chose in menus, by the menu's name.
    pub answers: BTreeMap<String, String>,
    /// What the caller chose by the link that it followed, menu by menu: each is taken in the first menu
    /// that has it as an answer. At most [`crate::limits::MAX_CHOICE_WORDS`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choice: Vec<String>,
    /// The customer wants to be called; `medium` is then [`Slot::CallBack`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_back: Option<CallBackWish>,
    /// Whoever asks for an agent has decided what it is; rules and servers are not asked then.
    #[serde(skip)]
    pub named: Option<Box<Named>>,
}

impl Facts {
    /// The URI called, as people know it.
    pub(crate) fn called(&self) -> &str {
        match self.to.is_empty() {
            true => &self.request_uri,
            false => &self.to,
        }
    }
}

/// A customer's wish to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallBackWish {
    /// Whom to call: a SIP, SIPS or tel URI.
    pub to: String,
    /// Not before this time, in milliseconds of Unix time; none: as soon as an agent is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_unix_ms: Option<u64>,
}

/// Earlier contacts of a caller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Earlier {
    /// How many there were in the last 24 hours ([`crate::limits::EARLIER_WINDOW`]); at most
    /// [`crate::limits::MAX_EARLIER`].
    pub contacts: u32,
    /// The agent of the last one that was answered.
    pub agent: Option<AgentId>,
    /// The queue of the last one.
    pub queue: Option<QueueId>,
    /// How long ago the last one came, in seconds; none without any.
    pub seconds_ago: Option<u64>,
}

/// One `m=` line of a session description (RFC 8866 section 5.14).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Medium {
    /// The media type: `audio`, `video`, `message`, `text`, …
    pub kind: String,
    /// The port; 0 means that the medium is not wanted. A missing field counts as wanted.
    #[serde(default = "wanted")]
    pub port: u16,
    /// The protocol: `RTP/AVP`, `UDP/TLS/RTP/SAVPF`, `TCP/MSRP`, …
    pub protocol: String,
    /// The encoding names in order of preference, static payload types resolved to their names
    /// (RFC 3551 section 6): `PCMU`, `opus`, `telephone-event`, … Empty for MSRP.
    pub codecs: Vec<String>,
}

fn wanted() -> u16 {
    9
}
