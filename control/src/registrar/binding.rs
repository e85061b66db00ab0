//! One device of an agent.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One registered Contact of an agent. The pair of `agent` and [`Binding::key`] names it: a refresh
/// replaces the binding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The device's own name, the URN of `+sip.instance` (RFC 5626 section 4.1).
    #[serde(default)]
    pub instance: Option<String>,
    /// Which of the device's flows it is, from 1 (RFC 5626 section 4.2); none for a registration
    /// that is not by flow.
    #[serde(default)]
    pub reg_id: Option<u32>,
    /// The number in its temporary GRUUs (RFC 5627), for a device that asked for GRUUs.
    #[serde(default)]
    pub gruu: Option<u64>,
    /// Where the REGISTER came from, as the relay saw it.
    #[serde(default)]
    pub source: Option<IpAddr>,
}

impl Binding {
    /// What names the binding among those of its agent: instance and flow for a registration by flow
    /// (RFC 5626 section 6), the Contact URI for any other.
    #[must_use]
    pub fn key(&self) -> String {
        match (&self.instance, self.reg_id) {
            (Some(instance), Some(reg_id)) => format!("{instance};reg-id={reg_id}"),
            _ => self.contact.clone(),
        }
    }

    /// What names the device: its instance, or the Contact URI of one without.
    #[must_use]
    pub fn device(&self) -> &str {
        self.instance.as_deref().unwrap_or(&self.contact)
    }
}
