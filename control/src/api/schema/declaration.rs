//! The declaration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::menu::MenuDeclaration;
use super::site::SiteDeclaration;

/// A whole declaration.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Where contacts wait.
    pub queue: Vec<QueueDeclaration>,
    /// Who serves them.
    pub agent: Vec<AgentDeclaration>,
    /// When places are open; rules name them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calendar: Vec<CalendarDeclaration>,
    /// Servers that are asked about an arriving contact; the first that fits is asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<AskDeclaration>,
    /// What an arriving contact is; the first that matches decides.
    pub rule: Vec<RuleDeclaration>,
    /// What callers choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub menu: Vec<MenuDeclaration>,
    /// Other centres that are asked for agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub site: Vec<SiteDeclaration>,
    /// What happens to an agent after an offer that failed.
    pub offers: OffersDeclaration,
    /// How the devices of an agent are called.
    pub phones: PhonesDeclaration,
}

/// A queue.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueDeclaration {
    /// Its identifier: letters, digits, `-`, `_`, `.`, `+`; at most 64.
    pub id: String,
    /// Which of the free agents gets a contact: `longest_idle` (default), `least_occupied`,
    /// `round_robin`, `ring_all`, `top_down`, `skill_best`, `weighted_random`.
    #[schema(required = false, default = "longest_idle")]
    pub strategy: String,
    /// With `ring_all`: how many agents ring at the same time; 2 to 50, default 10.
    #[schema(required = false, default = 10)]
    pub ring_at_once: u32,
    /// How long a contact waits for the agent who served its caller last, before others may have
    /// it; 0 to 3600; 0: that agent is only preferred. Default: no agent is preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky_seconds: Option<u32>,
    /// Points of priority that a contact gains for each minute of its waiting; 0 to 1000.
    #[schema(required = false, default = 0)]
    pub priority_per_minute: u32,
    /// How soon contacts are to be answered; weighs queues that share agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_level: Option<ServiceLevel>,
    /// How contacts that come by SIP are brought to their agents: the `relay` calls them, or the caller's
    /// proxy is told where they are (`redirect`, 302).
    #[schema(required = false, default = "relay", pattern = "^(relay|redirect)$")]
    pub hand_over: String,
    /// How long an agent's phone rings; 1 to 180, default 20.
    #[schema(required = false, default = 20)]
    pub ring_seconds: u32,
    /// How long a contact waits for an answer; 1 to 86400, default 300.
    #[schema(required = false, default = 300)]
    pub max_wait_seconds: u32,
    /// How many contacts may wait; 0 to 10000, default 100.
    #[schema(required = false, default = 100)]
    pub max_length: u32,
    /// The Retry-After of a refusal; 0 to 86400, default 30.
    #[schema(required = false, default = 30)]
    pub retry_after_seconds: u32,
    /// How long an agent is left alone after a call; 0 to 86400, default 0.
    #[schema(required = false, default = 0)]
    pub wrap_up_seconds: u32,
    /// What a contact finds when no agent is logged in and reachable: `refuse` (default) or `wait`.
    #[schema(required = false, default = "refuse")]
    pub when_no_agents: String,
    /// What callers hear who wait. Default: what their phones make of `182 Queued`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// What customers are promised who want to be called. Default: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_back: Option<CallBacks>,
    /// Where contacts go that cannot stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overflow: Vec<Overflow>,
}

/// What callers hear who wait: music, and announcements now and then.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// The name of a sound, which is repeated; empty: silence.
    #[schema(required = false, default = "music")]
    pub music: String,
    /// The language of announcements: the name of a folder of sounds.
    #[schema(required = false, default = "en")]
    pub language: String,
    /// What is announced, in order: `position`, `expected_wait` and names of sounds; at most 8.
    #[schema(required = false)]
    pub say: Vec<String>,
    /// How long a caller waits before the first announcement; 0 to 3600, default 10.
    #[schema(required = false, default = 10)]
    pub first_seconds: u32,
    /// Whether the call is answered when it begins to wait.
    #[serde(default)]
    #[schema(required = false, default = false)]
    pub answer: bool,
    /// From one announcement to the next; 10 to 3600, default 45; 0: there is only one.
    #[schema(required = false, default = 45)]
    pub every_seconds: u32,
}

/// What customers are promised who want to be called.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallBacks {
    /// How many customers may be promised a call at a time; 1 to 10000, default 100.
    #[schema(required = false, default = 100)]
    pub at_most: u32,
    /// How far ahead the time may be that a customer asks for; 0 to 2592000, default a week.
    #[schema(required = false, default = 604_800)]
    pub ahead_seconds: u32,
    /// How long after its time a call-back waits for an agent; 60 to 2592000, default a day.
    #[schema(required = false, default = 86_400)]
    pub keep_seconds: u32,
    /// How many times a customer who does not answer is called; 1 to 10, default 3.
    #[schema(required = false, default = 3)]
    pub attempts: u32,
    /// How long after such a call the next one is made; 1 to 86400, default 600.
    #[schema(required = false, default = 600)]
    pub retry_seconds: u32,
    /// How long the customer's phone may ring; 1 to 180, default 60.
    #[schema(required = false, default = 60)]
    pub answer_seconds: u32,
    /// What callers hear who asked for it by a key, before they are let go: names of sounds; at most 8.
    #[schema(required = false)]
    pub say: Vec<String>,
    /// How long they hear that; 0 to 30, default 3.
    #[schema(required = false, default = 3)]
    pub say_seconds: u32,
}

