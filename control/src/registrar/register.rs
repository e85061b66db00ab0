//! Answering a REGISTER (RFC 3261 section 10.3, in its order of steps).

use patchbay_sip::digest::{Algorithm, Verdict};
use patchbay_sip::{HeaderName, Message, Method, Uri};

use super::answer::Answer;
use super::binding::Binding;
use super::contact::{self, Wish, Wishes};
use super::limits::{MAX_BINDINGS_PER_AGENT, MAX_USER_AGENT};
use super::{Change, Registrar};

/// Option tags that a REGISTER may require.
const SUPPORTED: &[&str] = &["path"];

impl Registrar {
    /// Answers a REGISTER and changes the bindings accordingly.
    pub fn register(&mut self, request: &Message, unix_ms: u64) -> Answer {
        let answer = match self.try_register(request, unix_ms) {
            Ok(answer) | Err(answer) => answer,
        };
        answer.with(HeaderName::Supported, "path")
    }

    fn try_register(&mut self, request: &Message, unix_ms: u64) -> Result<Answer, Answer> {
        unsupported(request)?;
        // What could not be done whoever asks is said before anybody is asked to prove who it is.
        request
            .contacts()
            .map_err(|_| Answer::new(400, "Bad Contact"))?;
        let user = self.authenticate(request, unix_ms)?;
        let agent = aor(request)?;
        if agent != user {
            return Err(Answer::new(403, "Not Your Address"));
        }
        let path = contact::path(request)?;
        match contact::wishes(request)? {
            Wishes::Query => {}
            Wishes::RemoveAll => self.remove_all(&agent, request)?,
            Wishes::Set(wishes) => {
                let bindings = self.bindings_for(&agent, wishes, &path, request, unix_ms)?;
                self.apply(bindings, unix_ms);
            }
        }
        Ok(self.listing(&agent, &path, unix_ms))
    }

    /// The user that proved to know its password. A user is offered the algorithms of its own, and
    /// may answer in no other.
    fn authenticate(&mut self, request: &Message, unix_ms: u64) -> Result<String, Answer> {
        let now_unix = unix_ms / 1000;
        let mut stale = false;
        let accounts = &self.accounts;
        let decoy = &self.decoy;
        for credentials in request.headers.all(HeaderName::Authorization) {
            // An unknown user is checked against a password that nobody has, so that neither
            // the answer nor its time tells whether the user exists.
            let ha1 = |user: &str, algorithm: Algorithm| {
                let proof = accounts.get(user).and_then(|known| known.proof.as_ref());
                proof.unwrap_or(decoy).hash(algorithm)
            };
            match self
                .authority
                .verify(credentials, &Method::Register, ha1, now_unix)
            {
                Verdict::Accepted { user, .. } if accounts.contains_key(&user) => return Ok(user),
                Verdict::Stale => stale = true,
                _ => self.counters.refused += 1,
            }
        }
        Err(self.challenge(request, now_unix, stale))
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
        let contacts: Vec<String> = bindings.iter().map(|b| b.contact.clone()).collect();
        for contact in contacts {
            self.remove(agent, &contact);
        }
        Ok(())
    }

    /// Step 7: all bindings of the request or none are set, so they are checked first.
    fn bindings_for(
        &self,
        agent: &str,
        wishes: Vec<Wish>,
        path: &[String],
        request: &Message,
        unix_ms: u64,
    ) -> Result<Vec<Binding>, Answer> {
        let (call_id, cseq) = order(request)?;
        let user_agent = request.headers.get(HeaderName::UserAgent);
        let user_agent =
            user_agent.map(|text| text.chars().take(MAX_USER_AGENT).collect::<String>());
        let current = self.table.of(agent);
        let mut count = current.len();
        let mut bindings = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let known = current
                .iter()
                .find(|b| same_contact(&b.contact, &wish.contact));
            if known.is_some_and(|b| b.call_id == call_id && b.cseq >= cseq) {
                return Err(Answer::new(500, "CSeq Out Of Order"));
            }
            match (known.is_some(), wish.expires_s) {
                (false, 0) => continue,
                (false, _) => count += 1,
                (true, 0) => count -= 1,
                (true, _) => {}
            }
            bindings.push(Binding {
                agent: agent.to_owned(),
                // An equivalent URI replaces the binding under the name that it has.
                contact: known.map_or(wish.contact, |b| b.contact.clone()),
                path: path.to_vec(),
                call_id: call_id.clone(),
                cseq,
                q_milli: wish.q_milli,
                user_agent: user_agent.clone(),
                updated_unix_ms: unix_ms,
                expires_unix_ms: unix_ms.saturating_add(wish.expires_s * 1000),
            });
        }
        if count > MAX_BINDINGS_PER_AGENT || (count > 0 && self.table.full_for(agent)) {
            return Err(Answer::new(403, "Too Many Bindings"));
        }
        Ok(bindings)
    }

    fn apply(&mut self, bindings: Vec<Binding>, unix_ms: u64) {
        for binding in bindings {
            if binding.expires_unix_ms <= unix_ms {
                self.remove(&binding.agent, &binding.contact);
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

    /// Step 8: the answer lists every binding with the time that it has left.
    fn listing(&self, agent: &str, path: &[String], unix_ms: u64) -> Answer {
        let mut answer = Answer::new(200, "OK");
        for value in path {
            answer = answer.with(HeaderName::Path, value.as_str());
        }
        for binding in self.table.of(agent) {
            let left = binding
                .expires_unix_ms
                .saturating_sub(unix_ms)
                .div_ceil(1000);
            let mut value = format!("<{}>;expires={left}", binding.contact);
            if binding.q_milli < 1000 {
                value.push_str(&format!(";q=0.{:03}", binding.q_milli));
            }
            answer = answer.with(HeaderName::Contact, value);
        }
        answer
    }
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
