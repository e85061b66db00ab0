//! What happens to the simulated centre, step by step.

use super::relay::Effects;
use super::{Step, World, centres};
use patchbay_core::asking::{Answer, AskFailure, Decision, Failed};
use patchbay_core::{ContactId, Earlier, Facts, Input, Medium, Status};

impl World {
    pub(super) fn happen(&mut self, step: Step) {
        match step {
            Step::Call => self.call(),
            Step::GiveUp(contact) => {
                // Some of those who have their answer, too: a CANCEL that crossed it.
                if self.oracle.hangs_up_away(contact) {
                    return;
                }
                let waits = self.oracle.model.contacts.contains_key(&contact);
                if waits || self.rng.percent(20) {
                    self.tell(Input::ContactCancelled { contact });
                }
            }
            Step::ComesAgain(contact, epoch) => self.comes_again(contact, epoch),
            Step::Earlier(contact) => {
                let contacts = self.rng.range(0, 2) as u32;
                let earlier = self.rng.percent(90).then(|| Earlier {
                    contacts,
                    ..Earlier::default()
                });
                self.tell(Input::EarlierFound { contact, earlier });
            }
            Step::Answer(contact) => self.answer_about(contact),
            Step::Written(contact, epoch) => {
                if epoch == self.epoch {
                    self.tell(Input::CallBackWritten { contact });
                }
            }
            Step::Withdraw(contact) => self.tell(Input::CallBackWithdrawn { contact }),
            Step::Press(contact, key) => self.tell(Input::ContactPressed { contact, key }),
            Step::ToRelay(message) => {
                let effects = self.relay.receive(message, self.now_ms, &mut self.rng);
                self.spread(effects);
            }
            Step::AtRelay(later) => {
                let effects = self.relay.later(later, self.now_ms, &mut self.rng);
                self.spread(effects);
            }
            Step::ToControl(message) => self.hear(message),
            Step::NoResponse(offer, epoch) if epoch == self.epoch => self.no_response(offer),
            Step::CancelUnanswered(offer, epoch) if epoch == self.epoch => {
                self.cancel_unanswered(offer);
            }
            Step::NoResponse(..) | Step::CancelUnanswered(..) => {}
            Step::Relist(epoch) => {
                if epoch == self.epoch {
                    self.ask_for_list();
                }
            }
            Step::Disturb => self.disturb(),
            Step::Work(agent, work) => self.work(agent, work),
            Step::Asker(what) => self.asker(what),
            Step::Site(what) => self.site(what),
        }
    }

    fn spread(&mut self, effects: Effects) {
        for message in effects.up {
            let list = matches!(message, super::Up::Sessions { .. });
            self.network(|| Step::ToControl(message.clone()), !list);
        }
        for (delay, later) in effects.later {
            self.after(delay, Step::AtRelay(later));
        }
    }

    fn call(&mut self) {
        let contact = self.contacts.contact(self.now().unix_ms);
        let day = self.profile.day;
        let facts = Box::new(match day {
            Some(_) => self.facts_of_day(),
            None => self.facts(),
        });
        self.tally.calls += 1;
        self.calls_left -= 1;
        let arrives = self.arrives(contact, facts);
        self.tell(arrives.clone());
        if self.rng.percent(self.profile.double) {
            self.tell(arrives);
        }
        let patience = match day {
            Some(_) => self.patience_of_day(),
            None if self.rng.percent(30) => self.rng.range(1, 20_000),
            None => self.rng.range(20_000, 400_000),
        };
        self.after(patience, Step::GiveUp(contact));
        let pause = match day {
            Some(day) => self.next_of_day(day),
            None => Some(self.rng.range(0, 2 * self.profile.between_ms)),
        };
        match pause.filter(|_| self.calls_left > 0) {
            Some(pause) => self.after(pause, Step::Call),
            None => self.calls_left = 0,
        }
    }