/// Where contacts go that cannot stay: one of `queue`, `redirect`, `call_back` and `refuse` must be given.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Overflow {
    /// What makes them go: `full`, `no_agents`, `waited` or `pressed`.
    pub when: String,
    /// With `waited`: how long they wait first; 1 to 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<u32>,
    /// With `pressed`: which key, `0` to `9`, `*` or `#`; needs `waiting`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// They wait in this queue from then on, by their old arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Their callers are told to call this URI (302).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
    /// They are called back and keep their place; needs `call_back` of the queue.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub call_back: bool,
    /// They are refused with this SIP status; 400 to 699.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse: Option<u16>,
    /// With `redirect` and `refuse`: the sounds that callers hear before; at most 8.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub say: Vec<String>,
    /// How long they hear them; 1 to 60, default 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say_seconds: Option<u32>,
}

/// How soon contacts are to be answered.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevel {
    /// Within so many seconds of their arrival; 1 to 3600.
    pub seconds: u32,
    /// So many of a hundred; 1 to 100.
    pub percent: u32,
    /// What becomes of those who were not answered in that time: they keep their place (`in_order`, default),
    /// or wait behind those who can still be answered in time (`behind`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(in_order|behind)$")]
    pub late: Option<String>,
}

/// An agent; it has a password, with which its phone registers, or a URI, where it is reached.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentDeclaration {
    /// Its identifier, and the user name that its phone registers with.
    pub id: String,
    /// Its name for people.
    #[schema(required = false)]
    pub name: String,
    /// Its skills with their levels, 1 to 100.
    #[schema(required = false)]
    pub skills: BTreeMap<String, u8>,
    /// The languages that it speaks: tags such as `de` and `pt-BR`; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Where it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The queues that it serves; default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<String>>,
    /// Its tiers in queues of the strategy `top_down`, the lower first; 1 to 100, default 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, u8>,
    /// Its weights in queues of the strategy `weighted_random`; 1 to 1000, default 10.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, u16>,
    /// How many calls it takes at a time; 1 to 1000.
    #[schema(required = false, default = 1)]
    pub capacity: u32,
    /// How many contacts in other media it takes at a time, 0 to 1000; default: 3 in `chat`, 1 in `video`,
    /// `call_back` and `browsing`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capacities: BTreeMap<String, u32>,
    /// Which media it takes no new contacts in while it has one in this medium; default: chats keep
    /// nothing away, the others everything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocks: BTreeMap<String, Vec<String>>,
    /// The password of its phone. It can be written and never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub password: Option<String>,
    /// Whether it has a password. Sent back without a `password`, true keeps the one it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_set: Option<bool>,
    /// The digests that its phone is challenged with, the preferred first: `sha-256`, `md5` or
    /// both; default: the control node's setting. Others than that setting's tell strangers that
    /// the agent exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, example = json!(["md5"]))]
    pub digest: Option<Vec<String>>,
    /// The server that takes its contacts, for an agent that is a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookDeclaration>,
    /// Where it is reached without registering: a `sip:` or `sips:` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// How its devices are called: `parallel` or `sequential`; default: as `phones` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<String>,
    /// How its phone is asked to tell when a call is over: `dialog` or `off`; default: as `phones`
    /// says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// Whether it starts paused.
    #[schema(required = false, default = false)]
    pub paused: bool,
}

/// The server of an agent that is a program.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookDeclaration {
    /// Where it is: `https://`; `http://` only on the control host, or with `insecure`.
    pub url: String,
    /// The key that requests are signed with. It can be written and never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub secret: Option<String>,
    /// Whether it has a secret. Sent back without a `secret`, true keeps the one it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_set: Option<bool>,
    /// How long an offer waits for the answer; 10 to 30000 milliseconds, default 2000.
    #[schema(required = false, default = 2_000)]
    pub time_limit_ms: u32,
    /// A PEM file with the authorities of its certificate; default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Allows `http://` to another host.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub insecure: bool,
}

/// A calendar: when a place is open.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarDeclaration {
    /// Its identifier.
    pub id: String,
    /// An IANA time zone.
    #[schema(required = false, default = "UTC")]
    pub zone: String,
    /// When it is open: `days`, `from`, `to`; default: always. An empty list means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>,
        example = json!([{"days": ["mon", "tue"], "from": "08:00", "to": "18:00"}]))]
    pub open: Option<Vec<serde_json::Value>>,
    /// Days on which it is closed: `2026-12-25`, `*-01-01` for every year, `easter+1`, or an object
    /// with `date` and, as you like, `name`, `from`, `to`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<serde_json::Value>, example = json!(["*-01-01", {"date": "easter-2", "name": "Good Friday"}]))]
    pub holidays: Vec<serde_json::Value>,
    /// Days on which it is open whatever else says: `date`, `name`, `from`, `to`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub exceptions: Vec<serde_json::Value>,
}

