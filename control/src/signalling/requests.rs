//! What arrives, and the answer that each request gets.

use std::sync::Arc;

use patchbay_core::{Facts, Input};
use patchbay_sip::carried::is_envelope;
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{HeaderName, Message, Method, ParseError, Uri};
use tracing::{debug, info};

use super::call::{Call, MAX_CALLS, Open, RequestName, Stage};
use super::claims::Claim;
use super::counters::Drop;
use super::places::{Before, was_here};
use super::reply::{ALLOW, SUPPORTED, reply};
use super::timers::PROGRESS_EVERY;
use super::{Effect, Moment, Signalling, facts, identity};
use crate::registrar::Origin;

/// Seconds after which a caller may try again when there are too many calls.
const BUSY_RETRY_AFTER_S: u32 = 5;

impl Signalling {
    /// Answers what could not be read, if enough of it could.
    pub(super) fn unreadable(&mut self, error: &ParseError, flow: Flow) {
        debug!(remote = %flow.remote, %error, "unreadable message");
        let Some(mut response) = error.answer() else {
            self.counters.drop(Drop::Unreadable);
            return;
        };
        self.counters.drop(Drop::Malformed);
        response.set_to_tag(&self.layer.fresh_tag());
        // Everything comes over connections, and a response goes back over its own.
        let message = response.encode().into();
        self.effects.push_back(Effect::Send { flow, message });
    }

    /// A new transaction.
    pub(super) fn request(
        &mut self,
        server: ServerKey,
        request: &Message,
        flow: Flow,
        now: Moment,
    ) {
        // What the edge passes on for others says where it came from; a relay's own word does not.
        if is_envelope(request) && !request.headers.contains(facts::SOURCE) {
            return self.opens(server, request, flow, now);
        }
        let answered = match request.method() {
            _ if request.to_tag().is_some() => Err(Box::new(self.in_dialog(request))),
            Some(Method::Invite) => self.invite(server, request, flow, now),
            Some(Method::Register) => Err(Box::new(self.register(request, now))),
            Some(Method::Options) => Err(Box::new(self.options(request))),
            _ => Err(Box::new(self.other(request))),
        };
        if let Err(response) = answered {
            self.respond(server, *response, now);
        }
    }

    pub(super) fn respond(&mut self, server: ServerKey, response: Message, now: Moment) {
        if self.layer.respond(server, response, now.at).is_err() {
            self.counters.drop(Drop::NotSent);
        }
    }

    /// An answer with a fresh To tag.
    fn answer(&mut self, request: &Message, status: u16) -> Message {
        let tag = self.layer.fresh_tag();
        reply(request, status, "", &tag)
    }

    fn refuse(&mut self, request: &Message, status: u16, why: Drop) -> Message {
        self.counters.drop(why);
        self.answer(request, status)
    }

    /// After the answer a dialog belongs to the relay; control has none.
    fn in_dialog(&mut self, request: &Message) -> Message {
        self.refuse(request, 481, Drop::NoDialog)
    }

    fn register(&mut self, request: &Message, now: Moment) -> Message {
        self.counters.registers += 1;
        let (transport, address) = facts::source(request);
        let origin = Origin {
            transport: &transport,
            address: address.map(|address| address.ip()),
        };
        let answer = self.registrar.register(request, origin, now.unix_ms());
        let tag = self.layer.fresh_tag();
        let mut response = reply(request, answer.status, answer.reason, &tag);
        for (name, value) in answer.headers {
            response.headers.push(name, value);
        }
        response
    }

    /// RFC 3261 section 11.2.
    fn options(&mut self, request: &Message) -> Message {
        if let Some(response) = self.bad_extension(request, HeaderName::Require) {
            return response;
        }
        self.counters.options += 1;
        let mut response = self.answer(request, 200);
        response.headers.push(HeaderName::Allow, ALLOW);
        response.headers.push(HeaderName::Accept, "application/sdp");
        response
            .headers
            .push(HeaderName::AcceptEncoding, "identity");
        response.headers.push(HeaderName::AcceptLanguage, "en");
        response.headers.push(HeaderName::Supported, SUPPORTED);
        response
    }

    fn other(&mut self, request: &Message) -> Message {
        let status = match request.method() {
            // These exist in a dialog only, and this one is not known.
            Some(
                Method::Bye
                | Method::Prack
                | Method::Update
                | Method::Info
                | Method::Notify
                | Method::Cancel,
            ) => return self.in_dialog(request),
            Some(Method::Extension(_)) | None => 501,
            Some(_) => 405,
        };
        let mut response = self.refuse(request, status, Drop::Method);
        response.headers.push(HeaderName::Allow, ALLOW);
        response
    }

    /// 420 when the request needs an extension (RFC 3261 section 8.2.2.3).
    fn bad_extension(&mut self, request: &Message, header: HeaderName) -> Option<Message> {
        let needed: Vec<&str> = request
            .headers
            .all_split(header)
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .collect();
        if needed.is_empty() {
            return None;
        }
        let needed = needed.join(", ");
        let mut response = self.refuse(request, 420, Drop::BadExtension);
        response.headers.push(HeaderName::Unsupported, needed);
        Some(response)
    }

