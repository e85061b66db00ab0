//! Other centres: asked for agents, they take what is asked, give one, fail, or are slow; and those that ask
//! this one call here for the agent that they were given.

use super::invariants::LATE_MS;
use super::model::Contact;
use super::oracle::Oracle;
use super::planted::{CALM, double, told};
use super::rng::Rng;
use super::{Plant, Profile, Step, World};
use patchbay_core::centre::{Centre, Queue, Secret, Site};
use patchbay_core::limits::{LONGEST_SITE_PAUSE, SITE_PAUSE};
use patchbay_core::{
    AgentId, ContactId, Input, OfferId, Output, QueueId, SiteFailure, SiteId, Slot, What,
};
use std::collections::{BTreeMap, BTreeSet};

/// What another centre does.
#[derive(Clone, Debug)]
pub enum Sites {
    Takes(ContactId, SiteId),
    Offers(ContactId, SiteId),
    Fails(ContactId, SiteId, SiteFailure),
    /// Whoever asked here calls for the agent.
    Claims(ContactId, OfferId),
}

/// What the oracle knows of other centres.
#[derive(Debug, Default)]
pub struct Elsewhere {
    /// Who asks where.
    asks: BTreeSet<(ContactId, SiteId)>,
    /// The offer that has to follow.
    coming: Option<(ContactId, AgentId)>,
    claimed: Option<OfferId>,
    /// Since when nobody has asked there although somebody could.
    quiet: BTreeMap<(SiteId, QueueId), u64>,
}

/// Of a hundred contacts of others for whom there is an agent, those that call here.
const CLAIMS: u64 = 25;

pub fn declared(queues: &[Queue], rng: &mut Rng) -> Vec<Site> {
    let names = ["lyon", "oslo"].into_iter().filter(|_| rng.percent(35));
    let names: Vec<&str> = names.collect();
    let site = |id: &str| Site {
        id: id.into(),
        url: "https://control.example".into(),
        token: Secret::new("a-token"),
        edge: "sip:edge.example".into(),
        queues: queues
            .iter()
            .filter(|_| rng.percent(80))
            .map(|queue| (queue.id.clone(), queue.id.clone()))
            .collect(),
        after_seconds: *rng.pick(&[0, 2, 20]),
        max_at_once: rng.range(1, 4) as usize,
        ca_file: None,
        insecure: false,
    };
    let sites = names.into_iter().map(site);
    sites.filter(|site| !site.queues.is_empty()).collect()
}

impl World {
    pub(super) fn asks_site(&mut self, contact: ContactId, site: SiteId) {
        let soon = self.rng.range(5, 400);
        let fails = *self
            .rng
            .pick(&[SiteFailure::Unreachable, SiteFailure::Refused]);
        if self.rng.percent(15) {
            return self.after(soon, Step::Site(Sites::Fails(contact, site, fails)));
        }
        self.after(soon, Step::Site(Sites::Takes(contact, site.clone())));
        let later = soon + self.rng.range(1, 40_000);
        match self.rng.range(0, 9) {
            0..3 => self.after(later, Step::Site(Sites::Fails(contact, site, fails))),
            // Some never find one, and those that are asked no more may say so all the same.
            3..5 => {}
            _ => self.after(later, Step::Site(Sites::Offers(contact, site))),
        }
    }

    /// Whoever asks here for an agent may call for it.
    pub(super) fn may_call(&mut self, contact: ContactId, offer: OfferId) {
        if self.rng.percent(CLAIMS) {
            let after = self.rng.range(10, 3_000);
            self.after(after, Step::Site(Sites::Claims(contact, offer)));
        }
    }

