//! What the layer does with a message that arrives.

use std::time::Instant;

use super::counters::DropReason;
use super::flow::{Flow, complete_via, response_flow};
use super::layer::{Layer, Transaction};
use super::matching::MatchKey;
use super::server::{Server, ServerState};
use super::slab::Key;
use super::{ClientKey, Output, ServerKey};
use crate::message::Message;
use crate::method::Method;
use crate::name::HeaderName;
use crate::via::Via;

impl Layer {
    /// Takes a message from the network. The top Via of requests is completed with `received` and
    /// `rport` (RFC 3261 section 18.2.1, RFC 3581).
    ///
    /// # Errors
    /// [`DropReason`], which was counted; answers that are due have been queued all the same.
    pub fn receive(
        &mut self,
        message: Message,
        flow: Flow,
        now: Instant,
    ) -> Result<(), DropReason> {
        let result = match message.status() {
            _ if self.outputs.len() >= self.config.max_outputs => Err(DropReason::OutputsFull),
            Some(status) => self.receive_response(message, status, flow, now),
            None => self.receive_request(message, flow, now),
        };
        if let Err(reason) = result {
            self.counters.count_drop(reason);
        }
        result
    }

    fn receive_response(
        &mut self,
        response: Message,
        status: u16,
        flow: Flow,
        now: Instant,
    ) -> Result<(), DropReason> {
        let branch = response.branch().map_err(|_| DropReason::Malformed)?;
        let cseq = response.cseq().map_err(|_| DropReason::Malformed)?;
        let branch = branch.ok_or(DropReason::Malformed)?;
        let place = self.find(&self.index.client_key(branch, &cseq.method));
        let place = place.ok_or(DropReason::UnmatchedResponse)?;
        let Some(Transaction::Client(client)) = self.table.get_mut(place) else {
            return Err(DropReason::UnmatchedResponse);
        };
        let step = client.receive(status, &response, &self.config, now);
        let step = step.ok_or(DropReason::RepeatedResponse)?;
        self.counters.responses_in += 1;
        if let Some((way, ack)) = step.send {
            self.send(way, ack.into());
        }
        if step.deliver {
            let client = ClientKey(place);
            self.outputs.push_back(Output::Response {
                client,
                response,
                flow,
            });
        }
        if step.ends {
            self.remove(place);
        } else {
            self.rearm(place);
        }
        if step.send_cancel {
            self.send_cancel(place, now);
        }
        Ok(())
    }

    fn receive_request(
        &mut self,
        request: Message,
        flow: Flow,
        now: Instant,
    ) -> Result<(), DropReason> {
        let mut request = request;
        let method = request.method().cloned().ok_or(DropReason::Malformed)?;
        let via = request.top_via().map_err(|_| DropReason::Malformed)?;
        let via = complete_via(&mut request, via, &flow);
        let matched = match &method {
            Method::Ack => &Method::Invite,
            method => method,
        };
        let key = self
            .index
            .server_key(&request, &via, flow.remote.ip(), matched)
            .map_err(|_| DropReason::Malformed)?;
        let known = self.find(&key);
        match (method, known) {
            (Method::Ack, known) => self.receive_ack(request, known, flow, now),
            (_, Some(place)) => {
                self.repeat_answer(place);
                Ok(())
            }
            (Method::Cancel, None) => {
                self.receive_cancel(request, via, key, flow, now);
                Ok(())
            }
            (_, None) => self.start_server(request, &via, key, flow, now),
        }
    }

    fn receive_ack(
        &mut self,
        ack: Message,
        known: Option<Key>,
        flow: Flow,
        now: Instant,
    ) -> Result<(), DropReason> {
        if let Some(place) = known
            && let Some(Transaction::Server(server)) = self.table.get_mut(place)
        {
            match server.state {
                ServerState::Trying | ServerState::Proceeding => return Err(DropReason::EarlyAck),
                ServerState::Confirmed => return Err(DropReason::RepeatedAck),
                ServerState::Completed => {
                    if server.acknowledge(&self.config, now) {
                        self.remove(place);
                    } else {
                        self.rearm(place);
                    }
                    return Ok(());
                }
                ServerState::Accepted => {}
            }
        }
        self.outputs.push_back(Output::Ack { ack, flow });
        Ok(())
    }

    /// Answers a repeated request as the first was answered; an unanswered one is absorbed.
    fn repeat_answer(&mut self, place: Key) {
        self.counters.requests_repeated += 1;
        if let Some(Transaction::Server(server)) = self.table.get(place)
            && let Some((reply, bytes)) = server.again()
        {
            self.counters.retransmissions += 1;
            self.send(reply, bytes.into());
        }
    }

    fn start_server(
        &mut self,
        request: Message,
        via: &Via,
        key: MatchKey,
        flow: Flow,
        now: Instant,
    ) -> Result<(), DropReason> {
        if self.table.len() >= self.config.max_transactions {
            return Err(self.refuse_full(&request, flow));
        }
        let reply = response_flow(via, flow);
        let server = Server::new(&request, key, reply, &self.config, now);
        let Some(place) = self.insert(Transaction::Server(server)) else {
            return Err(self.refuse_full(&request, flow));
        };
        self.counters.requests_in += 1;
        self.outputs.push_back(Output::Request {
            server: ServerKey(place),
            request,
            flow,
        });
        Ok(())
    }

    fn refuse_full(&mut self, request: &Message, flow: Flow) -> DropReason {
        let mut answer = Message::response_to(request, 503, "");
        let seconds = self.config.retry_after_seconds.to_string();
        answer.headers.push(HeaderName::RetryAfter, seconds);
        self.answer_stateless(request, flow, answer);
        DropReason::TableFull
    }

    /// Answers a CANCEL (RFC 3261 section 9.2): 200 and a word to the user where its INVITE waits for
    /// an answer, 200 where that is there already, 481 where there is none.
    fn receive_cancel(
        &mut self,
        cancel: Message,
        via: Via,
        key: MatchKey,
        flow: Flow,
        now: Instant,
    ) {
        self.counters.requests_in += 1;
        let source = flow.remote.ip();
        let invite = self
            .index
            .server_key(&cancel, &via, source, &Method::Invite)
            .ok()
            .and_then(|invite| self.find(&invite));
        let mut status = 481;
        let mut tag = None;
        let mut told = None;
        if let Some(place) = invite
            && let Some(Transaction::Server(server)) = self.table.get_mut(place)
        {
            status = 200;
            tag = server.to_tag();
            if server.is_pending() && !server.cancelled {
                server.cancelled = true;
                told = Some(place);
            }
        } else {
            self.counters.cancels_unmatched += 1;
        }
        let mut answer = Message::response_to(&cancel, status, "");
        answer.set_to_tag(&tag.unwrap_or_else(|| self.tokens.tag().into()));
        let (reply, bytes) = (response_flow(&via, flow), answer.encode());
        self.counters.responses_out += 1;
        self.send(reply, bytes.clone().into());
        // Over UDP the CANCEL may come again; without a place in the table it is just answered anew.
        if !flow.is_reliable() && self.table.len() < self.config.max_transactions {
            let end_at = now + self.config.timeout();
            let server = Server::answered(key, reply, bytes, end_at);
            self.insert(Transaction::Server(server));
        }
        if let Some(place) = told {
            self.outputs.push_back(Output::Cancelled {
                server: ServerKey(place),
                cancel,
            });
        }
    }
}
