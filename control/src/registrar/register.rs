//! Answering a REGISTER (RFC 3261 section 10.3, in its order of steps).

use patchbay_sip::digest::{Algorithm, Credentials, Refusal, Verdict};
use patchbay_sip::{HeaderName, Message, Method, NameAddr, Uri};

use super::answer::Answer;
use super::binding::Binding;
use super::contact::{self, Wish, Wishes};
use super::guard::{self, Held};
use super::limits::{MAX_BINDINGS_PER_AGENT, MAX_USER_AGENT};
use super::outbound::{self, OUTBOUND};
use super::{Change, Names, Origin, Registrar};

/// Option tags that a REGISTER may require.
const SUPPORTED: &[&str] = &["path", OUTBOUND, GRUU];

/// The same as a header's value.
const SUPPORTED_WORDS: &str = "path, outbound, gruu";

/// The option tag of RFC 5627.
const GRUU: &str = "gruu";

impl Registrar {
    /// Answers a REGISTER and changes the bindings accordingly.
    pub fn register(&mut self, request: &Message, origin: Origin<'_>, unix_ms: u64) -> Answer {
        let answer = match self.try_register(request, origin, unix_ms) {
            Ok(answer) | Err(answer) => answer,
        };
        self.counters.first_hop += u64::from(answer.status == 439);
        answer.with(HeaderName::Supported, SUPPORTED_WORDS)
    }

    fn try_register(
        &mut self,
        request: &Message,
        origin: Origin<'_>,
        unix_ms: u64,
    ) -> Result<Answer, Answer> {
        unsupported(request)?;
        // What could not be done whoever asks is said before anybody is asked to prove who it is.
        request
            .contacts()
            .map_err(|_| Answer::new(400, "Bad Contact"))?;
        let user = self.authenticate(request, origin, unix_ms)?;
        let agent = aor(request)?;
        if agent != user {
            return Err(Answer::new(403, "Not Your Address"));
        }
        let path = contact::path(request)?;
        let mut by_flow = false;
        match contact::wishes(request, &self.config.expiry)? {
            Wishes::Query => {}
            Wishes::RemoveAll => self.remove_all(&agent, request)?,
            Wishes::Set(wishes) => {
                by_flow = wishes.iter().any(|wish| wish.flow().is_some());
                let asked = Asked {
                    request,
                    path: &path,
                    origin,
                    unix_ms,
                };
                let bindings = self.bindings_for(&agent, wishes, &asked)?;
                self.apply(bindings, unix_ms);
            }
        }
        let mut answer = self.listing(&agent, request, &path, unix_ms);
        if by_flow {
            self.counters.by_flow += 1;
            // RFC 5626 section 6: so that the phone knows that its flow is used.
            let seconds = outbound::flow_timer_s(origin.transport);
            answer = answer
                .with(HeaderName::Require, OUTBOUND)
                .with(HeaderName::FlowTimer, seconds.to_string());
        }
        Ok(answer)
    }

    /// The user that proved to know its password. A user is offered the algorithms of its own, and
    /// may answer in no other.
    fn authenticate(
        &mut self,
        request: &Message,
        origin: Origin<'_>,
        unix_ms: u64,
    ) -> Result<String, Answer> {
        let now_unix = unix_ms / 1000;
        let source = guard::network(origin.address);
        self.authority.set_peer(source);
        let mut stale = false;
        for text in request.headers.all(HeaderName::Authorization) {
            let Some(claimed) = self.claimed(text) else {
                self.counters.refused += 1;
                continue;
            };
            // Before the password is looked at, so that the answer tells nothing of it.
            self.guard
                .admit(&claimed, source, now_unix)
                .map_err(|held| self.slowed(held))?;
            let accounts = &self.accounts;
            let decoy = &self.decoy;
            // An unknown user is checked against a password that nobody has, so that neither
            // the answer nor its time tells whether the user exists.
            let ha1 = |user: &str, algorithm: Algorithm| {
                let proof = accounts.get(user).and_then(|known| known.proof.as_ref());
                proof.unwrap_or(decoy).hash(algorithm)
            };
            let verdict = self
                .authority
                .verify(text, &Method::Register, ha1, now_unix);
            match verdict {
                Verdict::Accepted { user, .. } if self.accounts.contains_key(&user) => {
                    self.guard.succeeded(&user, source, now_unix);
                    return Ok(user);
                }
                Verdict::Stale => stale = true,
                Verdict::Refused(Refusal::WrongPassword | Refusal::UnknownUser) => {
                    self.counters.refused += 1;
                    self.guard.failed(&claimed, source, now_unix);
                }
                // A nonce of another process or peer was no guess: its password was not looked at.
                _ => self.counters.refused += 1,
            }
        }
        self.counters.stale += u64::from(stale);
        Err(self.challenge(request, now_unix, stale))
    }