    pub(super) fn site(&mut self, what: Sites) {
        match what {
            Sites::Takes(contact, site) => self.tell(Input::SiteTook { contact, site }),
            Sites::Fails(contact, site, why) => {
                self.tell(Input::SiteGone { contact, site, why });
            }
            Sites::Offers(contact, site) => {
                self.scheduled += 1;
                let agent = AgentId::new(format!("s{}", self.scheduled));
                self.tell(Input::SiteOffered {
                    contact,
                    site,
                    agent,
                });
            }
            Sites::Claims(contact, offer) => {
                // A relay's list does not say in which medium a session is served.
                let call = self.oracle.model.slots.get(&offer) == Some(&Slot::Call);
                if call && self.distributor.may_claim(contact, offer) {
                    self.kept.offers.remove(&offer);
                    self.tell(Input::ContactClaimed { contact, offer });
                }
            }
        }
    }
}

impl Oracle {
    /// Before the distributor hears of an agent elsewhere.
    pub(super) fn given(&mut self, contact: ContactId, site: &SiteId, agent: &AgentId) {
        if self.elsewhere.asks.remove(&(contact, site.clone())) {
            let agent = AgentId::new(format!("{agent}@{site}"));
            self.elsewhere.coming = Some((contact, agent));
        }
    }

    pub(super) fn not_given(&mut self, contact: ContactId, site: &SiteId) {
        self.elsewhere.asks.remove(&(contact, site.clone()));
    }

    /// The contact is a call of this centre from now on, and for that agent alone.
    pub(super) fn claimed(&mut self, id: ContactId, offer: OfferId) {
        let leg = self
            .model
            .legs
            .get_mut(&offer)
            .expect("an offer is claimed");
        leg.ends = None;
        let agent = leg.agent.clone();
        assert!(
            matches!(leg.slot, Slot::Call | Slot::Video),
            "{id} is claimed"
        );
        self.model.outside.remove(&offer);
        let contact = self.model.contacts.get_mut(&id).expect("it waits");
        (contact.silent_since, contact.only) = (None, Some(agent));
        self.elsewhere.claimed = Some(offer);
    }

    /// Whether an offer is one that was made before and goes by the relay now.
    pub(super) fn is_claim(&mut self, offer: OfferId, agent: &AgentId) -> bool {
        let claim = self.elsewhere.claimed.take_if(|it| *it == offer);
        let leg = claim.and_then(|offer| self.model.legs.get(&offer));
        if let Some(leg) = leg {
            let only = Some(&leg.agent);
            assert_eq!(only, Some(agent), "{} is for {only:?}", leg.contact);
        }
        leg.is_some()
    }

    /// Whether an offer goes to the agent that another centre gave.
    pub(super) fn was_given(&mut self, id: ContactId, agent: &AgentId) -> bool {
        let of_it = |it: &mut (ContactId, AgentId)| it.0 == id && it.1 == *agent;
        self.elsewhere.coming.take_if(of_it).is_some()
    }

    pub(super) fn site_asked(&mut self, id: ContactId, site: &Site, now: u64) {
        let contact = self.model.contacts.get(&id);
        let contact = contact.unwrap_or_else(|| panic!("{id}, which is not there, asks"));
        let queue = contact.queue.clone().expect("typed");
        assert!(self.may_ask(contact, site), "{id} may not ask {}", site.id);
        let after = u64::from(site.after_seconds) * 1_000;
        assert!(
            now - contact.came >= after,
            "{id} asks {} too soon",
            site.id
        );
        self.elsewhere
            .quiet
            .remove(&(site.id.clone(), queue.clone()));
        let new = self.elsewhere.asks.insert((id, site.id.clone()));
        assert!(new, "{id} asks {} twice", site.id);
        let of_queue = |other: &ContactId| {
            let other = self.model.contacts.get(other);
            other.is_some_and(|other| other.queue.as_ref() == Some(&queue))
        };
        let asks = self.elsewhere.asks.iter();
        let asking = asks.filter(|(other, at)| *at == site.id && of_queue(other));
        let asking = asking.count();
        assert!(asking <= site.max_at_once, "{asking} ask {}", site.id);
    }

