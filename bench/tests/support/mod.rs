//! What the tests of phones share.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::net::SocketAddr;
use std::time::Duration;

use patchbay_bench::phones::{
    Behaviour, CallRef, CallSpec, Event, Exchange, ExchangeConfig, LegReport, News, Outcome,
    PhoneEvent, PhoneId, PhoneSpec,
};
use patchbay_sip::Transport;
use tokio::sync::mpsc::Receiver;

/// An exchange and what it tells.
pub struct Stage {
    pub exchange: Exchange,
    pub events: Receiver<Event>,
    /// All that was told so far.
    pub past: Vec<Event>,
}

impl Stage {
    pub fn new(audio: bool) -> Self {
        let report_interval = Duration::from_millis(60);
        let config = ExchangeConfig {
            audio,
            report_interval,
            ..ExchangeConfig::default()
        };
        let (exchange, events) = Exchange::start(config).unwrap();
        Self {
            exchange,
            events,
            past: Vec::new(),
        }
    }

    /// Adds a phone whose proxy is `proxy`.
    pub fn phone(&self, spec: PhoneSpec) -> (PhoneId, SocketAddr) {
        self.exchange.add(spec).unwrap()
    }

    /// Adds a phone that is called, and one that calls it directly.
    pub fn pair(&self, transport: Transport, behaviour: Behaviour) -> (PhoneId, PhoneId, String) {
        self.pair_on("127.0.0.1:0", transport, behaviour)
    }

    /// The same on an address of choice.
    pub fn pair_on(
        &self,
        bind: &str,
        transport: Transport,
        behaviour: Behaviour,
    ) -> (PhoneId, PhoneId, String) {
        let bind: SocketAddr = bind.parse().unwrap();
        let callee = PhoneSpec::new("anna", "centre", bind);
        let callee = PhoneSpec {
            bind,
            transport,
            behaviour,
            lines: 64,
            ..callee
        };
        let (callee, address) = self.phone(callee);
        let caller = PhoneSpec::new("carla", "centre", address);
        let (caller, _) = self.phone(PhoneSpec {
            bind,
            transport,
            lines: 64,
            ..caller
        });
        (caller, callee, format!("sip:anna@{address}"))
    }

    /// The next event; a test that hangs is ended by its runner.
    pub fn next(&mut self) -> Event {
        let event = self.events.blocking_recv().unwrap();
        self.past.push(event.clone());
        event
    }

    /// Waits for a phone's event that fits.
    pub fn until<T>(&mut self, fits: impl Fn(PhoneId, &PhoneEvent) -> Option<T>) -> T {
        loop {
            let event = self.next();
            if let News::Phone(told) = &event.news
                && let Some(found) = fits(event.phone, told)
            {
                return found;
            }
        }
    }

    /// Waits for the end of a call.
    pub fn outcome(&mut self, call: CallRef) -> Outcome {
        self.until(|_, event| match event {
            PhoneEvent::Ended {
                call: ended,
                outcome,
            } if *ended == call => Some(outcome.clone()),
            _ => None,
        })
    }

    /// Waits until this many legs are closed in all, and gives their reports.
    pub fn reports(&mut self, count: usize) -> Vec<LegReport> {
        loop {
            let audio = self.past.iter().filter_map(|event| match &event.news {
                News::Audio(_, report) => Some(report.clone()),
                News::Phone(_) => None,
            });
            let reports: Vec<_> = audio.collect();
            if reports.len() >= count {
                return reports;
            }
            self.next();
        }
    }

    pub fn call(&self, phone: PhoneId, spec: CallSpec) -> CallRef {
        self.exchange.call(phone, spec).unwrap()
    }
}

/// Asserts that two legs heard each other exactly.
pub fn assert_exact(reports: &[LegReport]) {
    assert_eq!(reports.len() % 2, 0);
    for report in reports {
        let partner = report
            .partner
            .unwrap_or_else(|| panic!("heard nobody: {report:?}"));
        let partner = reports.iter().find(|other| other.leg == partner).unwrap();
        assert_eq!(partner.partner, Some(report.leg));
        assert!(report.sent > 0 && !report.crossed);
        assert_eq!(report.heard.received, partner.sent);
        assert_eq!(report.lost, 0);
        let strange = (
            report.heard.corrupted,
            report.heard.foreign,
            report.heard.duplicated,
        );
        assert_eq!(strange, (0, 0, 0));
        assert_eq!(report.heard.wrong_source, 0);
    }
}
