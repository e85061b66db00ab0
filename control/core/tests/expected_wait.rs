//! The expected wait: how far it is from the real one, beside the formulas of others on the same
//! arrivals (requirement G9).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, ONE_AGENT, call_to};
use patchbay_core::{ContactId, EndCause, IdSource, Input, OfferId, Output, What};
use std::collections::BTreeMap;

/// A day of a small centre: Poisson arrivals, log-normal calls, callers of limited patience.
struct Day {
    desk: Desk,
    numbers: IdSource,
    /// Calls and callers' patience by the time of their end.
    ends: BTreeMap<(u64, ContactId), Option<OfferId>>,
    /// What each formula said to a contact when it began to wait, and when that was.
    said: BTreeMap<ContactId, (u64, [f64; 3])>,
    /// How far each was from the real wait.
    errors: [Vec<f64>; 3],
    hold_s: f64,
    talk_s: (f64, u32),
    talking: usize,
    waiting: usize,
    agents: usize,
}

/// How a day goes.
#[derive(Clone, Copy)]
struct Load {
    agents: usize,
    /// Work that arrives, as a part of what the agents can do.
    offered: f64,
    /// Standard deviation of the logarithm of a call's length.
    spread: f64,
    patience_s: f64,
}

const MEAN_TALK_S: f64 = 180.0;

impl Day {
    fn new(load: Load, seed: u64) -> Self {
        let mut text = String::from(
            "queue = [{ id = \"q\", max_wait_seconds = 7200, max_length = 5000 }]\n\
             rule = [{ id = \"all\", then = { queue = \"q\" } }]\n",
        );
        for agent in 0..load.agents {
            text += &format!("[[agent]]\nid = \"a{agent}\"\nuri = \"sip:a@192.0.2.1\"\n");
        }
        Self {
            desk: Desk::new(&text),
            numbers: IdSource::new(seed),
            ends: BTreeMap::new(),
            said: BTreeMap::new(),
            errors: Default::default(),
            hold_s: 0.0,
            talk_s: (0.0, 0),
            talking: 0,
            waiting: 0,
            agents: load.agents,
        }
    }

