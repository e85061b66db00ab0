//! A problem of a declaration, and the list of them.

use crate::limits::MAX_PROBLEMS;
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

/// Collects problems up to the limit.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub fn add(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(Problem {
                path: path.into(),
                message: message.into(),
                remedy: remedy.into(),
            });
        }
    }

    /// Says so if a number is outside its range.
    pub fn range<T: PartialOrd + fmt::Display>(&mut self, path: String, value: T, low: T, high: T) {
        if value < low || value > high {
            self.add(
                path,
                format!("{value} is out of range"),
                format!("use {low} to {high}"),
            );
        }
    }

    /// Says so if there are more of something than the limit.
    pub fn at_most(&mut self, path: impl Into<String>, count: usize, limit: usize) {
        if count > limit {
            self.add(
                path,
                format!("there are {count} of them"),
                format!("at most {limit} are served"),
            );
        }
    }

    pub fn into_list(self) -> Vec<Problem> {
        self.0
    }
}
