//! Contacts about which a server is being asked (requirement D13).
//!
//! ```text
//! (arrived) ─► asking ─► typed, refused or redirected     as the server decides
//!     │           ├────► typed by the rules               it decides nothing, or failed
//!     │           └────► abandoned                        the caller gave up
//!     └──────────────────► typed by the rules              nobody is to be asked
//! ```

use super::arrive::{Came, Outcome, Refusal, clipped};
use super::{Distributor, millis};
use crate::asking::{Answer, AskFailure, Decision, Failed, ServerView};
use crate::centre::Ask;
use crate::event::What;
use crate::explain::Typed;
use crate::facts::Facts;
use crate::id::{AskId, ContactId, QueueId, RuleId};
use crate::limits::{MAX_ASKING, MAX_SHOWN_BYTES};
use crate::media::Usable;
use crate::output::{Output, RefuseReason};
use crate::snapshot::{ContactState, ContactView};
use crate::timers::Timer;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A contact that waits for an answer.
#[derive(Debug)]
pub(super) struct Asking {
    facts: Arc<Facts>,
    came: Came,
    ask: Arc<Ask>,
}

/// What becomes of a contact by what a server said, unless the rules decide.
enum Ruling {
    Typed(Outcome),
    Redirect(String),
}

impl Distributor {
    /// Asks a server about a contact that has arrived, if there is one to ask; else it is typed.
    pub(super) fn ask_or_type(
        &mut self,
        contact: ContactId,
        came: Came,
        facts: Box<Facts>,
        usable: &Usable,
    ) {
        let room = self.asking.len() < MAX_ASKING;
        let (now, unix_ms) = (self.now.mono, self.now.unix_ms);
        let calendars = self.rules.calendars();
        let mut failed = 0;
        let found = self
            .servers
            .of(&facts, usable, unix_ms, calendars, &mut failed);
        self.counters.expressions_failed += failed;
        let Some(server) = found else {
            return self.type_by_rules(contact, came, (&facts, usable));
        };
        let ask = Arc::clone(&server.declared);
        let why = match room {
            false => Some(AskFailure::TooMany),
            true if !server.may_be_asked(now) => Some(AskFailure::Paused),
            true => None,
        };
        if let Some(why) = why {
            let failed = Failed::new(why, "");
            return self.falls_back(contact, (came, &ask), (&facts, usable), &failed);
        }
        server.asked += 1;
        let facts = Arc::<Facts>::from(facts);
        self.tell(What::ContactAsking {
            contact,
            ask: ask.id.clone(),
            from: clipped(&facts.from),
            to: clipped(facts.called()),
        });
        let limit = Duration::from_millis(u64::from(ask.time_limit_ms));
        self.timers
            .set(Timer::Asked(contact), now.saturating_add(limit));
        self.out(Output::Ask {
            contact,
            ask: Arc::clone(&ask),
            facts: Arc::clone(&facts),
        });
        self.asking.insert(contact, Asking { facts, came, ask });
    }

    /// What came of a question.
    pub(super) fn answered_about(
        &mut self,
        contact: ContactId,
        answer: Result<Box<Answer>, Failed>,
    ) {
        let Some(asking) = self.asking.remove(&contact) else {
            self.counters.dropped_late_answer += 1;
            return;
        };
        self.timers.cancel(&Timer::Asked(contact));
        let Asking { facts, came, ask } = asking;
        let usable = Usable::of(&facts);
        let ruled = answer.and_then(|answer| {
            answer.check()?;
            let ruling = self.ruling(&ask.id, &usable, answer.decision.as_ref())?;
            Ok((answer, ruling))
        });
        let (answer, ruling) = match ruled {
            Ok(ruled) => ruled,
            Err(failed) => {
                return self.falls_back(contact, (came, &ask), (&facts, &usable), &failed);
            }
        };
        if let Some(server) = self.servers.get_mut(&ask.id) {
            server.answers();
            server.answered += 1;
        }
        let mut facts = Arc::unwrap_or_clone(facts);
        let added = answer.add_to(&mut facts);
        self.tell(What::ContactAsked {
            contact,
            ask: ask.id.clone(),
            took_ms: self.since_ms(came.at),
            facts: added,
            decision: answer.decision.as_ref().map(Decision::told),
            failure: None,
            detail: String::new(),
        });
        match ruling {
            None => self.type_by_rules(contact, came, (&facts, &usable)),
            Some(Ruling::Redirect(to)) => self.redirect_new(contact, came, to),
            Some(Ruling::Typed(outcome)) => {
                if let Some(agent) = answer.decision.and_then(|decision| decision.agent) {
                    facts.wanted_agent.get_or_insert(agent);
                }
                self.settle(contact, came, (&facts, &usable), outcome);
            }
        }
    }

    pub(super) fn asked_too_long(&mut self, contact: ContactId) {
        let limit = self.asking.get(&contact).map(|one| one.ask.time_limit_ms);
        if let Some(limit) = limit {
            let failed = Failed::new(AskFailure::TimeLimit, format!("{limit} ms"));
            self.answered_about(contact, Err(failed));
        }
    }

    /// The caller gave up while a server was being asked; false if none is.
    pub(super) fn cancelled_while_asking(&mut self, contact: ContactId) -> bool {
        let Some(asking) = self.asking.remove(&contact) else {
            return false;
        };
        self.timers.cancel(&Timer::Asked(contact));
        self.counters.abandoned += 1;
        self.counters.forgotten_early += self.memory.contact(contact, self.now.mono);
        self.tell(What::ContactAbandoned {
            contact,
            queue: None,
            agent: None,
            waited_ms: self.since_ms(asking.came.at),
        });
        true
    }

