//! How a decision explains itself (requirements A3, A4).

use crate::centre::Strategy;
use crate::id::{AgentId, AskId, MenuId, QueueId, RuleId};
use crate::output::RefuseReason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why an agent was chosen, or why none was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The agent chosen.
    pub chosen: Option<AgentId>,
    /// Agents that serve the queue and have the skills.
    pub qualified: usize,
    /// Those of them that were free.
    pub free: usize,
    /// What the free ones were compared by.
    #[serde(default)]
    pub strategy: Strategy,
    /// The agent chosen is the one that served the caller last, whoever else was free.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub last_agent: bool,
    /// How many times the contact has come to ask for less.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub relaxed: usize,
    /// The chosen one and others, with the reason for each; at most
    /// [`crate::limits::MAX_EXPLAINED_AGENTS`].
    pub considered: Vec<Considered>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One agent in a choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// Which agent.
    pub agent: AgentId,
    /// The reason.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Why an agent was chosen or passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Free, qualified, and the first by the queue's strategy.
    Chosen {
        /// For how long it has been idle.
        idle_ms: u64,
        /// What the strategy goes by: the occupancy in percent, how many offers had been made
        /// when it got its last one, its tier, its levels added up, its weight. None where it is
        /// the idle time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        score: Option<u64>,
    },
    /// Free and qualified, but another has been idle for longer.
    LessIdle {
        /// For how long.
        idle_ms: u64,
    },
    /// Free and qualified, but another came first by the queue's strategy.
    RanksLower {
        /// For how long it has been idle.
        idle_ms: u64,
        /// As with the chosen one.
        score: u64,
    },
    /// Free and qualified, but the contact waits for the agent who served its caller last.
    NotTheLast,
    /// An offer of this contact to it failed a short while ago.
    FailedBefore,
    /// An offer to it failed a moment ago.
    Resting,
    /// Its phone is being called.
    Reserved,
    /// In a call.
    InCall,
    /// In wrap-up.
    WrapUp,
    /// Paused.
    Paused {
        /// Its reason.
        reason: String,
    },
    /// Not at work.
    LoggedOut,
    /// No phone registered.
    Unreachable,
    /// Takes no contacts in this medium.
    NotInMedium,
    /// Does not serve the queue.
    NotInQueue,
    /// Lacks a skill, or has it at a lower level.
    LacksSkill {
        /// Which.
        skill: String,
        /// The lowest level that will do.
        needs: u8,
        /// The level it has; 0 is none.
        has: u8,
    },
    /// No longer declared; its call goes on.
    Removed,
}

/// What one rule says to a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleVerdict {
    /// Which rule.
    pub rule: RuleId,
    /// Whether all conditions hold.
    pub matched: bool,
    /// The conditions in order. After the first that fails the others are still shown.
    pub conditions: Vec<ConditionVerdict>,
}

/// What one condition of a rule says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed {
    /// The rule.
    pub rule: RuleId,
    /// The call type's name.
    pub call_type: String,
    /// Where it goes.
    pub queue: QueueId,
    /// Skills required, with their lowest level.
    pub skills: BTreeMap<String, u8>,
    /// The higher is served first.
    pub priority: i32,
    /// What else the rule says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// The answer of a dry run: what would happen to a contact with these facts now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The media that could be served.
    pub media: Vec<String>,
    /// Media that could not, and why.
    pub unusable: Vec<String>,
    /// The server that would be asked before the rules look at it; its answer is not known here, but
    /// for what the facts hold already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<AskId>,
    /// Each rule up to and including the first that matches.
    pub rules: Vec<RuleVerdict>,
    /// What it would be typed as.
    pub typed: Option<Typed>,
    /// The selection in its queue.
    pub choice: Option<Choice>,
    /// What would be done.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What would be done with a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Offered to this agent at once.
    Offer {
        /// Whom to.
        agent: AgentId,
    },
    /// Lets its caller choose from this menu.
    Menu {
        /// Which.
        menu: MenuId,
    },
    /// Made to wait.
    Queue {
        /// At which position, from 1.
        position: usize,
    },
    /// Refused.
    Refuse {
        /// With which SIP status.
        status: u16,
        /// Why.
        why: RefuseReason,
    },
}
