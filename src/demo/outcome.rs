//! The table at the end, the verdict, and the same for programs.

use patchbay_bench::calls::AudioFigures;
use patchbay_bench::phones::ExchangeCounters;
use patchbay_bench::report::{Mark, Paint, Quantiles, Table, grouped};
use serde::Serialize;
use std::collections::BTreeMap;

use super::centre::Relayed;
use super::show::Tally;

/// A caller who reaches nobody is refused with this, and that is how it should be.
const TEMPORARILY_UNAVAILABLE: u16 = 480;

/// What the demo found.
#[derive(Debug, Serialize)]
pub struct DemoResult {
    offered: u64,
    answered: u64,
    completed: u64,
    /// By status.
    refused: BTreeMap<u16, u64>,
    failed: u64,
    /// By reason.
    failures: BTreeMap<String, u64>,
    /// INVITE to 200 of calls that were put through at once.
    setup_ms: Quantiles,
    /// The same of calls that waited, or were passed on by an agent.
    setup_delayed_ms: Quantiles,
    packets_relayed: u64,
    packets_dropped: BTreeMap<String, u64>,
    pairs_left_open: usize,
    /// Time that a packet spent in the relay.
    added_latency_us: Quantiles,
    audio: AudioFigures,
    generator: ExchangeCounters,
    /// What is wrong; nothing, if all went well.
    problems: Vec<String>,
}

impl DemoResult {
    pub fn new(
        tally: &Tally,
        audio: AudioFigures,
        generator: ExchangeCounters,
        relayed: Relayed,
    ) -> Self {
        let mut result = Self {
            offered: tally.offered,
            answered: tally.answered,
            completed: tally.completed,
            refused: tally.refused.clone(),
            failed: tally.failures.values().sum::<u64>() + tally.unfinished,
            failures: tally.failures.clone(),
            setup_ms: tally.setup.millis(),
            setup_delayed_ms: tally.setup_delayed.millis(),
            packets_relayed: relayed.packets,
            packets_dropped: relayed.drops.into_iter().collect(),
            pairs_left_open: relayed.open,
            added_latency_us: relayed.forwarding,
            audio,
            generator,
            problems: Vec::new(),
        };
        if tally.unfinished > 0 {
            result
                .failures
                .insert("never ended".to_owned(), tally.unfinished);
        }
        result.problems = result.find_problems();
        result
    }

