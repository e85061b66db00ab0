//! SIP as the control node speaks it: a stateful proxy towards the relays, a registrar for the
//! agents' phones. No I/O: messages, the distributor's decisions and the time go in;
//! [`Effect`]s come out.
//!
//! - [`mod@requests`]: what arrives, and the answer that each request gets
//! - [`mod@facts`]: from an INVITE to what the rules look at
//! - [`mod@carried`]: transfers as bodies of MESSAGEs, and by tunnels
//! - [`mod@offers`]: the distributor's decisions: transfer, cancel, accept, refuse
//! - [`mod@hearing`]: what callers hear who wait
//! - [`mod@farewell`]: what callers hear last
//! - [`mod@onward`]: those of them who are sent elsewhere
//! - [`mod@places`]: the places of those who wait, over a restart
//! - [`mod@identity`]: who a caller may be said to be
//! - [`mod@claims`]: those who asked for an agent over the API, and call to be led to it
//! - [`mod@hunt`]: one offer over several devices
//! - [`mod@answers`]: what comes back for a transferred INVITE
//! - [`mod@timers`]: the minute of a provisional answer, the end of a call's record

mod answers;
mod call;
mod carried;
mod claims;
mod counters;
mod facts;
mod farewell;
mod hearing;
mod hunt;
mod identity;
mod moment;
mod offers;
mod onward;
mod places;
mod reply;
mod requests;
mod timers;

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use patchbay_core::{AgentId, ContactId, IdSource, Input, Network, OfferId};
use patchbay_route::transfer::Carrier;
use patchbay_sip::digest::Algorithm;
use patchbay_sip::transaction::{ClientKey, Config, Flow, Layer, Output};
use patchbay_sip::{Handed, Message, ParseError};
use rustc_hash::FxHashMap;

use crate::link::Secret;
use crate::registrar::{Binding, Change, Expiry, Registrar, RegistrarConfig, Secrets};
use call::Calls;
use carried::Tunnels;

pub use call::MAX_CALLS;
pub use claims::Claim;
pub use counters::{Drop, SignallingCounters};
pub(crate) use facts::words_of_link;
pub use facts::{TextError, facts_of_text};
pub use farewell::{FAREWELL_BEGINS, FAREWELL_PATIENCE};
pub use moment::Moment;
pub use offers::TRANSFER_VALID_S;
pub use onward::ONWARD_RING;
pub use timers::{CANCEL_PATIENCE, KEEP_ANSWERED, PROGRESS_EVERY};

/// How the signalling works.
#[derive(Debug, Clone)]
pub struct SignallingConfig {
    /// The realm of the registrar's challenges.
    pub realm: String,
    /// The digests of agents that declare none of their own, the preferred first; not empty.
    pub digest: Vec<Algorithm>,
    /// How long phones may register for.
    pub expiry: Expiry,
    /// Networks whose word on who calls is believed (RFC 3325).
    pub trusted: Vec<Network>,
    /// Where the agent's phone is led to by Call-Info, with `{contact}`, `{from}` and `{to}`.
    pub screen_pop_url: Option<String>,
    /// Signs transfers; shared with the relays.
    pub link_secret: Secret,
    /// How transfers travel to the relays.
    pub transfer: Carrier,
    /// The transaction layer's timers and limits.
    pub transactions: Config,
}

/// What is to be done after something went in.
#[derive(Debug)]
pub enum Effect {
    /// Send this.
    Send {
        /// Over this flow.
        flow: Flow,
        /// One whole message.
        message: Handed,
    },
    /// Open a tunnel to the relay that this flow came from, for what is sent there.
    OpenTunnel {
        /// Under the number of this flow.
        flow: Flow,
    },
    /// Nothing more will be sent by this tunnel.
    CloseTunnel {
        /// The tunnel.
        flow: Flow,
    },
    /// Tell the distributor.
    Core(Input),
    /// Take the call by [`Signalling::take_claim`] if what it claims is still offered, or refuse it by
    /// [`Signalling::refuse_claim`].
    Claim(Box<Claim>),
    /// Store a binding.
    SaveBinding(Binding),
    /// Remove a binding from the store.
    RemoveBinding(Binding),
}

/// The signalling of one node; see the module.
pub struct Signalling {
    config: SignallingConfig,
    layer: Layer,
    registrar: Registrar,
    calls: Calls,
    /// What MESSAGEs carry that have no answer yet; as many as there are transactions at most.
    envelopes: FxHashMap<ClientKey, Bytes>,
    tunnels: Tunnels,
    contacts: IdSource,
    /// Proves who may claim an agent.
    claims: [u8; 32],
    /// Our Via sent-by: a name that nobody else has, so that a loop is told from an accident.
    sent_by: String,
    effects: VecDeque<Effect>,
    counters: SignallingCounters,
}

/// Independent secrets from one seed.
fn derive(seed: &[u8], purpose: &str) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    Sha256::new()
        .chain_update(seed)
        .chain_update(purpose.as_bytes())
        .finalize()
        .into()
}