/// A server that is asked about arriving contacts before the rules look at them.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskDeclaration {
    /// Its identifier, which no rule has.
    pub id: String,
    /// Its URL: `https://`, or `http://` on the control host itself.
    pub url: String,
    /// The key that questions are signed with, 16 bytes or more. It can be written and never read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(write_only)]
    pub secret: Option<String>,
    /// Whether it has a secret. Sent back without a `secret`, true keeps the one it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_set: Option<bool>,
    /// An expression in the Common Expression Language (CEL): only contacts of which it is true are
    /// asked about. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The IANA time zone of the expression's `time`; default `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How long a contact waits for the answer, in milliseconds; 10 to 5000.
    #[schema(required = false, default = 300)]
    pub time_limit_ms: u32,
    /// The queue of contacts for which no good answer came; default: the rules decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    /// A PEM file on the control host with the authorities that its certificate must come from;
    /// default: those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Allows `http://` to another host.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    #[schema(required = false, default = false)]
    pub insecure: bool,
}

/// A rule: if all its conditions hold, the contact is this.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleDeclaration {
    /// Its identifier.
    pub id: String,
    /// The conditions: `to`, `uri`, `from`, `header`, `medium`, `protocol`, `codec`, `source`,
    /// `transport`, `answer` (what was chosen in menus), `hours`, `calendar`; each one value or a list, of which any will do. In patterns `*` stands
    /// for any characters and `?` for one. `expression` is one in the Common Expression Language
    /// (CEL), whose times are those of `zone`.
    #[schema(required = false, value_type = Object,
        example = json!({"to": "support@*", "header": {"X-Tier": ["gold", "silver"]},
            "hours": {"from": "08:00", "to": "18:00", "days": ["mon", "tue"], "zone": "Europe/Zurich"}}))]
    pub when: serde_json::Value,
    /// What the contact then is.
    pub then: Then,
}

/// What a contact is: `queue`, `menu` or `refuse` must be given.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// The queue that it waits in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Instead of a queue: the menu that its caller chooses from; the rule is for contacts without an answer
    /// of that menu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<String>,
    /// Instead of a queue: the SIP status that it is refused with, 400 to 699.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse: Option<u16>,
    /// Skills that its agent must have, with their lowest level, 1 to 100.
    #[schema(required = false)]
    pub skills: BTreeMap<String, u8>,
    /// The language that its agent must speak; counts as the skill `language:fr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Where its agent must work; counts as the skill `site:berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// What it asks for after it has waited for so long, step by step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relax: Vec<Relax>,
    /// -1000 to 1000; the higher is served first.
    #[schema(required = false, default = 0)]
    pub priority: i32,
    /// The call type's name; default: the rule's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_type: Option<String>,
    /// What else is to be known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A step in which a contact asks for less.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Relax {
    /// How long after its arrival; 1 to 86400, more than the step before.
    pub after_seconds: u32,
    /// The skills that it asks for from then on: no more than before.
    #[schema(required = false)]
    pub skills: BTreeMap<String, u8>,
}

/// What happens to an agent after an offer that failed.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(default)]
pub struct OffersDeclaration {
    /// How long it gets no offer at all; 1 to 3600.
    #[schema(default = 5)]
    pub back_off_seconds: u32,
    /// How long the same contact passes it over; 1 to 3600.
    #[schema(default = 30)]
    pub skip_seconds: u32,
    /// After how many unanswered offers in a row it is paused; 0: never.
    #[schema(default = 0)]
    pub pause_after_missed: u32,
    /// After how many it is logged out; 0: never.
    #[schema(default = 0)]
    pub log_out_after_missed: u32,
    /// How long it counts as busy with a contact that the relay does not carry, if nobody reports its
    /// end; 10 to 604800.
    #[schema(default = 14_400)]
    pub outside_seconds: u32,
}

impl Default for OffersDeclaration {
    fn default() -> Self {
        Self {
            back_off_seconds: 5,
            skip_seconds: 30,
            pause_after_missed: 0,
            log_out_after_missed: 0,
            outside_seconds: 14_400,
        }
    }
}

/// How the devices of an agent are called.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(default)]
pub struct PhonesDeclaration {
    /// By descending `q`, those of equal `q` together (`parallel`) or one after the other
    /// (`sequential`).
    #[schema(default = "parallel")]
    pub devices: String,
    /// How long devices ring before those of the next lower `q` are called; 1 to 180, 0: as long
    /// as the offer does.
    #[schema(default = 0)]
    pub ring_seconds: u32,
    /// How phones are asked to tell when a call is over: by a subscription to their dialogs
    /// (`dialog`), or not (`off`).
    #[schema(default = "dialog")]
    pub notice: String,
}

impl Default for PhonesDeclaration {
    fn default() -> Self {
        Self {
            devices: "parallel".to_owned(),
            ring_seconds: 0,
            notice: "dialog".to_owned(),
        }
    }
}
