//! The steps of RFC 3263 section 4, one round of questions after the other.

use super::{Answer, Candidate, Dice, Inquiry, Naptr, Question, Spoken, Srv, Wanted, by_weight};
use crate::edge::paths::default_port;
use patchbay_sip::Transport;
use std::net::SocketAddr;

/// Most services of a domain that are looked up.
pub const MAX_SERVICES: usize = 8;
/// Most hosts that are looked up.
pub const MAX_TARGETS: usize = 16;
/// Most places that a request may be sent to.
pub const MAX_CANDIDATES: usize = 16;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask all of these, and give the answers to [`Search::take`] in the same order.
    Ask(Vec<Question>),
    /// These are the places, the best first.
    Found(Vec<Candidate>),
}

/// A search for the places that a URI leads to: at most three rounds of questions.
#[derive(Debug)]
pub struct Search {
    wanted: Wanted,
    spoken: Spoken,
    dice: Dice,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Which transports the domain has.
    Naptr,
    /// Which servers these services have.
    Srv(Vec<Service>),
    /// Which addresses these hosts have.
    Hosts(Vec<Target>),
    Found(Vec<Candidate>),
}

#[derive(Clone, Debug)]
struct Service {
    transport: Transport,
    name: String,
}

#[derive(Clone, Debug)]
struct Target {
    transport: Transport,
    host: String,
    port: u16,
}

impl Search {
    /// A search that has asked nothing yet.
    pub fn new(inquiry: &Inquiry) -> Search {
        let (wanted, spoken) = (inquiry.wanted.clone(), inquiry.spoken.clone());
        let usual = wanted.usual();
        let stage = match (wanted.port, wanted.transport) {
            // Section 4.2: a port is followed without SRV.
            (Some(port), _) => Stage::Hosts(vec![Target {
                transport: usual,
                host: wanted.host.clone(),
                port,
            }]),
            (None, Some(transport)) => {
                Stage::Srv(service(transport, &wanted).into_iter().collect())
            }
            (None, None) => Stage::Naptr,
        };
        Search {
            wanted,
            spoken,
            dice: Dice::new(inquiry.seed),
            stage,
        }
    }

    /// What is to be done next.
    pub fn step(&self) -> Step {
        match &self.stage {
            Stage::Naptr => Step::Ask(vec![Question::Naptr(self.wanted.host.clone())]),
            Stage::Srv(services) => Step::Ask(
                services
                    .iter()
                    .map(|service| Question::Srv(service.name.clone()))
                    .collect(),
            ),
            Stage::Hosts(targets) => Step::Ask(
                targets
                    .iter()
                    .flat_map(|target| {
                        let host = || target.host.clone();
                        [Question::Aaaa(host()), Question::A(host())]
                    })
                    .collect(),
            ),
            Stage::Found(candidates) => Step::Found(candidates.clone()),
        }
    }

    /// The answers to the questions of [`Search::step`], in their order; missing ones count as
    /// [`Answer::Nothing`].
    pub fn take(&mut self, answers: Vec<Answer>) {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Found(Vec::new())) {
            Stage::Naptr => self.transports(answers),
            Stage::Srv(services) => self.servers(&services, answers),
            Stage::Hosts(targets) => Stage::Found(self.addresses(&targets, answers)),
            found @ Stage::Found(_) => found,
        };
    }

    /// Section 4.1: the transports that NAPTR names, else all that we speak.
    fn transports(&self, answers: Vec<Answer>) -> Stage {
        let mut records = match answers.into_iter().next() {
            Some(Answer::Naptr(records)) => records,
            _ => Vec::new(),
        };
        records.sort_by_key(|record| (record.order, record.preference));
        let fits = |record: &Naptr| {
            let transport = offered(record)?;
            let may = transport == Transport::Tls || !self.wanted.secure;
            (may && self.spoken.speaks(transport)).then(|| Service {
                transport,
                name: record.replacement.clone(),
            })
        };
        // RFC 3403 section 4.1: once a record fits, those of another order are not looked at.
        let order = records
            .iter()
            .find(|record| fits(record).is_some())
            .map(|record| record.order);
        let named = records.iter().filter(|record| Some(record.order) == order);
        let services: Vec<_> = named.filter_map(fits).take(MAX_SERVICES).collect();
        if !services.is_empty() {
            return Stage::Srv(services);
        }
        let known: &[Transport] = match self.wanted.secure {
            true => &[Transport::Tls],
            false => &[Transport::Udp, Transport::Tcp],
        };
        let spoken = known.iter().filter(|known| self.spoken.speaks(**known));
        Stage::Srv(
            spoken
                .filter_map(|transport| service(*transport, &self.wanted))
                .collect(),
        )
    }

    /// Section 4.2: the servers that SRV names, else the host itself.
    fn servers(&mut self, services: &[Service], answers: Vec<Answer>) -> Stage {
        let mut targets = Vec::new();
        let mut any = false;
        for (service, answer) in services.iter().zip(answers) {
            let Answer::Srv(records) = answer else {
                continue;
            };
            any |= !records.is_empty();
            let ordered = by_weight(records, |most| self.dice.up_to(most));
            // RFC 2782: the target `.` says that there is no such service here.
            let there = ordered.into_iter().filter(|record| record.target != ".");
            targets.extend(there.map(|record: Srv| Target {
                transport: service.transport,
                host: record.target,
                port: record.port,
            }));
        }
        if !any {
            let first = services.first().map(|service| service.transport);
            let transport = self.wanted.transport.or(first);
            let transport = transport.unwrap_or(self.wanted.usual());
            targets.push(Target {
                transport,
                host: self.wanted.host.clone(),
                port: default_port(transport),
            });
        }
        targets.truncate(MAX_TARGETS);
        Stage::Hosts(targets)
    }

    /// The addresses, those of IPv6 first (RFC 6724 section 2.1), as far as there is a listener for
    /// them.
    fn addresses(&self, targets: &[Target], answers: Vec<Answer>) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        for (target, pair) in targets.iter().zip(answers.chunks(2)) {
            let ips = pair.iter().flat_map(|answer| match answer {
                Answer::Addresses(ips) => ips.as_slice(),
                _ => &[],
            });
            for ip in ips {
                let candidate = Candidate {
                    transport: target.transport,
                    address: SocketAddr::new(*ip, target.port),
                };
                let reached = self.spoken.reaches(target.transport, *ip);
                if reached && !found.contains(&candidate) && found.len() < MAX_CANDIDATES {
                    found.push(candidate);
                }
            }
        }
        found
    }
}

/// The transport that a NAPTR record offers (RFC 3263 section 4.1, RFC 3402: case does not matter).
fn offered(record: &Naptr) -> Option<Transport> {
    if !record.flags.eq_ignore_ascii_case("s") {
        return None;
    }
    let known = [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
    ];
    let service = &record.service;
    known
        .iter()
        .find(|(name, _)| service.eq_ignore_ascii_case(name))
        .map(|(_, transport)| *transport)
}

/// The name of a transport's SRV record (section 4.2); none for those that are never opened from here.
fn service(transport: Transport, wanted: &Wanted) -> Option<Service> {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        _ => return None,
    };
    Some(Service {
        transport,
        name: format!("{prefix}.{}", wanted.host),
    })
}
