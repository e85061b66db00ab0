//! The distributor alone: how long a decision takes, by the size of the centre.

mod centre;
mod chart;
mod run;

use crate::packets::report::Machine;
use crate::report::{Mark, Paint, Quantiles, Table};
use serde::Serialize;

/// What to measure.
#[derive(Clone, Debug)]
pub struct SelectArgs {
    /// Numbers of agents, one row for each.
    pub agents: Vec<usize>,
    /// Queues; each agent serves up to twelve of them.
    pub queues: usize,
    /// Skills; each agent has up to ten of them, and every other queue asks for one.
    pub skills: usize,
    /// Contacts of each row.
    pub contacts: u64,
    /// The part of the agents that talks, from 0 to 1; near 1 contacts wait.
    pub occupancy: f64,
    /// Makes the centre and the contacts.
    pub seed: u64,
}

/// How large a centre is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Its agents.
    pub agents: usize,
    /// Its queues.
    pub queues: usize,
    /// The skills that there are.
    pub skills: usize,
}

/// What one centre took.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// How large it is.
    #[serde(flatten)]
    pub size: Size,
    /// Contacts that came.
    pub contacts: u64,
    /// Those that found no free agent and waited.
    pub waited: u64,
    /// Those that an agent answered.
    pub connected: u64,
    /// From a contact's arrival to what is done with it: typing by the rules, the choice, and the
    /// events that explain it.
    pub decision_us: Quantiles,
    /// From the end of a call to what its agent does next.
    pub release_us: Quantiles,
    /// Contacts from arrival to end that one thread could serve.
    pub contacts_per_s: f64,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct SelectReport {
    /// Where and when.
    pub machine: Machine,
    /// The part of the agents that talked.
    pub occupancy: f64,
    /// By number of agents.
    pub rows: Vec<Row>,
}

/// Measures all sizes. `told` hears which size, and how far it is, from 0 to 1.
#[must_use]
pub fn measure(
    args: &SelectArgs,
    command: String,
    mut told: impl FnMut(Size, f64),
) -> SelectReport {
    let sizes = args.agents.iter().map(|agents| Size {
        agents: *agents,
        queues: args.queues,
        skills: args.skills,
    });
    SelectReport {
        machine: Machine::read("no network: a virtual clock".into(), command),
        occupancy: args.occupancy,
        rows: sizes
            .map(|size| run::run(args, size, &mut |part| told(size, part)))
            .collect(),
    }
}

impl SelectReport {
    /// The report for people.
    #[must_use]
    pub fn text(&self, paint: Paint) -> String {
        let mut lines = vec![format!("  {}", self.machine.brief())];
        for row in &self.rows {
            let mut table = Table::new();
            let Size {
                agents,
                queues,
                skills,
            } = row.size;
            lines.push(String::new());
            lines.push(format!(
                "  {agents} agents, {queues} queues, {skills} skills"
            ));
            let decided = row.decision_us.brief("µs");
            let remark = "p50 / p99 / max, from arrival to what is done";
            table.marked("decision", decided, remark, Mark::Plain);
            let released = row.release_us.brief("µs");
            let remark = "p50 / p99 / max, from a call's end to what the agent does next";
            table.marked("agent freed", released, remark, Mark::Plain);
            let rate = format!("{:.0} contacts/s", row.contacts_per_s);
            let remark = "on one thread, from arrival to end";
            table.marked("throughput", rate, remark, Mark::Plain);
            let waited = format!("{} of {}", row.waited, row.contacts);
            table.row("contacts that waited", waited);
            lines.push(table.render(paint).trim_end().to_owned());
        }
        lines.join("\n")
    }

    /// The report as a picture.
    #[must_use]
    pub fn svg(&self) -> String {
        chart::chart(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contact_is_connected_waits_or_is_counted() {
        let args = SelectArgs {
            agents: vec![50, 400],
            queues: 20,
            skills: 10,
            contacts: 500,
            occupancy: 0.9,
            seed: 1,
        };
        let report = measure(&args, "test".into(), |_, _| {});
        for row in &report.rows {
            assert!(row.connected > 400, "{row:?}");
            assert_eq!(row.decision_us.count, 500);
            assert!(row.contacts_per_s > 0.0);
        }
        let text = report.text(Paint::plain());
        assert!(text.contains("400 agents, 20 queues, 10 skills"), "{text}");
        let picture = report.svg();
        assert!(picture.starts_with("<svg") && picture.contains("400"));
    }
}
