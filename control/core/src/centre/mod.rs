//! The declaration of a centre: queues, agents and rules, as `centre.toml` writes them.
//!
//! Unknown fields are refused when it is read; everything else is found by [`validate`], which
//! lists all problems together.

mod ask;
mod calendar;
mod call_back;
mod menu;
mod overflow;
mod problems;
mod queue;
mod rules;
mod site;
mod traits;
mod validate;
mod waiting;
mod webhook;

pub use ask::Ask;
pub use calendar::{Calendar, Holiday, Open, Special};
pub use call_back::CallBacks;
pub use menu::{Choice, Menu};
pub use problems::Problem;
pub use queue::{
    HandOver, Late, Overflow, OverflowWhen, Queue, ServiceLevel, Strategy, WhenNoAgents,
};
pub(crate) use rules::check_then;
pub use site::Site;
pub(crate) use validate::plausible;
pub use validate::validate;
pub use waiting::{EXPECTED_WAIT, POSITION, Waiting};
pub use webhook::Webhook;

use crate::id::{AgentId, MenuId, QueueId, RuleId};
use crate::slot::Slot;
use core::fmt;
use patchbay_sip::digest::Algorithm;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A whole centre.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Centre {
    /// `[[queue]]`: where contacts wait.
    #[serde(default, rename = "queue")]
    pub queues: Vec<Queue>,
    /// `[[agent]]`: who serves them.
    #[serde(default, rename = "agent")]
    pub agents: Vec<Agent>,
    /// `[[calendar]]`: when a place is open, for rules.
    #[serde(default, rename = "calendar", skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<Calendar>,
    /// `[[ask]]`: servers that are asked about an arriving contact before the rules look at it.
    #[serde(default, rename = "ask", skip_serializing_if = "Vec::is_empty")]
    pub asks: Vec<Ask>,
    /// `[[menu]]`: what callers choose from.
    #[serde(default, rename = "menu", skip_serializing_if = "Vec::is_empty")]
    pub menus: Vec<Menu>,
    /// `[[rule]]`: what an arriving contact is. The first that matches decides.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
    /// `[[site]]`: other centres that are asked for agents.
    #[serde(default, rename = "site", skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<Site>,
    /// `[offers]`: what happens to an agent after an offer that failed.
    #[serde(default)]
    pub offers: Offers,
    /// `[phones]`: how the devices of an agent are called.
    #[serde(default)]
    pub phones: Phones,
}

/// An agent. It needs a `password`, with which its phone registers, a `uri`, where it is always
/// reached, or a `webhook`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// Its identifier, and the user name that its phone registers with.
    pub id: AgentId,
    /// Its name for people; default: none.
    #[serde(default)]
    pub name: String,
    /// Its skills with their levels, 1 to 100.
    #[serde(default)]
    pub skills: BTreeMap<String, u8>,
    /// The languages that it speaks, as tags of RFC 5646: `de`, `pt-BR`. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Where it works, such as the name of an office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The queues that it serves; default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<QueueId>>,
    /// Its tier in queues of the strategy `top_down`: the lower is served first. 1 to 100, default
    /// 1. Within a tier the order of the declaration holds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<QueueId, u8>,
    /// Its weight in queues of the strategy `weighted_random`: with twice the weight it is drawn
    /// twice as often. 1 to 1000, default 10.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<QueueId, u16>,
    /// How many calls it takes at a time. 1 to 1000, default 1. More than one is for automated
    /// agents and for several people behind one address; those have no wrap-up.
    #[serde(default = "defaults::capacity")]
    pub capacity: usize,
    /// How many contacts in other media it takes at a time, 0 to 1000; default: three chats, and one
    /// in each of the others. There is a wrap-up after those of which it takes one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capacities: BTreeMap<Slot, usize>,
    /// Which media it takes no new contacts in while it has one in this medium; default: chats keep
    /// nothing away, one in any other medium everything else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocks: BTreeMap<Slot, Vec<Slot>>,
    /// The password that its phone registers with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// The digests that its phone is challenged with, the preferred first, and the only ones that
    /// it may answer with; default: the control node's setting. For phones that cannot cope with
    /// that setting. Whoever sends a REGISTER without credentials sees the challenges, so an agent
    /// whose digests differ from the control node's is told from a user who does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Vec<Digest>>,
    /// The server that takes its contacts, for an agent that is a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// Where it is reached without registering: a `sip:` or `sips:` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// How its devices are called; default: as `[phones]` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub devices: Option<Devices>,
    /// How its phone is asked to tell when a call is over; default: as `[phones]` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// Whether it starts paused. A later declaration changes the status only if this changed.
    #[serde(default)]
    pub paused: bool,
}

