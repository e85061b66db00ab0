//! What control has said to callers who wait, and what they press.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Most parts of one announcement; the relay takes no more.
pub const MAX_PARTS: usize = 8;

/// Something to be said to a caller who waits; the music goes on after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    /// In this order.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Music to be heard from now on in the place of that before, and of what was being said; empty:
    /// silence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub music: Option<String>,
    /// Language from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// A part of an announcement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The caller's place in the queue, from 1.
    Position(u32),
    /// How long the caller is expected to wait, in seconds.
    ExpectedWait(u64),
    /// A recording by its name.
    Recording(String),
}

/// A caller who waited in a call that was answered is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The contact, as control named it.
    pub contact: String,
}

/// A key that a caller has pressed while waiting: RFC 4733, or INFO with a body of
/// `application/dtmf-relay`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressed {
    /// The contact, as control named it.
    pub contact: String,
    /// 0 to 9, `*`, `#`, A to D.
    pub key: char,
}