    /// The server that would be asked about a contact.
    pub(super) fn would_ask(&self, facts: &Facts, usable: &Usable, unix_ms: u64) -> Option<AskId> {
        let calendars = self.rules.calendars();
        let asked = self.servers.would_ask(facts, usable, unix_ms, calendars);
        asked.cloned()
    }

    /// Contacts about which a server is being asked.
    pub(super) fn asking_views(&self) -> impl Iterator<Item = ContactView> {
        self.asking.iter().map(|(id, asking)| ContactView {
            id: *id,
            state: ContactState::Asking,
            queue: None,
            call_type: String::new(),
            rule: None,
            agent: None,
            offer: None,
            waits_for: None,
            from: clipped(&asking.facts.from),
            to: clipped(asking.facts.called()),
            media: Usable::of(&asking.facts).kinds(),
            priority: 0,
            attributes: BTreeMap::new(),
            arrived_unix_ms: asking.came.unix_ms,
            answered_unix_ms: None,
        })
    }

    /// How each server did.
    pub fn servers(&self) -> Vec<ServerView> {
        let waiting = |id: &AskId| self.asking.values().filter(|one| one.ask.id == *id).count();
        let servers = self.servers.iter();
        servers
            .map(|server| server.view(waiting(&server.declared.id)))
            .collect()
    }

    /// The contact does without the answer: as the declaration says, or by the rules.
    fn falls_back(
        &mut self,
        contact: ContactId,
        (came, ask): (Came, &Ask),
        (facts, usable): (&Facts, &Usable),
        failed: &Failed,
    ) {
        let now = self.now.mono;
        if let Some(server) = self.servers.get_mut(&ask.id) {
            if failed.why == AskFailure::Invalid {
                server.answers();
            }
            server.fails(failed.why, now);
        }
        let detail = &failed.detail;
        let end = detail.floor_char_boundary(MAX_SHOWN_BYTES);
        self.tell(What::ContactAsked {
            contact,
            ask: ask.id.clone(),
            took_ms: self.since_ms(came.at),
            facts: Vec::new(),
            decision: None,
            failure: Some(failed.why),
            detail: detail.get(..end).unwrap_or_default().to_owned(),
        });
        let declared = |queue: &&QueueId| self.queue_at(queue).is_some();
        let Some(queue) = ask.on_failure.as_ref().filter(declared) else {
            return self.type_by_rules(contact, came, (facts, usable));
        };
        let because = format!(
            "{} {}; its on_failure says queue {queue}",
            ask.id,
            failed.why.text()
        );
        let typed = Typed {
            rule: RuleId::new(ask.id.as_str()),
            call_type: ask.id.to_string(),
            queue: queue.clone(),
            skills: BTreeMap::new(),
            priority: 0,
            attributes: BTreeMap::new(),
        };
        let outcome = Ok(((typed, Arc::default()), vec![because]));
        self.settle(contact, came, (facts, usable), outcome);
    }

    /// What becomes of a contact by a decision; none without one.
    fn ruling(
        &mut self,
        ask: &AskId,
        usable: &Usable,
        decision: Option<&Decision>,
    ) -> Result<Option<Ruling>, Failed> {
        let Some(decision) = decision else {
            return Ok(None);
        };
        let queues = self.queues.iter().map(|queue| &queue.declared.id);
        let agents = &self.agents;
        let knows = |agent: &_| agents.get(agent).is_some_and(|one| one.in_declaration);
        decision.check(&queues.collect::<BTreeSet<_>>(), knows)?;
        if let Some(status) = decision.refuse {
            let why = RefuseReason::ByServer;
            return Ok(Some(Ruling::Typed(Err(Refusal { why, status }))));
        }
        if let Some(to) = &decision.redirect {
            return Ok(Some(Ruling::Redirect(to.clone())));
        }
        let Some(queue) = decision.queue.clone() else {
            return Ok(None);
        };
        if !self.can_wish(&queue, &decision.skills) {
            let detail = "servers have asked for too many different skills";
            return Err(Failed::new(AskFailure::Invalid, detail));
        }
        if let Some(why) = self.cannot_type(usable) {
            return Ok(Some(Ruling::Typed(Err(why.into()))));
        }
        let name = decision.call_type.clone();
        let typed = Typed {
            rule: RuleId::new(ask.as_str()),
            call_type: name.unwrap_or_else(|| ask.to_string()),
            queue,
            skills: decision.skills.clone(),
            priority: decision.priority,
            attributes: decision.attributes.clone(),
        };
        let because = vec![format!("asked {ask}: {}", decision.told())];
        Ok(Some(Ruling::Typed(Ok(((typed, Arc::default()), because)))))
    }

    /// Tells the caller of a contact that reached no queue whom to call instead.
    fn redirect_new(&mut self, contact: ContactId, came: Came, to: String) {
        self.counters.redirected += 1;
        self.counters.forgotten_early += self.memory.contact(contact, self.now.mono);
        let uri = to.clone();
        self.out(Output::Redirect { contact, to: uri });
        self.tell(What::ContactRedirected {
            contact,
            queue: None,
            to,
            when: None,
            waited_ms: millis(self.now.mono.saturating_sub(came.at)),
        });
    }
}
