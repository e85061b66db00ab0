//! Contacts that are carried outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::explanation::Choice;

/// A contact for which an agent is wanted. What is not given is empty; rules see all of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
pub struct Wanted {
    /// `call`, `video`, `chat`, `call_back` or `browsing`.
    #[schema(pattern = "^(call|video|chat|call_back|browsing)$")]
    pub medium: String,
    /// Who wants an agent: a URI, at most 1024 bytes.
    #[schema(min_length = 1)]
    pub from: String,
    /// The URI that was called; rules see it as Request-URI and To.
    #[schema(min_length = 1)]
    pub to: String,
    /// The name of who wants an agent.
    pub from_name: Option<String>,
    /// Header fields that rules may look at, at most 64.
    pub headers: Option<BTreeMap<String, String>>,
    /// Attributes of the customer's record, at most 32.
    pub customer: Option<BTreeMap<String, String>>,
    /// What the customer is entitled to, at most 32.
    pub entitlements: Option<Vec<String>>,
    /// What the customer chose in menus, by the menu's name, at most 32.
    pub answers: Option<BTreeMap<String, String>>,
    /// The one agent that it is for; not with `queue`.
    pub agent: Option<String>,
    /// How long the answer may take if no agent is free. 0 to 60, default 0.
    #[schema(maximum = 60)]
    pub wait_seconds: Option<u32>,
    /// The queue that it waits in, and no rule is asked. It must be one of those that the token is bound
    /// to, if that is not one of the role `admin`; a token that is bound to queues has to name one.
    pub queue: Option<String>,
    /// With `queue`: the skills that its agent must have, with their lowest level, 1 to 100.
    pub skills: Option<BTreeMap<String, u8>>,
    /// With `queue`: the higher is served first, -1000 to 1000, default 0.
    pub priority: Option<i32>,
    /// With `queue`: how long it has waited elsewhere; it has the place of one that has waited here for as
    /// long. 0 to 86400, default 0.
    #[schema(maximum = 86400)]
    pub waited_seconds: Option<u32>,
    /// With `queue`: who asks, such as the name of another centre; stands as rule and call type in stories
    /// and reports. At most 64 bytes, default `route`.
    pub site: Option<String>,
}

/// A customer who wants to be called. What is not given is empty; rules see all of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
pub struct Wish {
    /// Whom to call: a SIP, SIPS or tel URI, at most 256 bytes.
    #[schema(min_length = 1)]
    pub call: String,
    /// Not before this moment: RFC 3339, a day, or milliseconds of Unix time; default: as soon as an agent
    /// is free.
    pub at: Option<String>,
    /// The URI that the customer would have called; rules see it as Request-URI and To.
    #[schema(min_length = 1)]
    pub to: String,
    /// Who wants to be called: a URI, at most 1024 bytes; default: `call`.
    #[schema(min_length = 1)]
    pub from: Option<String>,
    /// The customer's name.
    pub from_name: Option<String>,
    /// Header fields that rules may look at, at most 64.
    pub headers: Option<BTreeMap<String, String>>,
    /// Attributes of the customer's record, at most 32.
    pub customer: Option<BTreeMap<String, String>>,
    /// What the customer is entitled to, at most 32.
    pub entitlements: Option<Vec<String>>,
    /// What the customer chose in menus, by the menu's name, at most 32.
    pub answers: Option<BTreeMap<String, String>>,
}

/// A call that was promised to a customer.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promise {
    /// Whom to call.
    pub to: String,
    /// Not before this time, in milliseconds of Unix time.
    pub due_unix_ms: u64,
    /// Calls to the customer so far that were not answered.
    pub tries: u32,
}

/// What is told of a contact that is carried outside.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its shape matters")]
pub struct Report {
    /// `ringing`, `answered`, `failed`, `ended`, or `abandoned` by the customer before an answer. Of a
    /// call-back: `calling` when its agent has taken it and the customer is being called, `answered` when
    /// the customer has answered.
    #[schema(pattern = "^(ringing|calling|answered|failed|ended|abandoned)$")]
    pub result: String,
    /// By which offer; with all but `abandoned`.
    pub offer: Option<String>,
    /// With `failed`: `busy`, `no_answer`, `declined`, `unreachable`, `not_acceptable`, `customer_away`
    /// (the customer of a call-back did not answer) or `error`; default: what `status` stands for, else
    /// `error`.
    pub cause: Option<String>,
    /// With `failed`: the SIP status that says why.
    #[schema(minimum = 300, maximum = 699)]
    pub status: Option<u16>,
}

/// How a contact stands that is carried outside. Beside these fields it has those of its state.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Routed {
    /// Which: 16 hexadecimal digits.
    pub contact: String,
    /// Rises with each change; `after` of the next question.
    pub revision: u64,
    /// What its customer was promised, if it is a call-back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_back: Option<Promise>,
    /// `asking` (a server outside, what the contact is), `scheduled` (a call-back, for later), `queued`, `offered`, `connected`, `ended`, `refused`, `redirected` or `abandoned`.
    pub state: String,
    /// With `scheduled`, `queued` and `offered`: the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// With `queued`: the place there, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// With `queued`: how long it is expected to wait from now on; null if that cannot be said.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    pub expected_ms: Option<Option<u64>>,
    /// With `offered`, `connected` and `ended`: what names the agent's reservation in reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<String>,
    /// With these: the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// With `offered`: where the agent is called; null for one without a phone. With `connected`: where a program
    /// serves it, if it has said so.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    pub uri: Option<Option<String>>,
    /// With `offered`: the user part of a URI at any edge of this centre by which an INVITE is led to the agent,
    /// wherever its phone is: `sip:{claim}@edge.example`. From then on the call says what becomes of the
    /// contact, and reports are refused. It is not there for programs and for call-backs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// With `offered`: how long the reservation holds from when it was made, unless it is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_seconds: Option<u64>,
    /// With `offered`: it was reported that the agent is being called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ringing: Option<bool>,
    /// With `offered`: why this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// With `ended`: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// With `refused`: the SIP status that says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// With `refused`: the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// With `refused`: when it may be tried again, in seconds; null if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "nullable")]
    pub retry_after_s: Option<Option<u32>>,
    /// With `redirected`: where it is to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A field that is there and may be null.
mod nullable {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value
            .as_ref()
            .and_then(Option::as_ref)
            .serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::deserialize(deserializer).map(Some)
    }
}
