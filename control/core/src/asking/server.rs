//! The servers of a declaration, and which of them are left alone because they fail.

use super::AskFailure;
use crate::centre::{Ask, Centre};
use crate::facts::Facts;
use crate::id::AskId;
use crate::limits::{ASK_FAILURES_IN_A_ROW, ASK_PAUSE};
use crate::media::Usable;
use crate::typing::{Calendar, Expression, Seen};
use core::time::Duration;
use std::sync::Arc;

/// One server and how it did.
#[derive(Debug)]
pub(crate) struct Server {
    pub declared: Arc<Ask>,
    /// None: it is asked about all contacts.
    when: Option<Expression>,
    /// Failures since the last answer.
    in_a_row: u32,
    /// Not asked before this.
    paused_until: Option<Duration>,
    pub asked: u64,
    pub answered: u64,
    failed: [u64; AskFailure::ALL.len()],
}

/// How one server did since it was declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerView {
    /// Which.
    pub id: AskId,
    /// Contacts that wait for its answer.
    pub waiting: usize,
    /// Whether it is left alone because it failed too often in a row.
    pub paused: bool,
    /// Questions sent.
    pub asked: u64,
    /// Good answers.
    pub answered: u64,
    /// Failures, by reason.
    pub failed: Vec<(AskFailure, u64)>,
}

impl Server {
    fn new(declared: &Ask, calendars: &[Calendar]) -> Self {
        let zone = declared.zone.as_deref().unwrap_or("UTC");
        let when = declared.when.as_ref();
        Self {
            when: when.and_then(|text| Expression::new(text, zone, calendars).ok()),
            declared: Arc::new(declared.clone()),
            in_a_row: 0,
            paused_until: None,
            asked: 0,
            answered: 0,
            failed: [0; AskFailure::ALL.len()],
        }
    }

    /// Whether it may be asked now. After a pause one contact tries it out while the others do
    /// without.
    pub fn may_be_asked(&mut self, now: Duration) -> bool {
        match self.paused_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.paused_until = Some(now.saturating_add(ASK_PAUSE));
                true
            }
            None => true,
        }
    }

    /// An answer came that could be read.
    pub fn answers(&mut self) {
        (self.in_a_row, self.paused_until) = (0, None);
    }

    pub fn fails(&mut self, why: AskFailure, now: Duration) {
        if let Some(count) = self.failed.get_mut(why as usize) {
            *count += 1;
        }
        if !why.is_the_servers() {
            return;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if self.in_a_row >= ASK_FAILURES_IN_A_ROW {
            self.paused_until = Some(now.saturating_add(ASK_PAUSE));
        }
    }

    pub fn view(&self, waiting: usize) -> ServerView {
        let counts = AskFailure::ALL.into_iter().zip(self.failed);
        ServerView {
            id: self.declared.id.clone(),
            waiting,
            paused: self.paused_until.is_some(),
            asked: self.asked,
            answered: self.answered,
            failed: counts.collect(),
        }
    }
}

/// All servers, in their order.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    servers: Vec<Server>,
}

impl Servers {
    /// Takes a new declaration; a server that is declared as before keeps its counts and its pause.
    pub fn configure(&mut self, centre: &Centre, calendars: &[Calendar]) {
        let mut before = core::mem::take(&mut self.servers);
        self.servers = centre
            .asks
            .iter()
            .map(|ask| {
                let mut server = Server::new(ask, calendars);
                let same = before.iter().position(|old| *old.declared == *ask);
                if let Some(old) = same.map(|at| before.swap_remove(at)) {
                    let when = server.when;
                    server = Server { when, ..old };
                }
                server
            })
            .collect();
    }

    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// The first that is to be asked about a contact; counts expressions of which it cannot be said
    /// whether they hold.
    pub fn of(
        &mut self,
        facts: &Facts,
        usable: &Usable,
        unix_ms: u64,
        calendars: &[Calendar],
        failed: &mut u64,
    ) -> Option<&mut Server> {
        let seen = Seen::new(facts, usable, unix_ms, calendars);
        let at = self.servers.iter().position(|server| {
            let holds = server
                .when
                .as_ref()
                .map_or(Ok(true), |when| when.holds(&seen));
            *failed += u64::from(holds.is_err());
            holds.unwrap_or(false)
        })?;
        self.servers.get_mut(at)
    }

    /// The same, to look at.
    pub fn would_ask(
        &self,
        facts: &Facts,
        usable: &Usable,
        unix_ms: u64,
        calendars: &[Calendar],
    ) -> Option<&AskId> {
        let seen = Seen::new(facts, usable, unix_ms, calendars);
        let mut servers = self.servers.iter();
        let fits = |server: &&Server| {
            let when = server.when.as_ref();
            when.is_none_or(|when| when.holds(&seen).unwrap_or(false))
        };
        servers.find(fits).map(|server| &server.declared.id)
    }

    pub fn get_mut(&mut self, id: &AskId) -> Option<&mut Server> {
        self.servers
            .iter_mut()
            .find(|server| server.declared.id == *id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Server> {
        self.servers.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::centre::Secret;

    fn server() -> Server {
        let ask = Ask {
            id: "crm".into(),
            url: "http://127.0.0.1/".into(),
            secret: Secret::new("0123456789abcdef"),
            when: None,
            zone: None,
            time_limit_ms: 300,
            on_failure: None,
            ca_file: None,
            insecure: false,
        };
        Server::new(&ask, &[])
    }

    // D13
    #[test]
    fn a_server_that_fails_in_a_row_is_left_alone_and_then_tried_by_one() {
        let mut server = server();
        let mut now = Duration::from_secs(100);
        for _ in 1..ASK_FAILURES_IN_A_ROW {
            server.fails(AskFailure::TimeLimit, now);
        }
        // What is not its fault does not count against it.
        server.fails(AskFailure::Invalid, now);
        server.fails(AskFailure::TooMany, now);
        assert!(server.may_be_asked(now) && !server.view(0).paused);
        server.fails(AskFailure::Status, now);
        assert!(!server.may_be_asked(now) && server.view(0).paused);
        now += ASK_PAUSE;
        assert!(server.may_be_asked(now), "one tries it out");
        assert!(!server.may_be_asked(now), "and only one");
        server.fails(AskFailure::Unreachable, now);
        assert!(!server.may_be_asked(now + ASK_PAUSE / 2));
        now += ASK_PAUSE;
        assert!(server.may_be_asked(now));
        server.answers();
        assert!(server.may_be_asked(now) && !server.view(0).paused);
        server.fails(AskFailure::Unreachable, now);
        assert!(server.may_be_asked(now), "the row begins anew");
    }

    // D13
    #[test]
    fn every_reason_has_its_own_count() {
        let mut server = server();
        for (times, why) in AskFailure::ALL.into_iter().enumerate() {
            for _ in 0..=times {
                server.fails(why, Duration::ZERO);
            }
        }
        let counts: Vec<u64> = server
            .view(0)
            .failed
            .iter()
            .map(|(_, count)| *count)
            .collect();
        assert_eq!(counts, Vec::from_iter(1..=AskFailure::ALL.len() as u64));
    }
}