    /// `Err` is the final answer to an INVITE that does not become a contact.
    fn invite(
        &mut self,
        server: ServerKey,
        request: &Message,
        flow: Flow,
        now: Moment,
    ) -> Result<(), Box<Message>> {
        let name = self.check_invite(request)?;
        let mut screened = request.clone();
        screened.headers.remove(HeaderName::PatchbayPlace);
        let (_, source) = facts::source(request);
        let source = source.map(|source| source.ip());
        self.counters.identity_taken +=
            identity::screen(&mut screened, source, &self.config.trusted);
        let facts = match facts::decode(&screened) {
            Ok(facts) => facts,
            Err(refusal) => {
                let mut response = self.refuse(request, refusal.status, Drop::BadBody);
                for (header, value) in refusal.headers {
                    response.headers.push(header, value);
                }
                return Err(response.into());
            }
        };
        match self.claimed_by(request) {
            Some(Ok((contact, offer))) => {
                self.claims(Claim {
                    contact,
                    offer,
                    server,
                    flow,
                    name,
                    request: screened,
                });
                return Ok(());
            }
            Some(Err(())) => return Err(self.refuse(request, 404, Drop::NoClaim).into()),
            None => {}
        }
        let device = self.named_device(request)?;
        let facts = Facts {
            wanted_agent: device.as_ref().map(|(agent, _)| agent.as_str().into()),
            ..facts
        };
        let before = self.place_of(request, now);
        let contact = match &before {
            Some(before) => before.place.contact,
            None => self.contacts.contact(now.unix_ms()),
        };
        info!(%contact, call_id = %name.0, from = %facts.from, to = %facts.to, "contact arrived");
        self.counters.invites += 1;
        let device = device.map(|(_, uri)| uri);
        let call = self.new_call((server, flow), name, (screened, device), now);
        self.calls.insert(contact, call);
        let facts = Box::new(facts);
        let Some(Before { place, stands }) = before else {
            self.tell(Input::ContactArrived { contact, facts });
            return Ok(());
        };
        if let Some(tag) = &stands {
            self.goes_on_in_call(contact, tag, now);
        }
        self.tell(Input::PlaceKept {
            place: Box::new(place),
            facts,
            in_call: stands.is_some(),
        });
        Ok(())
    }

    /// A call that has no answer yet, perhaps for one device alone.
    pub(super) fn new_call(
        &mut self,
        (server, flow): (ServerKey, Flow),
        name: RequestName,
        (request, device): (Message, Option<Uri>),
        now: Moment,
    ) -> Call {
        Call {
            server,
            flow,
            open: Some(Box::new(Open {
                request,
                progress: None,
                device,
            })),
            name,
            tag: self.layer.fresh_tag().to_string(),
            stage: Stage::Open,
            hunts: Vec::new(),
            branches: Vec::new(),
            hearing: None,
            farewell: None,
            waits_in_call: false,
            onward: None,
            timer: now.at + PROGRESS_EVERY,
        }
    }

    /// The agent and the URI of the device that an INVITE is for, where it calls a GRUU (RFC 5627).
    /// `Err` is the answer where there is none: 404 for a name that was never given or is void, 480 for a
    /// device that is not registered (section 5.4).
    fn named_device(&mut self, request: &Message) -> Result<Option<(String, Uri)>, Box<Message>> {
        let uri = request.uri().and_then(|uri| Uri::parse(uri).ok());
        let Some(uri) = uri.filter(|uri| uri.params.contains("gr")) else {
            return Ok(None);
        };
        match (
            self.registrar.device_of(&uri),
            self.registrar.named_by(&uri),
        ) {
            (Some((agent, _)), _) => Ok(Some((agent, uri))),
            (None, Some(_)) => Err(self.refuse(request, 480, Drop::NoDevice).into()),
            (None, None) => Err(self.refuse(request, 404, Drop::NoDevice).into()),
        }
    }

    fn check_invite(&mut self, request: &Message) -> Result<RequestName, Box<Message>> {
        if request.max_forwards() == Some(0) {
            return Err(self.refuse(request, 483, Drop::TooManyHops).into());
        }
        let looped = request.headers.all_split(HeaderName::Via).any(|via| {
            patchbay_sip::Via::parse(via).is_ok_and(|via| via.sent_by() == self.sent_by)
        });
        if looped {
            return Err(self.refuse(request, 482, Drop::Looped).into());
        }
        // Require is for the one who answers, at the other end (RFC 3261 section 20.32).
        if let Some(response) = self.bad_extension(request, HeaderName::ProxyRequire) {
            return Err(response.into());
        }
        let name =
            request_name(request).ok_or_else(|| self.refuse(request, 400, Drop::Malformed))?;
        if self.calls.is_known(&name) && !was_here(request) {
            return Err(self.refuse(request, 482, Drop::Merged).into());
        }
        if self.calls.len() >= MAX_CALLS {
            return Err(self
                .unavailable(request, BUSY_RETRY_AFTER_S, Drop::TooManyCalls)
                .into());
        }
        Ok(name)
    }

    fn unavailable(&mut self, request: &Message, retry_after_s: u32, why: Drop) -> Message {
        let mut response = self.refuse(request, 503, why);
        response
            .headers
            .push(HeaderName::RetryAfter, retry_after_s.to_string());
        response
    }
}

fn request_name(request: &Message) -> Option<RequestName> {
    let call_id = request.call_id().ok()?.to_owned();
    let from_tag = request.from_tag().unwrap_or_default().into();
    let cseq = request.cseq().ok()?.number;
    Some(Arc::new((call_id, from_tag, cseq)))
}