    /// Every call went as it should, and every packet of audio arrived as it was sent.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    fn find_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (reason, count) in &self.failures {
            problems.push(format!("{count} calls: {reason}"));
        }
        for (status, count) in &self.refused {
            if *status != TEMPORARILY_UNAVAILABLE {
                problems.push(format!("{count} calls refused with {status}"));
            }
        }
        if self.answered == 0 {
            problems.push("no call was answered".to_owned());
        }
        for (who, direction) in [
            ("agents", &self.audio.to_agents),
            ("callers", &self.audio.to_callers),
        ] {
            if direction.sent == 0 {
                problems.push(format!("nothing was said to {who}"));
            }
            let heard = direction.heard;
            for (count, what) in [
                (direction.missing(), "missing"),
                (heard.corrupted, "corrupted"),
                (heard.foreign + heard.stale, "not of their call"),
                (
                    heard.wrong_source,
                    "from an address that is not the relay's",
                ),
            ] {
                if count > 0 {
                    problems.push(format!("{count} packets to {who} {what}"));
                }
            }
        }
        if self.audio.crossed > 0 {
            problems.push(format!("{} legs heard another call", self.audio.crossed));
        }
        problems
    }

    /// The table and the verdict.
    pub fn render(&self, paint: Paint) -> String {
        let mut table = Table::new();
        table.row("calls offered", self.offered.to_string());
        table.row("calls answered", self.answered.to_string());
        self.refusals(&mut table);
        let mark = if self.failed == 0 {
            Mark::Good
        } else {
            Mark::Bad
        };
        table.marked("calls failed", self.failed.to_string(), "", mark);
        let quantiles = "p50 / p99 / max";
        let at_once = format!(
            "{quantiles}, INVITE to 200, {} put through at once",
            self.setup_ms.count
        );
        table.marked("set-up", self.setup_ms.brief("ms"), at_once, Mark::Plain);
        if self.setup_delayed_ms.count > 0 {
            let remark = format!(
                "{quantiles}, {} that waited or were passed on",
                self.setup_delayed_ms.count
            );
            table.marked(
                "set-up, waiting",
                self.setup_delayed_ms.brief("ms"),
                remark,
                Mark::Plain,
            );
        }
        table.marked(
            "packets relayed",
            grouped(self.packets_relayed),
            "RTP and RTCP",
            Mark::Plain,
        );
        for (reason, count) in &self.packets_dropped {
            table.marked("  dropped", grouped(*count), reason.clone(), Mark::Plain);
        }
        let added = format!("{quantiles}, from the kernel's receipt until sent on, sampled");
        table.marked(
            "latency added",
            self.added_latency_us.brief("µs"),
            added,
            Mark::Plain,
        );
        self.audio.rows(&mut table);
        format!("{}\n{}", table.render(paint), self.verdict(paint))
    }

    fn refusals(&self, table: &mut Table) {
        let refused: u64 = self.refused.values().sum();
        let expected = self
            .refused
            .keys()
            .all(|status| *status == TEMPORARILY_UNAVAILABLE);
        let remark = match (refused, expected) {
            (0, _) => String::new(),
            (_, true) => "480 with Retry-After: nobody free within the queue's limit".to_owned(),
            (_, false) => format!("by status: {:?}", self.refused),
        };
        let mark = if expected { Mark::Plain } else { Mark::Bad };
        table.marked("calls refused", refused.to_string(), remark, mark);
    }

    fn verdict(&self, paint: Paint) -> String {
        if self.is_good() {
            let said = self.audio.to_agents.sent + self.audio.to_callers.sent;
            let words = format!(
                "All {} packets of audio arrived as they were sent.",
                grouped(said)
            );
            return paint.good(&words);
        }
        let problems = self.problems.iter().map(|problem| format!("  {problem}\n"));
        format!(
            "{}\n{}",
            paint.bad("Not as it should be:"),
            problems.collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use patchbay_bench::calls::Direction;
    use patchbay_bench::phones::HeardCounts;

    fn verdict(change: impl FnOnce(&mut AudioFigures)) -> Vec<String> {
        let direction = Direction {
            sent: 100,
            heard: HeardCounts {
                received: 100,
                ..HeardCounts::default()
            },
            lost: 0,
            latency_us: Quantiles::default(),
        };
        let mut audio = AudioFigures {
            to_agents: direction,
            to_callers: direction,
            crossed: 0,
            reports_sent: 1,
            reports_heard: 1,
            lateness_us: Quantiles::default(),
            send_errors: 0,
        };
        change(&mut audio);
        let tally = Tally {
            offered: 1,
            answered: 1,
            completed: 1,
            ..Tally::default()
        };
        let relayed = Relayed {
            packets: 200,
            drops: Vec::new(),
            forwarding: Quantiles::default(),
            open: 0,
        };
        let result = DemoResult::new(&tally, audio, ExchangeCounters::default(), relayed);
        assert_eq!(result.is_good(), result.problems.is_empty());
        result.problems
    }

    // F6
    #[test]
    fn whatever_is_wrong_with_the_audio_fails_the_demo() {
        assert_eq!(verdict(|_| {}), [""; 0]);
        let missing = verdict(|audio| audio.to_agents.heard.received = 99);
        assert!(
            missing[0].contains("1 packets to agents missing"),
            "{missing:?}"
        );
        let corrupted = verdict(|audio| audio.to_callers.heard.corrupted = 2);
        assert!(
            corrupted[0].contains("2 packets to callers corrupted"),
            "{corrupted:?}"
        );
        assert!(!verdict(|audio| audio.to_callers.heard.foreign = 1).is_empty());
        assert!(!verdict(|audio| audio.crossed = 1).is_empty());
        assert!(!verdict(|audio| audio.to_agents.sent = 0).is_empty());
    }
}
