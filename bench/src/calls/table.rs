//! A run's report as a table.

use super::figures::Direction;
use super::{AudioFigures, CallReport};
use crate::report::{Mark, Table, grouped};

/// What three numbers in a row are.
const POINTS: &str = "p50 / p99 / max";

impl CallReport {
    /// Two columns and remarks, for people.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        let rate = format!(
            "{:.1} calls/s, at most {} at one time",
            self.calls_per_s, self.peak
        );
        table.marked("calls offered", grouped(self.offered), rate, Mark::Plain);
        table.row("calls answered", grouped(self.answered));
        self.endings(&mut table);
        let remark = format!("{POINTS}, INVITE to 200");
        table.marked("set-up", self.setup_ms.brief("ms"), remark, Mark::Plain);
        if let Some(cpu) = self.cpu_us_per_call {
            table.row("CPU per call", format!("{cpu:.0} µs"));
        }
        if let Some(bytes) = self.bytes_per_call {
            let kilobytes = format!("{:.1} KB", bytes / 1024.0);
            table.marked(
                "memory per call",
                kilobytes,
                "resident, at the peak",
                Mark::Plain,
            );
        }
        if let Some(audio) = &self.audio {
            audio.rows(&mut table);
        }
        if self.held_back > 0 {
            let remark = "placing waited because the limit of calls at one time was reached";
            table.marked("held back", grouped(self.held_back), remark, Mark::Plain);
        }
        table
    }

    fn endings(&self, table: &mut Table) {
        for (status, count) in &self.refused {
            table.marked(&format!("refused {status}"), grouped(*count), "", Mark::Bad);
        }
        if self.cancelled > 0 {
            let remark = "nobody answered in time";
            table.marked("cancelled", grouped(self.cancelled), remark, Mark::Bad);
        }
        let mark = if self.failed == 0 {
            Mark::Good
        } else {
            Mark::Bad
        };
        table.marked("calls failed", grouped(self.failed), "", mark);
        for (reason, count) in &self.failures {
            table.marked("  of them", grouped(*count), reason.clone(), Mark::Bad);
        }
    }
}

impl AudioFigures {
    /// The rows that tell of audio.
    pub fn rows(&self, table: &mut Table) {
        self.to_agents.row(table, "audio to agents");
        self.to_callers.row(table, "audio to callers");
        if self.crossed > 0 {
            let remark = "legs that heard another call than the one that heard them";
            table.marked("crossed", grouped(self.crossed), remark, Mark::Bad);
        }
        let reports = format!("{} of {}", self.reports_heard, self.reports_sent);
        table.marked("RTCP reports", reports, "heard of sent", Mark::Plain);
    }
}

impl Direction {
    /// Share of the packets that are missing, in percent.
    #[must_use]
    pub fn loss_percent(&self) -> f64 {
        self.missing() as f64 * 100.0 / self.sent.max(1) as f64
    }

    fn row(&self, table: &mut Table, label: &str) {
        let value = format!("{} of {}", grouped(self.heard.received), grouped(self.sent));
        let remark = format!(
            "packets heard of sent, loss {:.3} %, {} corrupted; phone to phone {}",
            self.loss_percent(),
            self.heard.corrupted,
            self.latency_us.brief("µs")
        );
        let mark = if self.sent > 0 && self.is_exact() {
            Mark::Good
        } else {
            Mark::Bad
        };
        table.marked(label, value, remark, mark);
    }
}
