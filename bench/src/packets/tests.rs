//! What the tests of several parts need.

pub mod little;
#[path = "../../tests/support/needs.rs"]
pub mod needs;
