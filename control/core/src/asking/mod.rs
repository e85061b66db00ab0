//! Asking a server outside what a contact is (requirement D13): when it is asked, and what it may
//! answer.

mod answer;
mod server;

pub use answer::{Answer, Decision};
pub use server::ServerView;
pub(crate) use server::Servers;

use core::fmt;
use serde::{Deserialize, Serialize};

/// Why no good answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskFailure {
    /// None came in time.
    TimeLimit,
    /// No connection, or it broke.
    Unreachable,
    /// The server did not prove who it is.
    Certificate,
    /// The server answered with another status than 2xx; redirects are not followed.
    Status,
    /// The answer is longer than [`crate::limits::MAX_ASK_ANSWER_BYTES`].
    TooLarge,
    /// The answer is not the JSON that is expected.
    Malformed,
    /// What it decided contradicts the declaration.
    Invalid,
    /// It was not asked: too many questions before had failed in a row.
    Paused,
    /// It was not asked: as many contacts wait for answers as may.
    TooMany,
}

impl AskFailure {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::TimeLimit,
        Self::Unreachable,
        Self::Certificate,
        Self::Status,
        Self::TooLarge,
        Self::Malformed,
        Self::Invalid,
        Self::Paused,
        Self::TooMany,
    ];

    /// As JSON and metrics name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TimeLimit => "time_limit",
            Self::Unreachable => "unreachable",
            Self::Certificate => "certificate",
            Self::Status => "status",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Invalid => "invalid",
            Self::Paused => "paused",
            Self::TooMany => "too_many",
        }
    }

    /// For people, after the server's name.
    pub fn text(self) -> &'static str {
        match self {
            Self::TimeLimit => "gave no answer in time",
            Self::Unreachable => "was not reached",
            Self::Certificate => "did not prove who it is",
            Self::Status => "answered with a failure",
            Self::TooLarge => "gave too long an answer",
            Self::Malformed => "gave an answer that cannot be read",
            Self::Invalid => "decided what cannot be done",
            Self::Paused => "was not asked, as it failed again and again",
            Self::TooMany => "was not asked, as too many contacts wait for answers",
        }
    }

    /// Whether the server itself failed, so that it is better left alone for a while.
    fn is_the_servers(self) -> bool {
        match self {
            Self::TimeLimit
            | Self::Unreachable
            | Self::Certificate
            | Self::Status
            | Self::TooLarge
            | Self::Malformed => true,
            Self::Invalid | Self::Paused | Self::TooMany => false,
        }
    }
}

/// A failure with words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub why: AskFailure,
    /// What exactly; may be empty. At most [`crate::limits::MAX_SHOWN_BYTES`] are told.
    pub detail: String,
}

impl Failed {
    /// A failure with words for people.
    pub fn new(why: AskFailure, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { why, detail }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why.text())?;
        match self.detail.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.detail),
        }
    }
}
