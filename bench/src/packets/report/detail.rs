//! All figures of few runs, one below the other.

use super::Report;
use super::table::{allocations, churns, doubts, heading, kilobytes, no_room};
use super::words::{micros, percent, whole};
use crate::packets::Latency;
use crate::packets::plan::{CARRIED_LOSS, Row};
use crate::report::{Mark, Paint, Table};

/// What four figures in a row are.
const POINTS: &str = "p50 / p90 / p99 / p99.9";

pub(super) fn text(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    heading(&mut out, report, paint);
    for (index, row) in report.runs.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(&table(row).render(paint));
    }
    churns(&mut out, report);
    no_room(&mut out, report, paint);
    doubts(&mut out, report, paint);
    out
}

fn table(row: &Row) -> Table {
    let mut table = Table::new();
    let engine = format!("engine {}", row.engine);
    table.marked("measured", row.version.clone(), engine, Mark::Plain);
    table.row("calls", whole(row.calls as f64));
    let offered = format!(
        "{}/s offered, {} sent in {} of {:.1} s",
        whole(row.offered_packets_per_s),
        whole(row.sent as f64),
        runs(row.reps),
        row.seconds
    );
    let delivered = format!("{}/s", whole(row.packets_per_s));
    table.marked("delivered", delivered, offered, Mark::Plain);
    health(&mut table, row);
    latency(&mut table, "latency", Some(&row.latency_us));
    latency(
        &mut table,
        "of that in the relay",
        row.forwarding_us.as_ref(),
    );
    cost(&mut table, row);
    table
}

fn runs(count: usize) -> String {
    match count {
        1 => "a run".to_owned(),
        count => format!("{count} runs"),
    }
}

fn health(table: &mut Table, row: &Row) {
    let mark = |bad: bool| if bad { Mark::Bad } else { Mark::Good };
    let lost = row.lost.iter();
    let lost: Vec<String> = lost
        .map(|(place, count)| format!("{place} {}", whole(*count as f64)))
        .collect();
    let (loss, lost) = (percent(row.loss), lost.join(", "));
    table.marked("loss", loss, lost, mark(row.loss > CARRIED_LOSS));
    let wrong = &row.wrong;
    let kinds = match wrong.total() {
        0 => "source, content and order of each packet checked".to_owned(),
        _ => format!(
            "source {}, content {}, order {}",
            wrong.source, wrong.content, wrong.order
        ),
    };
    let count = whole(wrong.total() as f64);
    table.marked("wrong packets", count, kinds, mark(wrong.total() > 0));
    if row.not_sent > 0 {
        let remark = "packets that the generator was too late for, not counted as lost";
        let count = whole(row.not_sent as f64);
        table.marked("not sent", count, remark, Mark::Plain);
    }
}

fn latency(table: &mut Table, label: &str, of: Option<&Latency>) {
    let Some(of) = of else {
        return;
    };
    let points = [of.p50, of.p90, of.p99, of.p999].map(micros);
    let value = format!("{} µs", points.join(" / "));
    table.marked(label, value, POINTS, Mark::Plain);
}

fn cost(table: &mut Table, row: &Row) {
    if let Some(ns) = row.cpu_ns_per_packet {
        let busy = row.relay_cores_busy.map(|busy| {
            let percent = busy * 100.0;
            format!("{percent:.0} % of the relay's cores in use")
        });
        let value = format!("{} ns a packet", whole(ns));
        table.marked("CPU", value, busy.unwrap_or_default(), Mark::Plain);
    }
    if let Some(ns) = row.program_ns {
        let remark = "of the program at the device, metered in a run of its own";
        let value = format!("{} ns a packet", whole(ns));
        table.marked("of that", value, remark, Mark::Plain);
    }
    if let Some(per_packet) = row.allocations_per_packet {
        let value = format!("{} a packet", allocations(per_packet));
        table.marked("allocations", value, "on the packet threads", Mark::Plain);
    }
    if let Some(bytes) = row.bytes_per_call {
        let value = format!("{} KB a call", kilobytes(bytes, row.kernel_bytes_per_call));
        let remark = match row.kernel_bytes_per_call {
            Some(_) => "of the relay's process + of the kernel",
            None => "of the relay's process",
        };
        table.marked("memory", value, remark, Mark::Plain);
    }
    if let Some(bytes) = row.device_bytes_per_call {
        let value = format!("{} KB a call", kilobytes(bytes, None));
        table.marked("at the device", value, "of its flows", Mark::Plain);
    }
    if let Some(churned) = row.churned {
        let remark = "set up and torn down beside the load";
        table.marked("other calls", whole(churned as f64), remark, Mark::Plain);
    }
}
