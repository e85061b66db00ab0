//! One device of an agent.

use serde::{Deserialize, Serialize};

/// One registered Contact of an agent. The pair (`agent`, `contact`) names it: a refresh of the
/// same Contact replaces the binding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// User part of the address of record, which is the agent's identifier.
    pub agent: String,
    /// The Contact URI as registered, without angle brackets.
    pub contact: String,
    /// Path URIs in the order of the header fields (RFC 3327); a request to the device visits them
    /// first to last.
    pub path: Vec<String>,
    /// Call-ID of the REGISTER that set it, for the order rule of RFC 3261 section 10.3.
    pub call_id: String,
    /// CSeq number of that REGISTER.
    pub cseq: u32,
    /// The Contact's q value in thousandths, 0 to 1000; 1000 when none was given.
    pub q_milli: u16,
    /// The device's User-Agent, when it told one.
    pub user_agent: Option<String>,
    /// When it was set or refreshed, Unix milliseconds.
    pub updated_unix_ms: u64,
    /// When it expires, Unix milliseconds.
    pub expires_unix_ms: u64,
}
