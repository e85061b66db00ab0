//! Queues, as declared: where contacts wait, and who is chosen for them.

use super::{CallBacks, Waiting};
use crate::contact::Way;
use crate::id::QueueId;
use serde::{Deserialize, Serialize};

/// A queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Its identifier.
    pub id: QueueId,
    /// Which of the free agents gets a contact. Default: `longest_idle`.
    #[serde(default)]
    pub strategy: Strategy,
    /// With `ring_all`: how many agents a contact rings at most. 2 to 50, default 10.
    #[serde(default = "defaults::ring_at_once")]
    pub ring_at_once: usize,
    /// For how long a contact waits for the agent who served its caller last, before the others
    /// may have it; 0: that agent is only preferred. 0 to 3600; default: no agent is preferred.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky_seconds: Option<u32>,
    /// Points of priority that a contact gains for each minute of its waiting. 0 to 1000,
    /// default 0.
    #[serde(default)]
    pub priority_per_minute: u32,
    /// How soon contacts are to be answered. Of the first contacts of several queues with the same
    /// priority, an agent gets the one that has used up most of that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_level: Option<ServiceLevel>,
    /// How contacts that come by SIP are brought to their agents. Default: `relay`.
    #[serde(default)]
    pub hand_over: HandOver,
    /// How long an agent's phone rings before the next one is tried. 1 to 180, default 20.
    #[serde(default = "defaults::ring_seconds")]
    pub ring_seconds: u32,
    /// How long a contact waits before it is refused with 480. An offer under way at that time
    /// may still be answered. 1 to 86400, default 300.
    #[serde(default = "defaults::max_wait_seconds")]
    pub max_wait_seconds: u32,
    /// How many contacts may be in it; the next that finds no free agent is refused with 480.
    /// 0 to 10000, default 100. With 0 a contact is offered at once or not at all. One that was
    /// offered keeps its place when the offer fails, full or not.
    #[serde(default = "defaults::max_length")]
    pub max_length: usize,
    /// The Retry-After of a refusal. 0 to 86400, default 30.
    #[serde(default = "defaults::retry_after_seconds")]
    pub retry_after_seconds: u32,
    /// How long an agent is left alone after a call from this queue. 0 to 86400, default 0.
    #[serde(default)]
    pub wrap_up_seconds: u32,
    /// What a contact finds when no agent of the queue is logged in and reachable. Default:
    /// `refuse`.
    #[serde(default)]
    pub when_no_agents: WhenNoAgents,
    /// What callers hear who wait. Default: what their phones make of `182 Queued`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// What customers are promised who want to be called. Default: nothing, and none is promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_back: Option<CallBacks>,
    /// Where contacts go that cannot stay; of those that apply the first is taken. Without one
    /// they are refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overflow: Vec<Overflow>,
}

impl Queue {
    /// One with that identifier and the defaults for everything else.
    pub fn new(id: impl Into<QueueId>) -> Self {
        Self {
            id: id.into(),
            strategy: Strategy::default(),
            ring_at_once: defaults::ring_at_once(),
            sticky_seconds: None,
            priority_per_minute: 0,
            service_level: None,
            hand_over: HandOver::default(),
            ring_seconds: defaults::ring_seconds(),
            max_wait_seconds: defaults::max_wait_seconds(),
            max_length: defaults::max_length(),
            retry_after_seconds: defaults::retry_after_seconds(),
            wrap_up_seconds: 0,
            when_no_agents: WhenNoAgents::default(),
            waiting: None,
            call_back: None,
            overflow: Vec::new(),
        }
    }

    /// After how many seconds a contact waits behind others, if it ever does.
    pub(crate) fn late_after(&self) -> Option<u32> {
        let level = self.service_level.filter(|it| it.late == Late::Behind);
        level.map(|level| level.seconds)
    }

    /// What is done with a contact that cannot enter or stay, if anything is declared.
    pub fn overflow_when(&self, when: OverflowWhen) -> Option<&Overflow> {
        self.overflow.iter().find(|overflow| overflow.when == when)
    }

    /// What is done with a contact whose caller presses that key while waiting.
    pub fn overflow_for(&self, key: char) -> Option<&Overflow> {
        let mut pressed = self.overflow.iter();
        pressed.find(|it| it.when == OverflowWhen::Pressed && it.key == Some(key))
    }

    /// How many agents one contact rings at the same time.
    pub fn at_once(&self) -> usize {
        match self.strategy {
            Strategy::RingAll => self.ring_at_once.max(1),
            _ => 1,
        }
    }
}