    fn uniform(&mut self) -> f64 {
        ((self.numbers.number() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -self.uniform().ln() * mean
    }

    fn talk(&mut self, spread: f64) -> f64 {
        let (radius, angle) = (self.uniform(), self.uniform());
        let normal = (-2.0 * radius.ln()).sqrt() * (core::f64::consts::TAU * angle).cos();
        (MEAN_TALK_S.ln() - spread * spread / 2.0 + spread * normal).exp()
    }

    /// Lets time pass until then.
    fn until(&mut self, ms: u64, load: Load) {
        while let Some(((at, contact), offer)) = self.ends.pop_first() {
            if at > ms {
                self.ends.insert((at, contact), offer);
                break;
            }
            self.desk.pass(at.saturating_sub(self.desk.ms));
            self.heard(load);
            match offer {
                Some(offer) => self.desk.tell(Input::ContactEnded {
                    contact,
                    offer,
                    cause: EndCause::Bye,
                    by: None,
                }),
                None if self.said.remove(&contact).is_some() => {
                    self.waiting -= 1;
                    self.desk.gone(contact);
                }
                None => {}
            }
            self.talking -= usize::from(offer.is_some());
            self.heard(load);
        }
        self.desk.pass(ms.saturating_sub(self.desk.ms));
        self.heard(load);
    }

    /// Every phone answers at once; the formulas say what they would.
    fn heard(&mut self, load: Load) {
        while !self.desk.said.is_empty() {
            for output in std::mem::take(&mut self.desk.said) {
                match output {
                    Output::Offer { contact, offer, .. } => {
                        self.desk.answered(offer);
                        let talk = self.talk(load.spread);
                        self.talking += 1;
                        self.talk_s.1 += 1;
                        self.talk_s.0 += (talk - self.talk_s.0) / f64::from(self.talk_s.1);
                        let end = self.desk.ms + (talk * 1_000.0) as u64;
                        self.ends.insert((end, contact), Some(offer));
                        self.connected(contact);
                    }
                    Output::Event(event) => {
                        if let What::ContactQueued {
                            contact,
                            expected_ms,
                            position,
                            ..
                        } = event.what
                        {
                            self.queued(contact, expected_ms, position);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn queued(&mut self, contact: ContactId, expected_ms: Option<u64>, position: usize) {
        self.waiting += 1;
        let ours = expected_ms.map_or(0.0, |ms| ms as f64 / 1_000.0);
        // The mean length of calls times those who wait, over the agents who are logged in.
        let by_position = self.talk_s.0 * position as f64 / self.agents as f64;
        let said = [ours, self.hold_s, by_position];
        self.said.insert(contact, (self.desk.ms, said));
    }

    fn connected(&mut self, contact: ContactId) {
        let mut hold = 0.0;
        if let Some((since, said)) = self.said.remove(&contact) {
            self.waiting -= 1;
            hold = (self.desk.ms - since) as f64 / 1_000.0;
            for (errors, said) in self.errors.iter_mut().zip(said) {
                errors.push((said - hold).abs());
            }
        }
        // The mean of past waits, the last one a quarter of it.
        self.hold_s = (3.0 * self.hold_s + hold) / 4.0;
    }
}

/// Median absolute errors in seconds: ours, past waits, position times calls over agents; and how
/// many waited.
fn errors(load: Load, seed: u64) -> ([f64; 3], usize) {
    let mut day = Day::new(load, seed);
    let between = MEAN_TALK_S / (load.agents as f64 * load.offered);
    let mut at = 0.0;
    for contact in 1.. {
        at += day.exponential(between);
        if at > 12.0 * 3_600.0 {
            break;
        }
        day.until((at * 1_000.0) as u64, load);
        let contact = day.desk.call(contact);
        day.heard(load);
        if day.said.contains_key(&contact) {
            let patience = day.exponential(load.patience_s);
            let end = day.desk.ms + (patience * 1_000.0) as u64;
            day.ends.insert((end, contact), None);
        }
    }
    let waited = day.errors[0].len();
    let medians = day.errors.map(|mut errors| {
        errors.sort_unstable_by(f64::total_cmp);
        errors.get(errors.len() / 2).copied().unwrap_or_default()
    });
    (medians, waited)
}

// G9
#[test]
fn the_error_is_smaller_than_that_of_other_formulas_on_the_same_arrivals() {
    println!("agents load spread  waited   ours  past waits  by calls (median error, s)");
    for agents in [5, 20, 100] {
        for offered in [0.85, 0.95, 1.05, 1.2] {
            for spread in [0.5, 1.0] {
                let load = Load {
                    agents,
                    offered,
                    spread,
                    patience_s: 600.0,
                };
                let ([ours, past, calls], waited) = errors(load, 7);
                println!(
                    "{agents:>6} {offered:>4} {spread:>6} {waited:>7} {ours:>6.1} {past:>11.1} {calls:>9.1}"
                );
                assert!(
                    ours <= past * 1.05 && ours <= calls * 1.05,
                    "{ours} {past} {calls}"
                );
            }
        }
    }
}

// G9
#[test]
fn it_goes_by_the_position_and_does_not_change_by_itself() {
    let mut desk = Desk::new(ONE_AGENT);
    let expected = |desk: &Desk| {
        let queue = desk.snapshot().queues[0].clone();
        let waiting = queue.waiting.iter().map(|view| view.expected_ms);
        (queue.expected_wait_ms, waiting.collect::<Vec<_>>())
    };
    assert_eq!(expected(&desk), (Some(0), vec![]), "somebody is free");
    let first = desk.call(1);
    let (_, offer, _) = desk.offer();
    assert_eq!(
        expected(&desk),
        (None, vec![None]),
        "nothing was handled yet"
    );
    desk.answered(offer);
    desk.pass(40_000);
    desk.ended(first, offer);
    desk.call(2);
    let (_, offer, _) = desk.offer();
    desk.answered(offer);
    desk.call_as(3, call_to("q"));
    desk.call_as(4, call_to("q"));
    // The medians of sums of one, two and three steps of 40 s (Erlang's distribution).
    let told = (Some(106_933), vec![Some(27_466), Some(67_066)]);
    assert_eq!(expected(&desk), told);
    desk.pass(30_000);
    assert_eq!(expected(&desk), told);
    desk.status("anna", patchbay_core::Status::LoggedOut);
    assert_eq!(
        expected(&desk),
        (None, vec![None, None]),
        "nobody can serve them"
    );
}

// G9
#[test]
fn it_counts_those_of_other_queues_by_the_agents_that_they_share() {
    let mut desk = Desk::new(
        r#"
queue = [{ id = "a" }, { id = "b" }]
agent = [
  { id = "anna", uri = "sip:a@192.0.2.1", queues = ["a"] },
  { id = "bert", uri = "sip:b@192.0.2.2" },
]
rule = [
  { id = "b", when = { to = "b@*" }, then = { queue = "b" } },
  { id = "all", then = { queue = "a" } },
]
"#,
    );
    for contact in [1, 2] {
        desk.call(contact);
    }
    let offers = desk.offers();
    for (_, offer, _) in &offers {
        desk.answered(*offer);
    }
    desk.pass(60_000);
    for (contact, offer, _) in offers {
        desk.ended(contact, offer);
    }
    for contact in [3, 4] {
        desk.call(contact);
    }
    for (_, offer, _) in desk.offers() {
        desk.answered(offer);
    }
    desk.call(5);
    desk.call_as(6, call_to("b"));
    let queues = desk.snapshot().queues;
    // Two agents for the first; for the other one agent, who will serve half of the first.
    assert_eq!(
        queues[0].waiting[0].expected_ms,
        Some(20_600),
        "a step of 30 s"
    );
    let one_and_a_half = queues[1].waiting[0].expected_ms;
    assert_eq!(one_and_a_half, Some(70_800), "steps of 60 s");
}
