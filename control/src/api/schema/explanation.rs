//! Facts and what they lead to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is known of a contact when it arrives; whatever is left out is empty.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// The Request-URI.
    pub request_uri: String,
    /// The URI in the To header.
    pub to: String,
    /// The URI in the From header.
    pub from: String,
    /// The display name in the From header.
    pub from_name: String,
    /// All header fields: pairs of name and value.
    #[schema(value_type = Vec<Vec<String>>)]
    pub headers: Vec<(String, String)>,
    /// The media asked for.
    pub media: Vec<Medium>,
    /// There is no session description: audio is assumed.
    pub delayed_offer: bool,
    /// Where it came from: address and port.
    pub source: Option<String>,
    /// What it came over: `udp`, `tcp`, …
    pub transport: String,
    /// What it is, for one that does not come by SIP: `call`, `video`, `chat`, `call_back` or `browsing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// The agent whose device the request names by a GRUU.
    pub wanted_agent: Option<String>,
    /// Attributes of the customer's record.
    pub customer: BTreeMap<String, String>,
    /// What the customer is entitled to.
    pub entitlements: Vec<String>,
    /// Earlier contacts of this caller.
    pub earlier: Earlier,
    /// What the caller chose in menus, by the menu's name.
    pub answers: BTreeMap<String, String>,
    /// What the caller chose by the link that it followed, tier by tier; at most 8 words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choice: Vec<String>,
    /// The customer wants to be called; `medium` is then `call_back`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_back: Option<CallBackWish>,
}

/// A customer's wish to be called.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallBackWish {
    /// Whom to call: a SIP, SIPS or tel URI.
    pub to: String,
    /// Not before this time, in milliseconds of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_unix_ms: Option<u64>,
}

/// Earlier contacts of a caller.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Earlier {
    /// How many there were in the last 24 hours.
    pub contacts: u32,
    /// The agent of the last one that was answered.
    pub agent: Option<String>,
    /// The queue of the last one.
    pub queue: Option<String>,
    /// How long ago the last one came, in seconds.
    pub seconds_ago: Option<u64>,
}

/// One medium of a session description.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Medium {
    /// `audio`, `video`, `message`, …
    pub kind: String,
    /// 0: not wanted.
    pub port: u16,
    /// `RTP/AVP`, …
    pub protocol: String,
    /// Encoding names in order of preference.
    pub codecs: Vec<String>,
}

/// What would happen to a contact, and why.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// The media that could be served.
    pub media: Vec<String>,
    /// Media that could not, and why.
    pub unusable: Vec<String>,
    /// The server that would be asked before the rules look at it; its answer counts as what the facts say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<String>,
    /// Each rule up to and including the first that matches.
    pub rules: Vec<RuleVerdict>,
    /// What it would be typed as.
    pub typed: Option<Typed>,
    /// The selection in its queue.
    pub choice: Option<Choice>,
    /// `offer`, `menu`, `queue` or `refuse`.
    pub outcome: String,
    /// With `offer`: the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// With `menu`: which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<String>,
    /// With `queue`: from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// With `refuse`: the SIP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// With `refuse`: the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What one rule says.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleVerdict {
    /// Which rule.
    pub rule: String,
    /// Whether all conditions hold.
    pub matched: bool,
    /// The conditions in order.
    pub conditions: Vec<ConditionVerdict>,
}

/// What one condition says.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConditionVerdict {
    /// Such as `to`, `header.X-Customer`, `hours`.
    pub condition: String,
    /// What the rule wants.
    pub wanted: String,
    /// What the contact says.
    pub found: String,
    /// Whether it holds.
    pub holds: bool,
}

/// What a contact was typed as.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    /// The rule.
    pub rule: String,
    /// The call type.
    pub call_type: String,
    /// Where it goes.
    pub queue: String,
    /// Skills required, with their lowest level.
    pub skills: BTreeMap<String, u8>,
    /// The higher is served first.
    pub priority: i32,
    /// What else the rule says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// Why an agent was chosen, or why none was.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The agent chosen.
    pub chosen: Option<String>,
    /// Agents that serve the queue and have the skills.
    pub qualified: u32,
    /// Those of them that were free.
    pub free: u32,
    /// What the free ones were compared by: `longest_idle`, …
    pub strategy: String,
    /// The agent chosen is the one that served the caller last.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub last_agent: bool,
    /// How many times the contact has come to ask for less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relaxed: Option<u32>,
    /// The chosen one and others, each with a `verdict` and what belongs to it.
    pub considered: Vec<Considered>,
}

/// One agent in a choice.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct Considered {
    /// Which agent.
    pub agent: String,
    /// `chosen`, `less_idle`, `ranks_lower`, `in_call`, `lacks_skill`, …
    pub verdict: String,
    /// What belongs to the verdict.
    #[serde(flatten)]
    pub details: BTreeMap<String, serde_json::Value>,
}
