//! Contacts through the distributor on a virtual clock; what is measured is the time that its
//! inputs take on one thread.

use super::centre::{any, called, centre};
use super::{Row, SelectArgs, Size};
use crate::phones::nanoseconds;
use crate::report::Quantiles;
use hdrhistogram::Histogram;
use patchbay_core::{
    ContactId, Distributor, EndCause, Facts, IdSource, Input, Medium, Now, OfferId, Output,
};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a call lasts on average.
const TALK_MS: u64 = 180_000;
/// Unix time at the begin.
const UNIX_MS: u64 = 1_780_000_000_000;

/// A centre being measured.
struct Run {
    distributor: Distributor,
    numbers: IdSource,
    now_ms: u64,
    /// Calls by their end.
    ends: BTreeMap<(u64, OfferId), ContactId>,
    decisions: Histogram<u64>,
    releases: Histogram<u64>,
    spent: Duration,
    measuring: bool,
    waited: u64,
    connected: u64,
}

/// Measures one size. `told` hears how far it is, from 0 to 1.
pub(super) fn run(args: &SelectArgs, size: Size, told: &mut dyn FnMut(f64)) -> Row {
    let mut run = Run::new(args, size);
    // As many as there are agents, so that as many talk as will from then on.
    let (warm_up, contacts) = (size.agents as u64, args.contacts);
    let between_ms = TALK_MS as f64 / (size.agents as f64 * args.occupancy);
    let mut due = 0.0;
    for count in 0..warm_up + contacts {
        run.measuring = count >= warm_up;
        due += between_ms;
        run.until(due as u64);
        run.call(size);
        if count % 1_024 == 0 {
            told(count as f64 / (warm_up + contacts) as f64);
        }
    }
    run.row(size, contacts)
}

impl Run {
    fn new(args: &SelectArgs, size: Size) -> Self {
        let mut numbers = IdSource::new(args.seed);
        let mut run = Self {
            distributor: Distributor::new(args.seed),
            now_ms: 0,
            ends: BTreeMap::new(),
            decisions: nanoseconds(),
            releases: nanoseconds(),
            spent: Duration::ZERO,
            measuring: false,
            waited: 0,
            connected: 0,
            numbers: numbers.clone(),
        };
        let declared = centre(size, &mut numbers);
        run.tell(Input::Configure(declared));
        run.numbers = numbers;
        run
    }

    fn now(&self) -> Now {
        Now {
            mono: Duration::from_millis(self.now_ms),
            unix_ms: UNIX_MS + self.now_ms,
        }
    }

    /// Tells the distributor something and carries out what it says; the time that it took.
    fn tell(&mut self, input: Input) -> Duration {
        let (now, mut outputs) = (self.now(), Vec::new());
        let start = Instant::now();
        self.distributor.handle(input, now);
        while let Some(output) = self.distributor.poll() {
            outputs.push(output);
        }
        let took = start.elapsed();
        if self.measuring {
            self.spent += took;
        }
        self.carry_out(outputs);
        took
    }

    /// Every phone answers at once.
    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Offer { contact, offer, .. } => {
                    self.tell(Input::OfferRinging { offer });
                    self.tell(Input::OfferAnswered { offer });
                    let talk = 1 + any(&mut self.numbers, 2 * TALK_MS);
                    self.ends.insert((self.now_ms + talk, offer), contact);
                }
                Output::Queued { .. } if self.measuring => self.waited += 1,
                Output::Accept { .. } if self.measuring => self.connected += 1,
                _ => {}
            }
        }
    }

    /// Ends the calls that end before that.
    fn until(&mut self, ms: u64) {
        while let Some(((at, offer), contact)) = self.ends.pop_first() {
            if at > ms {
                self.ends.insert((at, offer), contact);
                break;
            }
            self.now_ms = at;
            let took = self.tell(Input::ContactEnded {
                contact,
                offer,
                cause: EndCause::Bye,
                by: None,
            });
            self.note(took, false);
        }
        self.now_ms = ms;
    }

    fn call(&mut self, size: Size) {
        let contact = self.numbers.contact(UNIX_MS + self.now_ms);
        let queue = any(&mut self.numbers, size.queues as u64) as usize;
        let facts = facts(&called(queue));
        let took = self.tell(Input::ContactArrived {
            contact,
            facts: Box::new(facts),
        });
        self.note(took, true);
    }

    fn note(&mut self, took: Duration, decision: bool) {
        if self.measuring {
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            match decision {
                true => self.decisions.saturating_record(nanos),
                false => self.releases.saturating_record(nanos),
            }
        }
    }

    fn row(&self, size: Size, contacts: u64) -> Row {
        Row {
            size,
            contacts,
            waited: self.waited,
            connected: self.connected,
            decision_us: Quantiles::micros(&self.decisions),
            release_us: Quantiles::micros(&self.releases),
            contacts_per_s: contacts as f64 / self.spent.as_secs_f64().max(1e-9),
        }
    }
}

fn facts(user: &str) -> Facts {
    let uri = format!("sip:{user}@centre.example");
    Facts {
        to: uri.clone(),
        request_uri: uri,
        from: "sip:customer@example.net".into(),
        media: vec![Medium {
            kind: "audio".into(),
            port: 4_000,
            protocol: "RTP/AVP".into(),
            codecs: vec!["PCMU".into(), "PCMA".into()],
        }],
        ..Facts::default()
    }
}
