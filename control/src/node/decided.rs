//! What the distributor decides, carried out.

use patchbay_core::{ContactId, OfferId, Output};
use patchbay_route::transfer::Hears;

use super::action::Action;
use super::machine::Machine;
use crate::signalling::Moment;

impl Machine {
    /// Carries the distributor's decisions out.
    pub(super) fn decided(&mut self, now: Moment) {
        while let Some(output) = self.distributor.poll() {
            match output {
                Output::Ask {
                    contact,
                    ask,
                    facts,
                } => self.actions.push_back(Action::Ask {
                    contact,
                    ask,
                    facts,
                }),
                Output::LookUp { contact, from } => {
                    self.actions.push_back(Action::LookUp { contact, from });
                }
                Output::Queued { contact, .. } => self.signalling.queued(contact, now),
                Output::Hear {
                    contact,
                    music,
                    language,
                    answer,
                } => {
                    let hears = Hears {
                        music,
                        language,
                        answered: answer,
                    };
                    self.signalling.hear(contact, hears, now);
                }
                Output::Say { contact, say } => self.signalling.say(contact, &say, now),
                Output::Farewell {
                    contact,
                    language,
                    say,
                    lasts,
                } => {
                    self.signalling
                        .farewell(contact, language, (say, lasts), now);
                }
                Output::Offer {
                    contact,
                    offer,
                    agent,
                    ring_for,
                    way,
                } => {
                    self.brings((contact, offer), &agent, (way, ring_for), now);
                }
                Output::CancelOffer { offer, .. } if self.programs.is_asked(offer) => {
                    self.program_not_asked(offer, now);
                }
                Output::CancelOffer { contact, offer } => {
                    self.signalling.cancel_offer(contact, offer, now);
                }
                Output::Accept { contact, offer } => self.signalling.accept(contact, offer, now),
                Output::Refuse {
                    contact,
                    status,
                    retry_after_s,
                    why,
                } => {
                    self.signalling
                        .refuse_contact(contact, status, retry_after_s, why, now);
                }
                Output::Redirect { contact, to } => self.signalling.redirect(contact, &to, now),
                Output::KeepCallBack(promised) => {
                    self.actions.push_back(Action::KeepCallBack(promised));
                }
                Output::KeepPlace(place) => self.signalling.keep_place(&place, now),
                Output::ForgetCallBack { contact } => {
                    self.actions.push_back(Action::ForgetCallBack(contact));
                }
                Output::AskSite { contact, site, ask } => {
                    self.actions
                        .push_back(Action::AskSite { contact, site, ask });
                }
                Output::LeaveSite { contact, site } => {
                    self.actions.push_back(Action::LeaveSite { contact, site });
                }
                Output::EndSession { contact, offer, .. } => self.end_session(contact, offer),
                Output::ListSessions => self.actions.push_back(Action::ListSessions),
                Output::Event(event) => self.happened(*event, now),
            }
        }
    }

    /// Ends a session that nobody wants. One whose 2xx went to a caller who had cancelled is left
    /// to that caller's BYE; if none comes the distributor asks again.
    fn end_session(&mut self, contact: ContactId, offer: OfferId) {
        if self.signalling.passed_answer(contact, offer) {
            return;
        }
        let place = self.book.doom(offer);
        self.actions.extend(place.map(Action::EndSession));
    }
}