    /// The user that credentials for our realm name.
    fn claimed(&self, credentials: &str) -> Option<String> {
        let credentials = Credentials::parse(credentials).ok()?;
        (credentials.realm == self.config.realm).then_some(credentials.username)
    }

    /// 503, because it is over after Retry-After (RFC 3261 section 21.5.4); after a 403 a phone whose
    /// password was set right meanwhile would not come back.
    fn slowed(&mut self, (by, seconds): (Held, u64)) -> Answer {
        match by {
            Held::Source => self.counters.slowed_source += 1,
            Held::Account => self.counters.slowed_account += 1,
        }
        Answer::new(503, "Too Many Failures").with(HeaderName::RetryAfter, seconds.to_string())
    }

    /// A 401 with the algorithms of the agent that the address of record names, since nobody else
    /// may change its bindings. A user who does not exist is offered those of the node.
    fn challenge(&mut self, request: &Message, now_unix: u64, stale: bool) -> Answer {
        self.counters.challenged += 1;
        let agent = aor(request).ok();
        let known = agent.and_then(|agent| self.accounts.get(&agent));
        let proof = known.and_then(|known| known.proof.as_ref());
        let offered = proof.unwrap_or(&self.decoy).offered();
        let challenges = self.authority.challenges(&offered, now_unix, stale);
        challenges
            .iter()
            .fold(Answer::new(401, "Unauthorized"), |answer, challenge| {
                answer.with(HeaderName::WwwAuthenticate, challenge.to_header())
            })
    }

    /// RFC 3261 section 10.3 step 6: a star removes all, unless a binding is newer.
    fn remove_all(&mut self, agent: &str, request: &Message) -> Result<(), Answer> {
        let (call_id, cseq) = order(request)?;
        let bindings = self.table.of(agent);
        if bindings
            .iter()
            .any(|b| b.call_id == call_id && b.cseq >= cseq)
        {
            return Err(Answer::new(500, "CSeq Out Of Order"));
        }
        let keys: Vec<String> = bindings.iter().map(Binding::key).collect();
        for key in keys {
            self.remove(agent, &key);
        }
        Ok(())
    }

    /// Step 7: all bindings of the request or none are set, so they are checked first.
    fn bindings_for(
        &self,
        agent: &str,
        wishes: Vec<Wish>,
        asked: &Asked<'_>,
    ) -> Result<Vec<Binding>, Answer> {
        let (call_id, cseq) = order(asked.request)?;
        let current = self.table.of(agent);
        let mut count = current.len();
        let mut bindings = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let known = current.iter().find(|b| is_meant(b, &wish));
            if known.is_some_and(|b| b.call_id == call_id && b.cseq >= cseq) {
                return Err(Answer::new(500, "CSeq Out Of Order"));
            }
            match (known.is_some(), wish.expires_s) {
                (false, 0) => continue,
                (false, _) => count += 1,
                (true, 0) => count -= 1,
                (true, _) => {}
            }
            bindings.push(asked.binding(agent, &self.names, wish, known));
        }
        if count > MAX_BINDINGS_PER_AGENT || (count > 0 && self.table.full_for(agent)) {
            return Err(Answer::new(403, "Too Many Bindings"));
        }
        Ok(bindings)
    }

    fn apply(&mut self, bindings: Vec<Binding>, unix_ms: u64) {
        for binding in bindings {
            if binding.expires_unix_ms <= unix_ms {
                self.remove(&binding.agent, &binding.key());
                continue;
            }
            let before = self.reachable(&binding.agent);
            let agent = binding.agent.clone();
            self.table.put(binding.clone());
            self.counters.saved += 1;
            self.changes.push_back(Change::Saved(binding));
            self.tell_reachable(&agent, before);
        }
    }

    /// Step 8: the answer lists every binding with the time that it has left. Service-Route leads
    /// the phone's own requests through the edge that it registered by (RFC 3608 section 6.2).
    fn listing(&mut self, agent: &str, request: &Message, path: &[String], unix_ms: u64) -> Answer {
        let mut answer = Answer::new(200, "OK");
        for value in path {
            answer = answer.with(HeaderName::Path, value.as_str());
        }
        if let Some(edge) = path.first().and_then(|first| service_route(first)) {
            answer = answer.with(HeaderName::ServiceRoute, edge);
        }
        let aor = request.to().ok().map(|to| to.uri);
        let gruu = request.headers.lists(HeaderName::Supported, GRUU);
        for binding in self.table.of(agent) {
            let mut value = contact_value(binding, unix_ms);
            if let (Some(aor), Some(instance), true) = (&aor, &binding.instance, gruu) {
                let public = Names::public(aor, instance);
                let temporary = self.names.temporary(aor, binding);
                self.counters.gruus += 2;
                value.push_str(&format!(";pub-gruu=\"{public}\";temp-gruu=\"{temporary}\""));
            }
            answer = answer.with(HeaderName::Contact, value);
        }
        answer
    }
}