impl Agent {
    /// One with that identifier that serves all queues and cannot be reached yet.
    pub fn new(id: impl Into<AgentId>) -> Self {
        Self {
            id: id.into(),
            name: String::new(),
            skills: BTreeMap::new(),
            languages: Vec::new(),
            site: None,
            queues: None,
            tiers: BTreeMap::new(),
            weights: BTreeMap::new(),
            capacity: defaults::capacity(),
            capacities: BTreeMap::new(),
            blocks: BTreeMap::new(),
            password: None,
            digest: None,
            webhook: None,
            uri: None,
            devices: None,
            notice: None,
            paused: false,
        }
    }

    /// How many contacts in a medium it takes at a time.
    pub fn capacity_for(&self, slot: Slot) -> usize {
        match (slot, self.capacities.get(&slot)) {
            (Slot::Call, _) => self.capacity,
            (_, Some(declared)) => *declared,
            (Slot::Chat, None) => 3,
            (_, None) => 1,
        }
    }

    /// Whether a contact in one medium keeps new ones in another away.
    pub fn keeps_away(&self, slot: Slot, other: Slot) -> bool {
        match self.blocks.get(&slot) {
            Some(declared) => declared.contains(&other),
            None => slot != Slot::Chat && slot != other,
        }
    }
}

/// A digest that a phone proves its password with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Digest {
    /// SHA-256 (RFC 8760).
    #[serde(rename = "sha-256")]
    Sha256,
    /// MD5, for phones that know nothing better or give up when they are offered better.
    #[serde(rename = "md5")]
    Md5,
}

impl Digest {
    /// The word that stands for it in a declaration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Md5 => "md5",
        }
    }
}

impl From<Digest> for Algorithm {
    fn from(digest: Digest) -> Self {
        match digest {
            Digest::Sha256 => Self::Sha256,
            Digest::Md5 => Self::Md5,
        }
    }
}

/// A text that is not shown in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A rule: if all conditions hold, the contact is this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its identifier.
    pub id: RuleId,
    /// The conditions; without any it matches everything.
    #[serde(default)]
    pub when: When,
    /// What the contact then is.
    pub then: Then,
}

/// One value or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Many<T> {
    /// One.
    One(T),
    /// Any of several.
    Several(Vec<T>),
}

impl<T> Many<T> {
    /// All values.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => core::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

impl<T> From<T> for Many<T> {
    fn from(one: T) -> Self {
        Self::One(one)
    }
}

/// The conditions of a rule. All that are given must hold; of a list any value will do.
///
/// A *pattern* is compared with the whole text, without regard to case; `*` stands for any
/// characters and `?` for one. A pattern for a URI is compared with `user@host`, with
/// `user@host:port`, and, if it begins with a scheme (`sip:`, `sips:`, `tel:`), with the URI as it
/// is up to its parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// A pattern for the Request-URI or the To header: either will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Many<String>>,
    /// A pattern for the Request-URI alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<Many<String>>,
    /// A pattern for the caller's URI in the From header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Many<String>>,
    /// Patterns for header fields by name; of a field that occurs more than once any will do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header: BTreeMap<String, Many<String>>,
    /// A medium that is wanted and usable: `audio`, `video`, `message`, `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<Many<String>>,
    /// A pattern for the protocol of a wanted and usable medium: `RTP/AVP`, `*SAVP*`, `*MSRP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Many<String>>,
    /// A codec that is offered: `opus`, `PCMA`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<Many<String>>,
    /// The caller's network: an address, or a prefix such as `203.0.113.0/24`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Many<String>>,
    /// What the request came over: `udp`, `tcp`, `tls`, `ws`, `wss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Many<String>>,
    /// Times of day; of several any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<Many<Hours>>,
    /// What was chosen in menus, by the menu's identifier; of several words any will do.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answer: BTreeMap<MenuId, Many<String>>,
    /// A calendar that is open, or, with `!` before its identifier, closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Many<String>>,
    /// An expression in the Common Expression Language (CEL) that must be true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// The IANA time zone of the expression's `time`; default `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// A time of day on some days of the week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The first minute, `HH:MM`; default `00:00`.
    #[serde(default = "defaults::hours_from")]
    pub from: String,
    /// The first minute after it, `HH:MM` up to `24:00`; default `24:00`. Before `from` it means
    /// the next day, and the day of the week is that of the beginning.
    #[serde(default = "defaults::hours_to")]
    pub to: String,
    /// `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`; default: every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<String>>,
    /// An IANA time zone such as `Europe/Zurich`; default `UTC`.
    #[serde(default = "defaults::zone")]
    pub zone: String,
}

