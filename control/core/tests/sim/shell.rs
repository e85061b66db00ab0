//! The simulated shell of control: SIP transactions towards the relay and the caller.

use super::relay::{Down, Up};
use super::{Step, World};
use patchbay_core::{ContactId, Input, OfferFailure, OfferId, Output, Way, What};
use std::collections::BTreeMap;
use std::time::Duration;

/// A client transaction, as far as it matters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Transaction {
    heard: bool,
    over: bool,
}

#[derive(Debug, Default)]
pub struct Shell {
    pub offers: BTreeMap<OfferId, (ContactId, Transaction)>,
}

/// 64·T1: when a SIP transaction without a response gives up.
const GIVE_UP_MS: u64 = 32_000;

impl World {
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::Offer {
                contact,
                offer,
                agent,
                way: Way::Outside,
                ..
            } => self.found_for_asker(contact, offer, agent),
            Output::Offer {
                contact,
                offer,
                agent,
                way: Way::Redirect,
                ..
            } => self.handed_over(contact, offer, agent),
            Output::Offer {
                contact,
                offer,
                agent,
                ..
            } => {
                let begun = (contact, Transaction::default());
                self.shell.offers.insert(offer, begun);
                let invite = Down::Invite {
                    contact,
                    offer,
                    agent,
                };
                self.network(|| Step::ToRelay(invite.clone()), true);
                self.after(GIVE_UP_MS, Step::NoResponse(offer, self.epoch));
            }
            Output::CancelOffer { offer, .. } if self.kept.offers.contains_key(&offer) => {
                self.kept.offers.remove(&offer);
            }
            Output::CancelOffer { offer, .. } => {
                self.network(|| Step::ToRelay(Down::Cancel(offer)), true);
                self.after(GIVE_UP_MS, Step::CancelUnanswered(offer, self.epoch));
            }
            Output::Accept { offer, .. } if self.kept.offers.contains_key(&offer) => {
                self.connected_outside(offer);
            }
            // The caller's ACK goes to the relay directly.
            Output::Accept { offer, .. } => {
                self.network(|| Step::ToRelay(Down::Ack(offer)), true);
            }
            Output::EndSession { offer, .. } => {
                self.network(|| Step::ToRelay(Down::End(offer)), true);
            }
            Output::Ask { contact, .. } => {
                // Some answers are lost; the distributor's own limit ends those questions.
                if self.rng.percent(90) {
                    let after = self.rng.range(0, 700);
                    self.after(after, Step::Answer(contact));
                }
            }
            Output::LookUp { contact, .. } => {
                if self.rng.percent(90) {
                    let after = self.rng.range(0, 250);
                    self.after(after, Step::Earlier(contact));
                }
            }
            Output::KeepCallBack(promised) => self.keep_call_back(*promised),
            Output::ForgetCallBack { contact } => {
                self.kept.promises.remove(&contact);
            }
            Output::ListSessions => self.ask_for_list(),
            Output::Hear {
                contact, answer, ..
            } => {
                if answer {
                    self.kept.in_call.insert(contact);
                }
                for key in ['1', '#'] {
                    if self.rng.percent(25) {
                        let latest = *self.rng.pick(&[60_000, 8_000]);
                        let after = self.rng.range(0, latest);
                        self.after(after, Step::Press(contact, key));
                    }
                }
            }
            Output::AskSite { contact, site, .. } => self.asks_site(contact, site.id.clone()),
            Output::Queued { .. }
            | Output::KeepPlace(_)
            | Output::Say { .. }
            | Output::LeaveSite { .. }
            | Output::Farewell { .. }
            | Output::Refuse { .. }
            | Output::Redirect { .. } => {}
            Output::Event(event) => {
                if let What::ContactEnded { offer, .. } = event.what {
                    self.kept.connected.remove(&offer);
                }
            }
        }
    }

    /// HTTP over TCP: nothing is lost, but it may take a while.
    pub(super) fn ask_for_list(&mut self) {
        let (asked, epoch) = (self.now_ms, self.epoch);
        self.network(|| Step::ToRelay(Down::List { asked, epoch }), false);
    }

    pub(super) fn hear(&mut self, message: Up) {
        match message {
            Up::Ringing(offer) => {
                self.heard(offer, false);
                self.tell(Input::OfferRinging { offer });
            }
            Up::Answered(offer) => {
                self.heard(offer, true);
                self.tell(Input::OfferAnswered { offer });
            }
            Up::Failed(offer, cause, code) => {
                self.heard(offer, true);
                self.tell(Input::OfferFailed { offer, cause, code });
            }
            Up::Ended(contact, offer, cause) => self.tell(Input::ContactEnded {
                contact,
                offer,
                cause,
                by: None,
            }),
            Up::Sessions {
                sessions,
                asked,
                epoch,
            } => {
                if epoch == self.epoch {
                    let asked = Duration::from_millis(asked);
                    self.tell(Input::SessionsLive { sessions, asked });
                    self.tell(Input::CallsKnown);
                }
            }
        }
    }

    fn heard(&mut self, offer: OfferId, over: bool) {
        if let Some((_, transaction)) = self.shell.offers.get_mut(&offer) {
            transaction.heard = true;
            transaction.over |= over;
        }
    }

    /// No response at all within the transaction's time.
    pub(super) fn no_response(&mut self, offer: OfferId) {
        if let Some((_, transaction)) = self.shell.offers.get_mut(&offer)
            && !transaction.heard
        {
            transaction.over = true;
            self.tell(Input::OfferFailed {
                offer,
                cause: OfferFailure::Unreachable,
                code: 408,
            });
        }
    }

    /// No final response after a CANCEL: the transaction gives up, or the report of it is lost.
    pub(super) fn cancel_unanswered(&mut self, offer: OfferId) {
        let told = self.rng.percent(50);
        if let Some((_, transaction)) = self.shell.offers.get_mut(&offer)
            && !transaction.over
            && told
        {
            transaction.over = true;
            self.tell(Input::OfferFailed {
                offer,
                cause: OfferFailure::NoAnswer,
                code: 487,
            });
        }
    }

    /// The connection to the relay broke: transactions on it fail, some reports come late.
    pub(super) fn connection_lost(&mut self) {
        let open: Vec<OfferId> = self
            .shell
            .offers
            .iter()
            .filter(|(_, (_, transaction))| !transaction.over)
            .map(|(offer, _)| *offer)
            .collect();
        for offer in open {
            if self.rng.percent(70) {
                self.heard(offer, true);
                self.tell(Input::OfferFailed {
                    offer,
                    cause: OfferFailure::Unreachable,
                    code: 503,
                });
            }
        }
    }
}