impl Signalling {
    /// Signalling without calls or bindings. `seed` must be random and known to nobody; the same
    /// seed gives the same tags and branches, for tests.
    #[must_use]
    pub fn new(config: SignallingConfig, seed: [u8; 32]) -> Signalling {
        let name = derive(&seed, "sent-by");
        let name: String = name
            .iter()
            .take(6)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let contacts = derive(&seed, "contacts");
        let contacts = contacts
            .iter()
            .take(8)
            .fold(0, |all, byte| all << 8 | u64::from(*byte));
        let registrar = RegistrarConfig {
            realm: config.realm.clone(),
            digest: config.digest.clone(),
            expiry: config.expiry,
        };
        let secrets = Secrets {
            nonces: derive(&seed, "nonces"),
            names: derive(config.link_secret.expose().as_bytes(), "temporary names"),
        };
        Signalling {
            layer: Layer::new(
                config.transactions.clone(),
                derive(&seed, "branches and tags"),
            ),
            registrar: Registrar::new(registrar, secrets),
            calls: Calls::default(),
            envelopes: FxHashMap::default(),
            tunnels: Tunnels::default(),
            contacts: IdSource::new(contacts),
            claims: derive(&seed, "claims"),
            sent_by: format!("control-{name}.invalid"),
            effects: VecDeque::new(),
            counters: SignallingCounters::default(),
            config,
        }
    }

    /// Takes one message that came over `flow`.
    pub fn receive(&mut self, parsed: Result<Message, ParseError>, flow: Flow, now: Moment) {
        match parsed {
            // The layer counts what it drops, by reason.
            Ok(message) => {
                let _counted = self.layer.receive(message, flow, now.at);
            }
            Err(error) => self.unreadable(&error, flow),
        }
        self.pump(now);
    }

    /// A connection is gone, and with it the callers and phones behind it.
    pub fn flow_failed(&mut self, flow: Flow, now: Moment) {
        if self.tunnel_failed(flow) {
            return self.pump(now);
        }
        for contact in self.calls.waiting_by(flow.connection) {
            self.left(contact, now);
        }
        self.layer.flow_failed(flow.connection, now.at);
        if self.config.transfer == Carrier::Message {
            self.layer.flow_failed(flow.inside().connection, now.at);
        }
        self.pump(now);
    }

    /// Lets the timers run that are due.
    pub fn wake(&mut self, now: Moment) {
        self.layer.wake(now.at);
        self.registrar.expire(now.unix_ms());
        self.pump(now);
        self.run_timers(now);
        self.pump(now);
    }

    /// When [`Signalling::wake`] is next needed.
    #[must_use]
    pub fn next_wakeup(&self, now: Moment) -> Option<Instant> {
        let expiry = self
            .registrar
            .next_expiry()
            .map(|unix_ms| now.at_unix_ms(unix_ms));
        [self.layer.next_wakeup(), self.calls.next_timer(), expiry]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// The name of a contact that comes now, and not by SIP.
    pub fn name_contact(&mut self, unix_ms: u64) -> ContactId {
        self.contacts.contact(unix_ms)
    }

    /// Where somebody else calls an agent: its static URI, or the Contact of its best device.
    #[must_use]
    pub fn reached_at(&self, agent: &AgentId) -> Option<String> {
        let devices = self.registrar.devices(agent.as_str());
        let way = devices.into_iter().next()?.ways.pop_front()?;
        Some(way.uri)
    }

    /// The registrar, to look at.
    #[must_use]
    pub fn registrar(&self) -> &Registrar {
        &self.registrar
    }

    /// Changes the registrar: accounts, bindings from the store.
    pub fn with_registrar(&mut self, change: impl FnOnce(&mut Registrar)) {
        change(&mut self.registrar);
        self.take_changes();
    }

    /// Calls without a final answer.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.calls.open().count()
    }

    /// Calls whose record is kept, those answered a short while ago included.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// What was counted here.
    #[must_use]
    pub fn counters(&self) -> &SignallingCounters {
        &self.counters
    }

    /// The transaction layer, for its counters.
    #[must_use]
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Handles all that the transaction layer has to say.
    fn pump(&mut self, now: Moment) {
        while let Some(output) = self.layer.poll() {
            match output {
                Output::Send { flow, message } => match flow.outside() {
                    Some(outside) => self.carry(outside, message.bytes(), now),
                    None => self.effects.push_back(Effect::Send { flow, message }),
                },
                Output::Request {
                    server,
                    request,
                    flow,
                } => {
                    self.request(server, &request, flow, now);
                }
                Output::Ack { .. } => self.counters.drop(Drop::StrayAck),
                Output::Cancelled { server, .. } => self.cancelled(server, now),
                Output::Response {
                    client, response, ..
                } => self.response(client, response, now),
                Output::Failed { client, why } => self.branch_failed(client, why, now),
                Output::ServerFailed { server, .. } => self.server_failed(server, now),
            }
        }
        self.take_changes();
    }

    fn take_changes(&mut self) {
        while let Some(change) = self.registrar.poll() {
            self.effects.push_back(match change {
                Change::Saved(binding) => Effect::SaveBinding(binding),
                Change::Removed(binding) => Effect::RemoveBinding(binding),
                Change::Reachable { agent, reachable } => Effect::Core(Input::AgentReachable {
                    agent: agent.as_str().into(),
                    reachable,
                }),
            });
        }
    }

    fn tell(&mut self, input: Input) {
        self.effects.push_back(Effect::Core(input));
    }

    /// True while the record of the call is kept and the 2xx of this offer went to the caller.
    #[must_use]
    pub fn passed_answer(&mut self, contact: ContactId, offer: OfferId) -> bool {
        let call = self.calls.get(contact);
        call.is_some_and(|call| call.stage == call::Stage::Answered(Some(offer)))
    }

    /// True while the end of an unanswered session of this offer comes by SIP, or has come.
    #[must_use]
    pub fn has_offer(&mut self, contact: ContactId, offer: OfferId) -> bool {
        let hunt = self.calls.get(contact).and_then(|call| call.hunt(offer));
        hunt.is_some()
    }

    /// Calls whose 2xx went to the caller a short while ago: contact, offer, agent.
    pub fn recent_answers(&self) -> Vec<(ContactId, OfferId, AgentId)> {
        self.calls.answered().collect()
    }
}