/// What a contact is: `queue` or `refuse` must be given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// The queue that it waits in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueId>,
    /// Instead of a queue: the menu that its caller chooses from. The rule is for contacts that have no
    /// answer of that menu yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<MenuId>,
    /// Instead of a queue: the SIP status that it is refused with, 400 to 699.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse: Option<u16>,
    /// Skills that its agent must have, with their lowest level, 1 to 100.
    #[serde(default)]
    pub skills: BTreeMap<String, u8>,
    /// The language that its agent must speak: the skill `language:fr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Where its agent must work: the skill `site:berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// What it asks for after it has waited for so long, step by step; each step replaces the
    /// skills, language and place with them, and asks for no more than the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relax: Vec<Relax>,
    /// -1000 to 1000, default 0. The higher is served first, within a queue and across queues.
    #[serde(default)]
    pub priority: i32,
    /// The call type's name; default: the rule's identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_type: Option<String>,
    /// What else is to be known of it, by name: told in events, shown with the contact.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A step in which a contact asks for less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Relax {
    /// How long after its arrival. 1 to 86400, more than the step before.
    pub after_seconds: u32,
    /// The skills that it asks for from then on, with their lowest level; default: none.
    #[serde(default)]
    pub skills: BTreeMap<String, u8>,
}

/// What happens to an agent after an offer that failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Offers {
    /// How long an agent that failed gets no offer at all. 1 to 3600, default 5.
    pub back_off_seconds: u32,
    /// How long an agent that did not answer, declined or could not take the medium is passed
    /// over by the same contact. 1 to 3600, default 30.
    pub skip_seconds: u32,
    /// After how many unanswered offers in a row an agent is paused; default 0: never.
    pub pause_after_missed: u32,
    /// After how many it is logged out; default 0: never.
    pub log_out_after_missed: u32,
    /// How long an agent counts as busy with a contact that the relay does not carry, if nobody
    /// reports its end. 10 to 604800, default 14400.
    pub outside_seconds: u32,
}

impl Default for Offers {
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Phones {
    /// The order of an agent's devices. Default: `parallel`.
    pub devices: Devices,
    /// How long devices ring before those of the next lower `q` are called. 1 to 180; default 0:
    /// as long as the offer does, so that those are only called when all before have failed.
    pub ring_seconds: u32,
    /// How phones are asked to tell when a call is over. Default: `dialog`.
    pub notice: Notice,
}

/// In which order the devices of an agent are called (RFC 3261 section 16.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Devices {
    /// By descending `q`; those of equal `q` together.
    #[default]
    Parallel,
    /// By descending `q`, one after the other; of equal `q` the one that registered last first.
    Sequential,
}

/// How a phone is asked to tell when its call is over (requirement A9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// By a subscription to the dialog event package (RFC 4235).
    #[default]
    Dialog,
    /// It is not asked.
    Off,
}

mod defaults {
    pub fn capacity() -> usize {
        1
    }
    pub fn hours_from() -> String {
        "00:00".into()
    }
    pub fn hours_to() -> String {
        "24:00".into()
    }
    pub fn zone() -> String {
        "UTC".into()
    }
}
