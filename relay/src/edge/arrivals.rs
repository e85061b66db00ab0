//! What arrives, until it is a message.

use super::counters::{EdgeDrop, Fate};
use super::{Core, Now, Output};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Handed, ParseError};

/// Datagrams shorter than this are keep-alives, not SIP (RFC 5626 section 3.5.1).
const MIN_SIP_BYTES: usize = 16;

impl Core {
    /// A datagram, a message from a stream, or one of a control node in this process.
    pub fn receive(&mut self, message: impl Into<Handed>, flow: Flow, now: Now) {
        let fate = self.take(message.into(), flow, now);
        if !self.is_control(&flow) {
            self.counters.came(fate);
        }
        self.run(now);
    }

    fn take(&mut self, message: Handed, flow: Flow, now: Now) -> Fate {
        let is_short = |bytes: &bytes::Bytes| bytes.len() < MIN_SIP_BYTES;
        if message.wire().is_some_and(is_short) {
            self.counters.drop(EdgeDrop::NotSip);
            return Fate::NotSip;
        }
        match message.read() {
            Ok(message) => self.admit(message, flow, now),
            Err(error) => {
                self.counters.drop(EdgeDrop::Malformed);
                self.answer_malformed(&error, flow);
                Fate::Malformed
            }
        }
    }

    /// The head of a message that the stream of `flow`, which is to be closed, cannot be cut behind:
    /// its Content-Length is missing, malformed or beyond what is taken.
    pub fn unframed(&mut self, head: bytes::Bytes, flow: Flow, now: Now) {
        self.counters.drop(EdgeDrop::Malformed);
        if !self.is_control(&flow) {
            self.counters.came(Fate::Malformed);
        }
        let error = ParseError::unframed(head);
        self.answer_malformed(&error, flow);
        self.run(now);
    }

    fn answer_malformed(&mut self, error: &ParseError, flow: Flow) {
        let (Some(mut answer), Some(flow)) = (error.answer(), error.answer_on(flow)) else {
            return;
        };
        answer.set_to_tag(&self.layer.fresh_tag());
        let message = answer.encode().into();
        self.outputs.push_back(Output::Send { flow, message });
    }
}