/// What a REGISTER says of all its Contacts.
struct Asked<'a> {
    request: &'a Message,
    path: &'a [String],
    origin: Origin<'a>,
    unix_ms: u64,
}

impl Asked<'_> {
    fn binding(&self, agent: &str, names: &Names, wish: Wish, known: Option<&Binding>) -> Binding {
        let headers = &self.request.headers;
        let user_agent = headers.get(HeaderName::UserAgent);
        let user_agent = user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect());
        // An equivalent URI replaces the binding under the name that it has; of a flow the Contact
        // may change.
        let kept = known.filter(|_| wish.flow().is_none());
        let (call_id, cseq) = order(self.request).unwrap_or_default();
        let wants_gruu = headers.lists(HeaderName::Supported, GRUU);
        let named = wish.instance.as_deref().filter(|_| wants_gruu);
        let gruu = named.map(|instance| names.number(agent, instance, &call_id));
        Binding {
            agent: agent.to_owned(),
            contact: kept.map_or(wish.contact, |b| b.contact.clone()),
            path: self.path.to_vec(),
            call_id,
            cseq,
            q_milli: wish.q_milli,
            user_agent,
            updated_unix_ms: self.unix_ms,
            expires_unix_ms: self.unix_ms.saturating_add(wish.expires_s * 1000),
            gruu,
            instance: wish.instance,
            reg_id: wish.reg_id,
            source: self.origin.address,
        }
    }
}

/// Whether a wish is for this binding: of a flow by instance and flow (RFC 5626 section 6), else by
/// the Contact URI.
fn is_meant(binding: &Binding, wish: &Wish) -> bool {
    match wish.flow() {
        Some((instance, reg_id)) => {
            binding.instance.as_deref() == Some(instance) && binding.reg_id == Some(reg_id)
        }
        None => binding.reg_id.is_none() && same_contact(&binding.contact, &wish.contact),
    }
}

fn contact_value(binding: &Binding, unix_ms: u64) -> String {
    let left = binding.expires_unix_ms.saturating_sub(unix_ms);
    let mut value = format!("<{}>;expires={}", binding.contact, left.div_ceil(1000));
    if binding.q_milli < 1000 {
        value.push_str(&format!(";q=0.{:03}", binding.q_milli));
    }
    if let Some(instance) = &binding.instance {
        value.push_str(&format!(";+sip.instance=\"<{instance}>\""));
    }
    if let Some(reg_id) = binding.reg_id {
        value.push_str(&format!(";reg-id={reg_id}"));
    }
    value
}

/// The edge that added this Path, as a loose route without the token of a flow.
fn service_route(path: &str) -> Option<String> {
    let mut edge = NameAddr::parse(path).ok()?.uri;
    edge.user = None;
    edge.params.remove("ob");
    edge.params.set_flag("lr");
    Some(format!("<{edge}>"))
}

fn unsupported(request: &Message) -> Result<(), Answer> {
    let unknown: Vec<&str> = request
        .headers
        .all_split(HeaderName::Require)
        .map(str::trim)
        .filter(|tag| !tag.is_empty() && !SUPPORTED.iter().any(|s| s.eq_ignore_ascii_case(tag)))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Answer::new(420, "Bad Extension").with(HeaderName::Unsupported, unknown.join(", ")))
}

/// The agent that the address of record (To) names.
fn aor(request: &Message) -> Result<String, Answer> {
    let to = request.to().map_err(|_| Answer::new(400, "Bad To"))?;
    to.uri
        .user_unescaped()
        .ok_or(Answer::new(404, "No Such Address"))
}

fn order(request: &Message) -> Result<(String, u32), Answer> {
    let call_id = request
        .call_id()
        .map_err(|_| Answer::new(400, "Bad Call-ID"))?;
    let cseq = request.cseq().map_err(|_| Answer::new(400, "Bad CSeq"))?;
    Ok((call_id.to_owned(), cseq.number))
}

/// Contacts are compared as URIs (RFC 3261 section 10.3 step 7).
fn same_contact(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (Uri::parse(a), Uri::parse(b)) {
        (Ok(a), Ok(b)) => a.equivalent(&b),
        _ => false,
    }
}
