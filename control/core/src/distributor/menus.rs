//! Callers who choose from a menu (requirement D15): what they chose is a fact, and the rules look at them
//! once more.
//!
//! ```text
//! (arrived) ─► typed by the rules ─► in a menu ─► typed by the rules ─► …
//!                                       ├──► refused     nothing was chosen, and nothing counts as chosen
//!                                       └──► abandoned   the caller gave up
//! ```

use super::arrive::{Came, clipped};
use super::untyped::view;
use super::{Distributor, seconds};
use crate::centre::Menu;
use crate::contact::Way;
use crate::event::What;
use crate::facts::Facts;
use crate::id::{ContactId, MenuId, RuleId};
use crate::limits::MENU_BEGINS;
use crate::media::Usable;
use crate::output::{Output, RefuseReason};
use crate::snapshot::{ContactState, ContactView};
use crate::timers::Timer;
use patchbay_route::waiting::{Part, Say};

/// A contact whose caller chooses.
#[derive(Debug)]
pub(super) struct Choosing {
    facts: Box<Facts>,
    came: Came,
    menu: MenuId,
    /// How many times it was said what there is.
    said: u32,
}

impl Distributor {
    /// A rule lets the caller choose. Who cannot hear it has chosen what the menu says of that.
    pub(super) fn enters_menu(
        &mut self,
        contact: ContactId,
        mut came: Came,
        (facts, usable): (&Facts, &Usable),
        (menu, rule): (MenuId, RuleId),
    ) {
        self.tell(What::ContactInMenu {
            contact,
            menu: menu.clone(),
            rule,
            from: clipped(&facts.from),
            to: clipped(facts.called()),
        });
        let mut facts = Box::new(facts.clone());
        let by_link = self.chosen_by_link(&mut facts, &menu);
        let audible = usable
            .media
            .iter()
            .any(|one| one.kind.eq_ignore_ascii_case("audio"));
        let heard = came.way != Way::Outside && audible && by_link.is_none();
        let declared = self.menu(&menu).cloned();
        if let (true, Some(declared)) = (heard, &declared) {
            self.lets_hear_menu(contact, &mut came, declared);
        }
        let choosing = Choosing {
            facts,
            came,
            menu,
            said: 0,
        };
        self.choosing.insert(contact, choosing);
        match by_link {
            Some(answer) => self.chose(contact, None, answer),
            None if heard && declared.is_some() => {
                let due = self.now.mono.saturating_add(MENU_BEGINS);
                self.timers.set(Timer::Announce(contact), due);
            }
            None => self.chose_nothing(contact),
        }
    }

    fn lets_hear_menu(&mut self, contact: ContactId, came: &mut Came, menu: &Menu) {
        let (music, language) = (menu.music.clone(), menu.language.clone());
        if core::mem::replace(&mut came.hears, true) {
            let say = Say {
                parts: Vec::new(),
                music: Some(music),
                language: Some(language),
            };
            return self.out(Output::Say { contact, say });
        }
        came.picked_up = menu.answer;
        self.out(Output::Hear {
            contact,
            music,
            language,
            answer: menu.answer,
        });
    }

    pub(super) fn menu(&self, id: &MenuId) -> Option<&Menu> {
        let menus = &self.centre.as_ref()?.menus;
        menus.iter().find(|menu| menu.id == *id)
    }

    /// Says what there is to choose, or has said it often enough. False if the contact is in no menu.
    pub(super) fn says_menu(&mut self, contact: ContactId) -> bool {
        let Some(choosing) = self.choosing.get_mut(&contact) else {
            return false;
        };
        choosing.said += 1;
        let (said, menu) = (choosing.said, choosing.menu.clone());
        let declared = self.menu(&menu).filter(|menu| said <= menu.times);
        let Some((parts, wait)) = declared.map(|menu| (menu.say.clone(), menu.seconds)) else {
            self.chose_nothing(contact);
            return true;
        };
        let say = Say {
            parts: parts.into_iter().map(Part::Recording).collect(),
            ..Say::default()
        };
        self.out(Output::Say { contact, say });
        let due = self.now.mono.saturating_add(seconds(wait));
        self.timers.set(Timer::Announce(contact), due);
        true
    }

    /// A caller in a menu has pressed a key; one that stands for nothing changes nothing. False if the contact
    /// is in no menu.
    pub(super) fn chooses(&mut self, contact: ContactId, key: char) -> bool {
        let Some(menu) = self.choosing.get(&contact).map(|one| one.menu.clone()) else {
            return false;
        };
        let declared = self.menu(&menu);
        if let Some(menu) = declared.filter(|menu| menu.repeat == Some(key)) {
            self.begins_anew(contact, menu.music.clone());
            return true;
        }
        let choice = declared.and_then(|menu| menu.chosen_by(key));
        match choice.map(|choice| choice.answer.clone()) {
            Some(answer) => self.chose(contact, Some(key), answer),
            None => self.counters.keys_for_nothing += 1,
        }
        true
    }

    /// The caller wants to hear what there is once more, at once and as if for the first time.
    fn begins_anew(&mut self, contact: ContactId, music: String) {
        if let Some(choosing) = self.choosing.get_mut(&contact) {
            choosing.said = 0;
        }
        let say = Say {
            music: Some(music),
            ..Say::default()
        };
        self.out(Output::Say { contact, say });
        self.says_menu(contact);
    }

    fn chose_nothing(&mut self, contact: ContactId) {
        let Some(choosing) = self.choosing.get(&contact) else {
            return;
        };
        let menu = self.menu(&choosing.menu);
        match menu.and_then(|menu| menu.default.clone()) {
            Some(answer) => self.chose(contact, None, answer),
            None => {
                let came = choosing.came.at;
                self.leaves_menu(contact);
                self.refuse_new(contact, &RefuseReason::NothingChosen.into(), came);
            }
        }
    }

    /// What was chosen is a fact from now on, and the rules look at the contact with it.
    fn chose(&mut self, contact: ContactId, key: Option<char>, answer: String) {
        let Some(mut choosing) = self.leaves_menu(contact) else {
            return;
        };
        let menu = choosing.menu;
        choosing
            .facts
            .answers
            .insert(menu.to_string(), answer.clone());
        self.tell(What::ContactChose {
            contact,
            menu,
            key,
            answer,
        });
        let usable = Usable::of(&choosing.facts);
        self.type_by_rules(contact, choosing.came, (&choosing.facts, &usable));
    }

    fn leaves_menu(&mut self, contact: ContactId) -> Option<Choosing> {
        self.timers.cancel(&Timer::Announce(contact));
        self.choosing.remove(&contact)
    }

    /// The caller gave up in a menu; false if it is in none.
    pub(super) fn cancelled_in_menu(&mut self, contact: ContactId) -> bool {
        let Some(choosing) = self.leaves_menu(contact) else {
            return false;
        };
        self.untyped_gone(contact, choosing.came);
        true
    }

    /// Contacts whose callers choose.
    pub(super) fn choosing_views(&self) -> impl Iterator<Item = ContactView> {
        let contacts = self.choosing.iter();
        contacts.map(|(id, one)| view(*id, ContactState::InMenu, &one.facts, &one.came))
    }
}