/// Where contacts go that cannot stay: one of `queue`, `redirect`, `call_back` and `refuse` must be
/// given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overflow {
    /// What makes them go.
    pub when: OverflowWhen,
    /// With `waited`: how long they wait in this queue first. 1 to 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_seconds: Option<u32>,
    /// With `pressed`: which key, `0` to `9`, `*` or `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<char>,
    /// They wait in this queue from then on, by their old arrival and with the same skills. Who was
    /// there before, or finds it full or without agents, stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueId>,
    /// Their callers are told to call this URI (302).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<String>,
    /// They are called back at the address that they call from: they keep their place, and their
    /// callers are let go. Who cannot be called stays. Only with `[queue.call_back]`.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub call_back: bool,
    /// They are refused with this SIP status, 400 to 699.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse: Option<u16>,
    /// With `redirect` and `refuse`: the sounds that callers hear before. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub say: Vec<String>,
    /// How long they hear them. 1 to 60, default 6.
    #[serde(
        default = "defaults::say_seconds",
        skip_serializing_if = "defaults::is_say_seconds"
    )]
    pub say_seconds: u32,
}

/// What makes contacts leave a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverflowWhen {
    /// The queue holds as many as it may.
    Full,
    /// No agent of the queue is logged in and reachable, and `when_no_agents` is `refuse`.
    NoAgents,
    /// They have waited for `after_seconds`.
    Waited,
    /// Their caller has pressed the key `key` while waiting (RFC 4733, or INFO).
    Pressed,
}

/// Which of the free agents gets a contact. Where two are alike the one that has been idle for
/// longest gets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The one that has been idle for longest.
    #[default]
    LongestIdle,
    /// The one that was busy for the smallest part of its working time of late: an hour ago counts
    /// a third of now.
    LeastOccupied,
    /// The one whose last offer, of whatever queue, is the longest ago.
    RoundRobin,
    /// Several at the same time; the first that answers has it.
    RingAll,
    /// The lowest tier, and in it the first in the declaration.
    TopDown,
    /// The one with the highest levels in the skills asked for, added up.
    SkillBest,
    /// Anyone, by lot, each as often as its weight says.
    WeightedRandom,
}

/// How contacts that come by SIP are brought to their agents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandOver {
    /// The relay calls the agent, and carries dialogs and media.
    #[default]
    Relay,
    /// The caller's own proxy is told where the agent is and calls it itself (302, RFC 3261 section
    /// 21.3.3). What becomes of that is not seen: the agent counts as busy until it is reported.
    Redirect,
}

impl HandOver {
    /// Who then carries the contact.
    pub(crate) fn way(self) -> Way {
        match self {
            Self::Relay => Way::Relay,
            Self::Redirect => Way::Redirect,
        }
    }
}

/// How soon contacts are to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevel {
    /// Within so many seconds of their arrival. 1 to 3600.
    pub seconds: u32,
    /// So many of a hundred. A queue that falls short of it weighs more. 1 to 100.
    pub percent: u32,
    /// What becomes of those who were not answered in that time. Default: `in_order`.
    #[serde(default, skip_serializing_if = "Late::is_in_order")]
    pub late: Late,
}

/// What becomes of contacts that were not answered within the time of their queue's service level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late {
    /// They keep their place.
    #[default]
    InOrder,
    /// They wait behind those who can still be answered in time, whatever their priority. More are
    /// answered in time, and those who are not wait longer.
    Behind,
}

impl Late {
    fn is_in_order(&self) -> bool {
        *self == Self::InOrder
    }
}

/// What a contact finds when no agent of its queue is logged in and reachable. Agents that are
/// paused or busy count as present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenNoAgents {
    /// It is refused at once with 480. Those that already wait keep waiting.
    #[default]
    Refuse,
    /// It waits, up to `max_wait_seconds`.
    Wait,
}

mod defaults {
    pub fn say_seconds() -> u32 {
        6
    }
    pub fn is_say_seconds(seconds: &u32) -> bool {
        *seconds == say_seconds()
    }
    pub fn ring_at_once() -> usize {
        10
    }
    pub fn ring_seconds() -> u32 {
        20
    }
    pub fn max_wait_seconds() -> u32 {
        300
    }
    pub fn max_length() -> usize {
        100
    }
    pub fn retry_after_seconds() -> u32 {
        30
    }
}
