//! What arrives, until it is a message.

use super::counters::{EdgeDrop, Fate};
use super::{Core, Now, Output};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Handed, Message, ParseError};

/// Datagrams shorter than this are keep-alives, not SIP (RFC 5626 section 3.5.1).
const MIN_SIP_BYTES: usize = 16;

impl Core {
    /// A datagram, or a message from a stream.
    pub fn receive(&mut self, bytes: bytes::Bytes, flow: Flow, now: Now) {
        let fate = self.take(bytes, flow, now);
        if !self.is_control(&flow) {
            self.counters.came(fate);
        }
        self.run(now);
    }

    /// A message of a control node in this process.
    pub fn handed(&mut self, handed: Handed, flow: Flow, now: Now) {
        self.read(handed.read(), flow, now);
        self.run(now);
    }

    fn take(&mut self, bytes: bytes::Bytes, flow: Flow, now: Now) -> Fate {
        if bytes.len() < MIN_SIP_BYTES {
            self.counters.drop(EdgeDrop::NotSip);
            return Fate::NotSip;
        }
        self.read(Message::parse(bytes), flow, now)
    }

    fn read(&mut self, parsed: Result<Message, ParseError>, flow: Flow, now: Now) -> Fate {
        match parsed {
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
        let bytes = answer.encode();
        self.outputs.push_back(Output::Send { flow, bytes });
    }
}
