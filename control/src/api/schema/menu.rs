//! Menus.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A menu: callers hear what they can choose and press a key.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MenuDeclaration {
    /// Its identifier.
    pub id: String,
    /// What it is about, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// What is said, in order: names of sounds; at most 8.
    pub say: Vec<String>,
    /// The language of what is said.
    #[schema(required = false, default = "en")]
    pub language: String,
    /// What is heard between: the name of a sound; empty: silence.
    #[schema(required = false, default = "music")]
    pub music: String,
    /// Whether the call is answered before.
    #[schema(required = false, default = false)]
    pub answer: bool,
    /// How long a key is waited for; 3 to 60, default 10.
    #[schema(required = false, default = 10)]
    pub seconds: u32,
    /// How many times it is said; 1 to 5, default 2.
    #[schema(required = false, default = 2)]
    pub times: u32,
    /// The key that begins the menu anew: `0` to `9`, `*` or `#`, and of no choice; default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
    /// What counts as chosen by who presses nothing; default: nothing, and the caller is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What there is to choose; 1 to 12.
    pub choice: Vec<MenuChoice>,
}

/// One thing to choose.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MenuChoice {
    /// The key that is pressed: `0` to `9`, `*` or `#`.
    pub key: String,
    /// The word by which rules know it.
    pub answer: String,
    /// What it is, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
}
