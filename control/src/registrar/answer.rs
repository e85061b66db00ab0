//! What a REGISTER is answered with, before it is put into a message.

use patchbay_sip::HeaderName;

/// A final answer: status, reason phrase and the headers beyond those that every response copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code, 200 to 699.
    pub status: u16,
    /// Reason phrase.
    pub reason: &'static str,
    /// Further headers in order.
    pub headers: Vec<(HeaderName, String)>,
}

impl Answer {
    /// An answer without further headers.
    #[must_use]
    pub fn new(status: u16, reason: &'static str) -> Answer {
        Answer {
            status,
            reason,
            headers: Vec::new(),
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}
