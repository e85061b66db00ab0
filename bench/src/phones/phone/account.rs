//! Registration (RFC 3261 section 10) and the answers to digest challenges (RFC 8760).

use std::time::{Duration, Instant};

use patchbay_sip::digest::{self, Challenge};
use patchbay_sip::transaction::ClientKey;
use patchbay_sip::{HeaderName, Message, Method};

use super::{Draws, Phone, PhoneEvent, RequestHead, Timer};

/// Time until a failed registration is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Challenges in a row after which the registrar does not like the password.
const MAX_CHALLENGES: u8 = 3;

/// The state of a phone's registration.
#[derive(Debug)]
pub(super) struct Account {
    call_id: String,
    tag: String,
    cseq: u32,
    pub client: Option<ClientKey>,
    /// Wanted seconds; 0 while it unregisters; `None` if nobody asked.
    wanted_s: Option<u32>,
    challenges: u8,
    /// What an unanswered challenge asks of the next REGISTER: header name and value.
    credentials: Option<(HeaderName, Challenge)>,
    nonce_count: u32,
}

impl Account {
    pub fn new(draws: &mut Draws) -> Self {
        Self {
            call_id: draws.word(),
            tag: draws.word(),
            cseq: 0,
            client: None,
            wanted_s: None,
            challenges: 0,
            credentials: None,
            nonce_count: 0,
        }
    }
}

/// The first challenge of an answer that this phone can meet, and the header for its answer.
pub(super) fn challenge_of(response: &Message) -> Option<(HeaderName, Challenge)> {
    let (asked, answered) = match response.status()? {
        401 => (HeaderName::WwwAuthenticate, HeaderName::Authorization),
        407 => (
            HeaderName::ProxyAuthenticate,
            HeaderName::ProxyAuthorization,
        ),
        _ => return None,
    };
    let mut challenges = response.headers.all(asked);
    let challenge = challenges.find_map(|value| Challenge::parse(value).ok())?;
    Some((answered, challenge))
}

impl Phone {
    /// Registers, and keeps registered until [`Phone::unregister`].
    pub fn register(&mut self, now: Instant) {
        self.account.wanted_s = Some(self.config.expires_s);
        self.account.challenges = 0;
        self.refresh(now);
        self.work(now);
    }

    /// Removes the binding.
    pub fn unregister(&mut self, now: Instant) {
        self.account.wanted_s = Some(0);
        self.account.challenges = 0;
        self.refresh(now);
        self.work(now);
    }

    /// Sends a REGISTER, unless one is on its way.
    pub(super) fn refresh(&mut self, now: Instant) {
        let Some(expires_s) = self.account.wanted_s else {
            return;
        };
        if self.account.client.is_some() {
            return;
        }
        self.account.cseq += 1;
        let registrar = format!("sip:{}", self.config.domain);
        let address = self.address();
        let head = RequestHead {
            from: &address,
            tag: &self.account.tag,
            to: &address,
            call_id: &self.account.call_id,
            cseq: self.account.cseq,
        };
        let mut request = self.new_request(Method::Register, &registrar, &head);
        request
            .headers
            .push(HeaderName::Expires, expires_s.to_string());
        request.headers.push(HeaderName::Supported, "path");
        if let Some((name, challenge)) = self.account.credentials.take() {
            self.account.nonce_count += 1;
            let count = self.account.nonce_count;
            if let Some(value) = self.credentials(&challenge, &Method::Register, &registrar, count)
            {
                request.headers.push(name.clone(), value);
            }
            self.account.credentials = Some((name, challenge));
        }
        let flow = self.flow_to(self.config.proxy);
        match self.send(request, flow, now) {
            Ok(client) => self.account.client = Some(client),
            Err(_) => self.registrar_silent(now),
        }
    }

    /// The value of Authorization for a challenge; `None` without a password.
    pub(super) fn credentials(
        &mut self,
        challenge: &Challenge,
        method: &Method,
        uri: &str,
        count: u32,
    ) -> Option<String> {
        let cnonce = self.draws.word();
        let password = self.config.password.as_deref()?;
        let user = &self.config.user;
        Some(digest::answer(
            challenge, method, uri, user, password, &cnonce, count,
        ))
    }

    pub(super) fn registrar_answered(&mut self, response: &Message, now: Instant) {
        let status = response.status().unwrap_or(0);
        if status < 200 {
            return;
        }
        self.account.client = None;
        match status {
            200..300 => self.registered(response, now),
            401 | 407 => self.challenged(response, now),
            423 => {
                let least = response.headers.get(HeaderName::MinExpires);
                let least = least.and_then(|value| value.trim().parse().ok());
                self.account.wanted_s = least.or(self.account.wanted_s);
                self.refresh(now);
            }
            _ => self.register_failed(Some(status), now),
        }
    }

    fn challenged(&mut self, response: &Message, now: Instant) {
        self.account.challenges += 1;
        let challenge = challenge_of(response);
        let hopeless = challenge.is_none() || self.config.password.is_none();
        if hopeless || self.account.challenges > MAX_CHALLENGES {
            self.account.credentials = None;
            self.account.challenges = 0;
            self.register_failed(response.status(), now);
            return;
        }
        self.account.nonce_count = 0;
        self.account.credentials = challenge;
        self.refresh(now);
    }

    fn registered(&mut self, response: &Message, now: Instant) {
        self.account.challenges = 0;
        if self.account.wanted_s == Some(0) {
            self.account.wanted_s = None;
            self.tell(PhoneEvent::Unregistered);
            return;
        }
        let expires_s = self.granted(response);
        self.tell(PhoneEvent::Registered { expires_s });
        // Refreshed at nine tenths, so that a lost packet or two do not end the binding.
        let refresh = Duration::from_secs(u64::from(expires_s)) * 9 / 10;
        self.at(now + refresh.max(Duration::from_secs(1)), Timer::Refresh);
    }

    /// For how long the registrar keeps our contact: its `expires`, else Expires, else what we
    /// asked for.
    fn granted(&self, response: &Message) -> u32 {
        let contacts = response.contacts().ok();
        let own = contacts.as_ref().and_then(|contacts| {
            contacts.list().iter().find(|contact| {
                contact.uri.user.as_deref() == Some(&*patchbay_sip::uri::escape(&self.config.user))
                    && contact.uri.port == Some(self.config.local.port())
            })
        });
        let param = own.and_then(|contact| contact.params.value("expires"));
        param
            .or_else(|| response.headers.get(HeaderName::Expires))
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(self.config.expires_s)
    }

    /// No answer came.
    pub(super) fn registrar_silent(&mut self, now: Instant) {
        self.account.client = None;
        self.register_failed(None, now);
    }

    fn register_failed(&mut self, status: Option<u16>, now: Instant) {
        self.tell(PhoneEvent::RegisterFailed { status });
        if self.account.wanted_s != Some(0) {
            self.at(now + RETRY, Timer::Refresh);
        }
    }
}
