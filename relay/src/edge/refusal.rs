//! A failure answer: status, the headers that say what to do, and the reason that is counted.

use super::Now;
use super::counters::{EdgeCounters, EdgeDrop};
use patchbay_sip::transaction::{Layer, ServerKey};
use patchbay_sip::{HeaderName, Message};

/// A failure answer to a request.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: u16,
    reason: &'static str,
    headers: Vec<(&'static str, String)>,
    counted: Option<EdgeDrop>,
    tag: Option<String>,
}

impl Refusal {
    /// An answer that says all by its status.
    pub fn plain(status: u16, reason: &'static str) -> Self {
        Self {
            status,
            reason,
            headers: Vec::new(),
            counted: None,
            tag: None,
        }
    }

    /// 503 with Retry-After (RFC 3261 section 21.5.4).
    pub fn busy(counted: EdgeDrop, reason: &'static str, retry_after_s: u32) -> Self {
        let mut refusal = Self::plain(503, reason).with("Retry-After", &retry_after_s.to_string());
        refusal.counted = Some(counted);
        refusal
    }

    /// 481: no such dialog.
    pub fn no_dialog() -> Self {
        Self::plain(481, "Call/Transaction Does Not Exist")
    }

    /// A transfer that did not come from control.
    pub fn forged() -> Self {
        let mut refusal = Self::plain(403, "Forbidden");
        refusal.counted = Some(EdgeDrop::ForgedTransfer);
        refusal
    }

    /// 483, counted.
    pub fn too_many_hops() -> Self {
        let mut refusal = Self::plain(483, "Too Many Hops");
        refusal.counted = Some(EdgeDrop::TooManyHops);
        refusal
    }

    /// 405 with the methods that policy lets pass (RFC 3261 section 21.4.6).
    pub fn denied(allow: &str) -> Self {
        let mut refusal = Self::plain(405, "Method Not Allowed").with("Allow", allow);
        refusal.counted = Some(EdgeDrop::MethodDenied);
        refusal
    }

    /// With one more header.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// With this To tag, so that it belongs to the dialog that earlier answers began.
    pub fn tagged(mut self, tag: &str) -> Self {
        self.tag = Some(tag.to_string());
        self
    }

    /// Sends it.
    pub fn answer(
        self,
        layer: &mut Layer,
        counters: &mut EdgeCounters,
        server: ServerKey,
        request: &Message,
        now: Now,
    ) {
        if let Some(reason) = self.counted {
            counters.drop(reason);
        }
        let mut response = Message::response_to(request, self.status, self.reason);
        let tag = self.tag.unwrap_or_else(|| layer.fresh_tag().to_string());
        response.set_to_tag(&tag);
        for (name, value) in self.headers {
            response.headers.push(HeaderName::from(name), value);
        }
        // The transaction may be gone already: then nobody waits for the answer.
        let _ = layer.respond(server, response, now.instant);
    }
}