    /// A server answers well, badly, or with a decision.
    fn answer_about(&mut self, contact: ContactId) {
        let decision = |decision| Answer {
            decision: Some(decision),
            ..Answer::default()
        };
        let queue = |name: &str| Some(name.into());
        let answer = match self.rng.range(0, 9) {
            0 => Err(Failed::new(AskFailure::Unreachable, "")),
            1 => Ok(decision(Decision {
                refuse: Some(603),
                ..Decision::default()
            })),
            2 => Ok(decision(Decision {
                redirect: Some("sip:elsewhere@example.net".into()),
                ..Decision::default()
            })),
            3 => Ok(decision(Decision {
                queue: queue("vip"),
                agent: Some(self.rng.pick(&self.staff).clone()),
                ..Decision::default()
            })),
            4..8 => Ok(decision(Decision {
                queue: queue("sales"),
                skills: [("billing".into(), self.rng.range(1, 4) as u8)].into(),
                priority: *self.rng.pick(&[0, 5]),
                ..Decision::default()
            })),
            _ => Ok(Answer::default()),
        };
        let answer = answer.map(Box::new);
        self.tell(Input::ContactAsked { contact, answer });
    }

    /// By SIP, or from outside.
    fn arrives(&mut self, contact: ContactId, mut facts: Box<Facts>) -> Input {
        let Some(slot) = self.comes_from_outside() else {
            self.invites(contact, &facts);
            return Input::ContactArrived { contact, facts };
        };
        facts.medium = Some(slot);
        self.wishes(&mut facts);
        self.begins_to_ask(contact);
        Input::ContactRequested { contact, facts }
    }

    fn facts(&mut self) -> Facts {
        let called = ["sales", "deutsch", "vip", "support", "nobody"];
        let last = 4 + usize::from(self.rng.percent(5));
        let user = *self.rng.pick(&called[..last]);
        let codec = if self.rng.percent(2) {
            "x-none"
        } else {
            "PCMU"
        };
        let one = self.rng.percent(3);
        Facts {
            request_uri: format!("sip:{user}@centre.example"),
            to: format!("sip:{user}@centre.example"),
            from: format!("sip:caller{}@example.net", self.rng.range(0, 20)),
            wanted_agent: one.then(|| self.rng.pick(&self.staff).clone()),
            media: vec![Medium {
                kind: "audio".into(),
                port: 4_000,
                protocol: "RTP/AVP".into(),
                codecs: vec![codec.into()],
            }],
            ..Facts::default()
        }
    }

    fn disturb(&mut self) {
        if self.calls_left == 0 {
            return;
        }
        match self.rng.range(0, 99) {
            _ if self.profile.day.is_some() => self.disturb_day(),
            0..2 => {
                self.tally.restarts += 1;
                self.start_control();
            }
            2..5 => self.crash_relay(),
            5..12 => {
                self.centre = centres::any(&mut self.rng);
                self.configure();
            }
            12..15 => self.configure(),
            15..40 => self.change_registration(),
            _ => self.change_status(),
        }
        let pause = self.rng.range(1, 2 * self.profile.disturbed_every_ms);
        self.after(pause, Step::Disturb);
    }

    pub(super) fn crash_relay(&mut self) {
        self.relay.crash();
        self.connection_lost();
        let soon = self.rng.range(0, 1_500);
        self.after(soon, Step::Relist(self.epoch));
    }

    fn change_registration(&mut self) {
        let agent = self.rng.pick(&self.staff).clone();
        let reachable = self.rng.percent(75);
        self.relay.registered.insert(agent.clone(), reachable);
        self.tell(Input::AgentReachable { agent, reachable });
    }

    fn change_status(&mut self) {
        let agent = self.rng.pick(&self.staff).clone();
        let status = match self.rng.range(0, 9) {
            0 | 1 => Status::Paused {
                reason: "coffee".into(),
            },
            2 => Status::LoggedOut,
            _ => Status::Ready,
        };
        self.tell(Input::AgentStatus { agent, status });
    }
}