    fn may_ask(&self, contact: &Contact, site: &Site) -> bool {
        let spoken = matches!(contact.slot, Slot::Call | Slot::Video);
        let here = contact.silent_since.is_none() && contact.call_back.is_none();
        let typed = contact.queue.as_ref();
        let theirs = typed.is_some_and(|queue| site.queues.contains_key(queue));
        spoken && here && theirs && contact.waiting() && contact.only.is_none()
    }

    pub(super) fn site_left(&mut self, id: ContactId, site: &SiteId) {
        let asked = self.elsewhere.asks.remove(&(id, site.clone()));
        assert!(asked, "{id} does not ask {site}, and is taken back there");
    }

    pub(super) fn site_failed(&mut self, site: &SiteId) {
        self.elsewhere.quiet.retain(|(of, _), _| of != site);
    }

    /// Who may be asked for what is another matter from now on.
    pub(super) fn declared_elsewhere(&mut self) {
        self.elsewhere.quiet.clear();
    }

    pub(super) fn forget_elsewhere(&mut self) {
        self.elsewhere = Elsewhere::default();
    }

    /// After a step: nobody asks who does not wait.
    pub(super) fn asks_while_waiting(&self) {
        let coming = &self.elsewhere.coming;
        assert!(coming.is_none(), "{coming:?} was given and not offered");
        for (id, site) in &self.elsewhere.asks {
            let waiting = self.model.contacts.get(id).is_some_and(Contact::waiting);
            assert!(waiting, "{id} asks {site} and does not wait");
        }
    }

    /// No centre is forgotten while somebody waits who may ask it.
    pub(super) fn asks_again(&mut self, now: u64) {
        let centre: &Centre = &self.model.centre;
        for site in &centre.sites {
            let after = u64::from(site.after_seconds) * 1_000;
            for queue in site.queues.keys() {
                let of_queue = |contact: &&Contact| contact.queue.as_ref() == Some(queue);
                let contacts = self.model.contacts.values().filter(of_queue);
                let mut could = contacts.filter(|one| now - one.came > after);
                let could = could.any(|one| self.may_ask(one, site));
                let mut asks = self.elsewhere.asks.iter().filter(|(_, at)| *at == site.id);
                let asks = asks.any(|(id, _)| {
                    self.model
                        .contacts
                        .get(id)
                        .is_some_and(|one| of_queue(&one))
                });
                let key = (site.id.clone(), queue.clone());
                if asks || !could {
                    self.elsewhere.quiet.remove(&key);
                    continue;
                }
                let since = *self.elsewhere.quiet.entry(key).or_insert(now);
                let longest = (LONGEST_SITE_PAUSE + SITE_PAUSE).as_millis() as u64;
                let quiet = now - since;
                assert!(
                    quiet <= longest + LATE_MS,
                    "nobody asks {} for {queue}",
                    site.id
                );
            }
        }
    }
}

/// Faults of what is asked elsewhere, each with what the oracle says of it.
pub const PLANTS: [(&str, Profile, Plant); 4] = [
    ("twice", CALM, |_, said| {
        double(said, |output| matches!(output, Output::AskSite { .. }))
    }),
    ("and does not wait", CALM, |_, said| {
        let before = said.len();
        let first = said
            .iter()
            .position(|it| matches!(it, Output::LeaveSite { .. }));
        if let Some(at) = first {
            said.remove(at);
        }
        said.len() < before
    }),
    ("does not ask", CALM, |_, said| {
        double(said, |output| matches!(output, Output::LeaveSite { .. }))
    }),
    ("was given and not offered", CALM, |oracle, said| {
        let before = said.len();
        if oracle.elsewhere.coming.is_some() {
            let offered = |output: &Output| match output {
                Output::Offer { .. } => true,
                output => matches!(
                    told(output),
                    Some(What::ContactOffered { .. } | What::AgentState { .. })
                ),
            };
            said.retain(|output| !offered(output));
        }
        said.len() < before
    }),
];
