//! What the links of a centre open (requirement D15), by the very rules that type contacts.

use super::Distributor;
use super::arrive::{Outcome, Ruled};
use crate::facts::Facts;
use crate::id::MenuId;
use crate::input::Now;
use crate::media::Usable;
use crate::tier::{Link, Opens, Tier};

impl Distributor {
    /// What a contact with these facts would come to, with what it chose by its link; none if a word of that
    /// is no choice there. Changes nothing.
    pub fn tier(&mut self, facts: &Facts, now: Now) -> Option<Tier> {
        let mut facts = facts.clone();
        let ruled = self.follow_link(&mut facts, now);
        if !facts.choice.is_empty() {
            return None;
        }
        let opens = self.opens(&facts, ruled);
        let links = match &opens {
            Opens::Menu { menu, .. } => self.finer(&facts, &menu.clone(), now),
            Opens::Group { .. } | Opens::Refused { .. } => Vec::new(),
        };
        Some(Tier {
            answers: facts.answers,
            opens,
            links,
        })
    }

    /// Chooses in each menu on the way what the link says.
    pub(super) fn follow_link(&self, facts: &mut Facts, now: Now) -> Ruled {
        let usable = Usable::of(facts);
        loop {
            let ruled = self.type_contact_at(facts, &usable, now.unix_ms).0;
            let Ruled::Menu(id, rule) = ruled else {
                return ruled;
            };
            match self.chosen_by_link(facts, &id) {
                Some(answer) => facts.answers.insert(id.to_string(), answer),
                None => return Ruled::Menu(id, rule),
            };
        }
    }

    /// Takes the next word of a link, if it is one to choose here.
    pub(super) fn chosen_by_link(&self, facts: &mut Facts, menu: &MenuId) -> Option<String> {
        let menu = self.menu(menu)?;
        let word = facts.choice.first().filter(|word| menu.has(word))?.clone();
        facts.choice.remove(0);
        Some(word)
    }

    fn finer(&mut self, facts: &Facts, menu: &MenuId, now: Now) -> Vec<Link> {
        let choices = self.menu(menu).map(|menu| menu.choices.clone());
        let mut links = Vec::new();
        for choice in choices.unwrap_or_default() {
            let mut facts = facts.clone();
            let answer = choice.answer.clone();
            facts.answers.insert(menu.to_string(), answer);
            let ruled = self.follow_link(&mut facts, now);
            links.push(Link {
                key: choice.key,
                answer: choice.answer,
                title: choice.title,
                opens: self.opens(&facts, ruled),
            });
        }
        links
    }

    fn opens(&mut self, facts: &Facts, ruled: Ruled) -> Opens {
        match ruled {
            Ruled::Menu(menu, _) => {
                let about = self.menu(&menu).map(|menu| menu.title.clone());
                let about = about.unwrap_or_default();
                Opens::Menu { menu, about }
            }
            Ruled::Settled(outcome) => self.group(facts, outcome),
        }
    }

    fn group(&mut self, facts: &Facts, outcome: Outcome) -> Opens {
        let typed = match outcome {
            Ok(((typed, _), _)) => typed,
            Err(refusal) => {
                let status = refusal.status;
                return Opens::Refused { status };
            }
        };
        let slot = Usable::of(facts).slot(facts);
        let class = self.class_of(&typed.queue, &typed.skills, slot);
        let waiting = self
            .queue_at(&typed.queue)
            .and_then(|at| self.queues.get(at));
        let waiting = waiting.map_or(0, |queue| queue.places.len());
        let class = class.and_then(|class| self.classes.get(class));
        let (agents, free) = class.map_or((0, 0), |it| (it.members.len(), it.free.len()));
        let expected = class.and_then(|class| self.expected_in(class));
        Opens::Group {
            agents,
            agents_available: free,
            waiting,
            expected_wait_ms: expected.map(super::millis),
            queue: typed.queue,
            skills: typed.skills,
        }
    }
}
