//! Reports and records.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A report.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The beginning of its range.
    pub from_unix_ms: u64,
    /// The end of its range, which is not part of it.
    pub to_unix_ms: u64,
    /// Seconds of a step; none: one step for the whole range.
    pub step_s: Option<u64>,
    /// An answer within so many seconds is in time.
    pub threshold_s: u64,
    /// When the oldest event that is kept happened: nothing is known of the time before.
    pub events_from_unix_ms: Option<u64>,
    /// Contacts that were not counted because too many were under way.
    pub left_out: u64,
    /// Rows in order of time and name.
    pub rows: Vec<ReportRow>,
}

/// A row of a report: of a queue, of an agent, or of a step of time.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ReportRow {
    /// Of a queue.
    Queue(Box<QueueRow>),
    /// Of an agent.
    Agent(AgentRow),
    /// Of a step of time.
    Step(Box<StepRow>),
}

macro_rules! contacts {
    ($(#[$doc:meta])* $name:ident { $($before:tt)* } { $($after:tt)* }) => {
        $(#[$doc])*
        #[derive(Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The beginning of its step of time.
            pub from_unix_ms: u64,
            $($before)*
            /// Contacts of this time that came to a queue: answered, abandoned, refused, redirected, moved,
            /// lost and waiting ones.
            pub offered: u64,
            /// Those that an agent answered.
            pub answered: u64,
            /// Those answered within the threshold.
            pub answered_within: u64,
            /// Those whose caller gave up.
            pub abandoned: u64,
            /// Those whose caller gave up within the threshold.
            pub abandoned_within: u64,
            /// Those that were refused.
            pub refused: u64,
            /// Those whose callers were told to call somebody else.
            pub redirected: u64,
            /// Those whose customers were promised a call; they have no part in waits and service levels.
            pub call_backs: u64,
            /// Customers who were reached by such a call.
            pub called_back: u64,
            /// Those that went on to another queue, where they are offered again; 0 where all queues are
            /// counted together.
            pub moved: u64,
            /// Those that an end of the process took.
            pub lost: u64,
            /// Those that were neither answered nor over with the last event.
            pub waiting: u64,
            /// Offers made to agents.
            pub offers: u64,
            /// Answered within the threshold / offered.
            pub service_level: Option<f64>,
            /// Answered within the threshold / (offered − abandoned within it).
            pub service_level_without_short: Option<f64>,
            /// (Answered + abandoned within the threshold) / offered.
            pub service_level_with_short: Option<f64>,
            /// From arrival to answer, on average.
            pub wait_mean_ms: Option<u64>,
            /// Half of them took that or less; quantiles are off by a hundredth at most.
            pub wait_p50_ms: Option<u64>,
            /// Nine of ten took that or less.
            pub wait_p90_ms: Option<u64>,
            /// 99 of a hundred took that or less.
            pub wait_p99_ms: Option<u64>,
            /// The longest, exactly.
            pub wait_max_ms: Option<u64>,
            /// From arrival to the end of those abandoned, on average.
            pub abandon_mean_ms: Option<u64>,
            /// The longest of them.
            pub abandon_max_ms: Option<u64>,
            /// Calls that ended.
            pub ended: u64,
            /// From answer to end, all of them together.
            pub talk_ms: u64,
            /// How many times a side of these calls was on hold.
            pub holds: u64,
            /// For how long all together.
            pub held_ms: u64,
            /// Work after them.
            pub wrap_up_ms: u64,
            /// Talk and wrap-up of each, on average.
            pub handling_mean_ms: Option<u64>,
            $($after)*
        }
    };
}

contacts! {
    /// A queue in a report.
    QueueRow {
        /// Which.
        pub queue: String,
    } {}
}

contacts! {
    /// A step of time in a report: all queues and agents.
    StepRow {} {
        /// Contacts that were refused before they were typed for a queue; not among those offered.
        pub turned_away: u64,
        /// Time of agents in calls and in wrap-up.
        pub busy_ms: u64,
        /// Time of agents ready and reachable, and neither in a call nor in wrap-up.
        pub free_ms: u64,
        /// Time of agents paused and reachable, and neither in a call nor in wrap-up.
        pub paused_ms: u64,
        /// `busy_ms` / (`busy_ms` + `free_ms`).
        pub occupancy: Option<f64>,
    }
}

/// An agent in a report.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentRow {
    /// The beginning of its step of time.
    pub from_unix_ms: u64,
    /// Which.
    pub agent: String,
    /// Offers of contacts that arrived in this time.
    pub offers: u64,
    /// Those that it answered.
    pub answered: u64,
    /// Those that it let ring out.
    pub missed: u64,
    /// Those that it or its phone refused, or that did not reach it.
    pub failed: u64,
    /// Calls that ended.
    pub ended: u64,
    /// From answer to end, all of them together.
    pub talk_ms: u64,
    /// How many times a side of these calls was on hold.
    pub holds: u64,
    /// For how long all together.
    pub held_ms: u64,
    /// Work after them.
    pub wrap_up_ms: u64,
    /// Talk and wrap-up of each, on average.
    pub handling_mean_ms: Option<u64>,
    /// Time in calls and in wrap-up.
    pub busy_ms: u64,
    /// Time ready and reachable, and neither in a call nor in wrap-up.
    pub free_ms: u64,
    /// Time paused and reachable, and neither in a call nor in wrap-up.
    pub paused_ms: u64,
    /// `busy_ms` / (`busy_ms` + `free_ms`).
    pub occupancy: Option<f64>,
}

/// A finished contact. Moments are RFC 3339 in UTC.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Which: 16 hexadecimal digits.
    pub id: String,
    /// When it arrived.
    pub arrived: Option<String>,
    /// The queue that it was in last; none if it was refused before it came to one, as all that the rule
    /// says.
    pub queue: Option<String>,
    /// The call type.
    pub call_type: Option<String>,
    /// The rule that typed it.
    pub rule: Option<String>,
    /// The caller's URI.
    pub from: Option<String>,
    /// The URI called.
    pub to: Option<String>,
    /// Offers made.
    pub offers: u64,
    /// The agents that it was offered to, with what became of it: `ben:no_answer anna:answered`.
    pub agents_tried: String,
    /// The agent that answered.
    pub agent: Option<String>,
    /// From arrival to answer, or to the end without one.
    pub waited_ms: u64,
    /// While phones of agents were being called.
    pub rang_ms: u64,
    /// From answer to end.
    pub talked_ms: u64,
    /// For how long a side of the call was on hold.
    pub held_ms: u64,
    /// When it was answered.
    pub answered: Option<String>,
    /// When it ended.
    pub ended: Option<String>,
    /// `served`, `abandoned`, `refused`, `redirected` or `lost`.
    pub disposition: Option<String>,
    /// Why it ended (`bye`, `media_timeout`, …) or was refused (`queue_full`, …).
    pub reason: Option<String>,
    /// Who ended the call: `client`, `agent`, `relay` or `control`.
    pub ended_by: Option<String>,
    /// When its customer was promised a call, if that was so.
    pub call_back_promised: Option<String>,
}
