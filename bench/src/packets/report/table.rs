//! The report as tables: runs, highest rates, ratios, and what makes them doubtful.

use std::fmt::Write as _;

use super::Report;
use super::words::{Verdict, micros, percent, ratio, sentence, verdict, whole};
use crate::packets::plan::{
    CARRIED_LOSS, Contender, Figures, Highest, LoadName, NoRoom, Outcome, Ratio, Row, Seen, Spread,
};
use crate::report::Paint;
use crate::report::grid::{Align, Cell, Grid, Look};

/// A finished run in one line.
#[must_use]
pub fn run_line(figures: &Figures, paint: Paint) -> String {
    let run = &figures.run;
    let mut line = format!(
        "  {:>6} calls  {:<8}  {:<16}  #{:<2}  {:>9}/s",
        whole(run.calls as f64),
        figures.load.to_string(),
        figures.contender.to_string(),
        figures.rep,
        whole(run.packets_per_s),
    );
    let loss = format!("  loss {:>8}", percent(run.loss));
    line.push_str(&if run.loss > CARRIED_LOSS {
        paint.bad(&loss)
    } else {
        loss
    });
    if let Some(ns) = run.cpu_ns_per_packet {
        // Writing to a String cannot fail, here and below.
        let _ = write!(line, "  {:>6} ns/packet", whole(ns));
    }
    let _ = write!(line, "  p99 {:>6} µs", micros(run.latency_us.p99));
    if run.wrong.total() > 0 {
        let wrong = format!("  {} WRONG", whole(run.wrong.total() as f64));
        line.push_str(&paint.bad(&wrong));
    }
    line
}

/// A run of a search in one line.
pub(super) fn tried_line(figures: &Figures, paint: Paint) -> String {
    let (run, seen) = (&figures.run, figures.seen());
    let verdict = match seen {
        Seen::Carried => "carried".to_owned(),
        Seen::Lossy(loss) => format!("lost {}", percent(loss)),
        Seen::Behind(_) => "the generator is too slow".to_owned(),
    };
    paint.faint(&format!(
        "  {:>6} calls  search    {:<16}       {:>9}/s  {verdict}",
        whole(run.calls as f64),
        figures.contender.to_string(),
        whole(run.offered_packets_per_s),
    ))
}

/// The whole report.
pub(super) fn text(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    heading(&mut out, report, paint);
    out.push_str(&runs(&report.runs, paint));
    no_room(&mut out, report, paint);
    churns(&mut out, report);
    rates(&mut out, report, paint);
    comparison(&mut out, report, paint);
    growth(&mut out, report, paint);
    doubts(&mut out, report, paint);
    out
}

/// Machine, bed, versions.
pub(super) fn heading(out: &mut String, report: &Report, paint: Paint) {
    let machine = &report.machine;
    let how = format!("{}; {}", machine.bed, machine.generator);
    for line in [machine.brief(), how, machine.versions()] {
        let _ = writeln!(out, "  {}", paint.faint(&line));
    }
    out.push('\n');
}

fn runs(rows: &[Row], paint: Paint) -> String {
    let mut grid = Grid::new(&[
        ("calls", Align::Right),
        ("load", Align::Left),
        ("system", Align::Left),
        ("offered/s", Align::Right),
        ("delivered/s", Align::Right),
        ("loss", Align::Right),
        ("wrong", Align::Right),
        ("CPU ns/packet", Align::Right),
        ("program ns", Align::Right),
        ("idle", Align::Right),
        ("p50 µs", Align::Right),
        ("p90 µs", Align::Right),
        ("p99 µs", Align::Right),
        ("p99.9 µs", Align::Right),
        ("allocations", Align::Right),
        ("KB/call + kernel", Align::Right),
        ("+ device", Align::Right),
    ]);
    let mut neighbours = rows.windows(2);
    let several = neighbours.any(|pair| matches!(pair, [a, b] if a.contender != b.contender));
    let mut before: Option<&Row> = None;
    for row in rows {
        let same = before.is_some_and(|b| (b.calls, b.load) == (row.calls, row.load));
        if before.is_some() && !same && several {
            grid.row(Vec::new());
        }
        grid.row(cells(row, !same));
        before = Some(row);
    }
    grid.render(paint)
}

fn cells(row: &Row, named: bool) -> Vec<Cell> {
    let plain = Cell::plain;
    let once = |text: String| plain(if named { text } else { String::new() });
    let loss = if row.loss > CARRIED_LOSS {
        Look::Bad
    } else {
        Look::Plain
    };
    let wrong = match row.wrong.total() {
        0 => plain(String::new()),
        wrong => Cell::new(whole(wrong as f64), Look::Bad),
    };
    let latency = &row.latency_us;
    vec![
        once(whole(row.calls as f64)),
        once(row.load.to_string()),
        Cell::new(row.contender.to_string(), look(&row.contender)),
        plain(whole(row.offered_packets_per_s)),
        plain(whole(row.packets_per_s)),
        Cell::new(percent(row.loss), loss),
        wrong,
        plain(row.cpu_ns_per_packet.map(whole).unwrap_or_default()),
        plain(row.program_ns.map(whole).unwrap_or_default()),
        plain(row.relay_cores_busy.map(idle).unwrap_or_default()),
        plain(micros(latency.p50)),
        plain(micros(latency.p90)),
        plain(micros(latency.p99)),
        plain(micros(latency.p999)),
        plain(
            row.allocations_per_packet
                .map(allocations)
                .unwrap_or_default(),
        ),
        plain(
            row.bytes_per_call
                .map(|b| kilobytes(b, row.kernel_bytes_per_call))
                .unwrap_or_default(),
        ),
        plain(
            row.device_bytes_per_call
                .map(|b| kilobytes(b, None))
                .unwrap_or_default(),
        ),
    ]
}

/// What is left of the relay's cores.
fn idle(busy: f64) -> String {
    format!("{:.0} %", (1.0 - busy).max(0.0) * 100.0)
}

fn look(contender: &Contender) -> Look {
    if contender.is_ours() {
        Look::Strong
    } else {
        Look::Plain
    }
}

/// Allocations for a packet: whole zero is the point, so nothing else looks like it.
pub(super) fn allocations(per_packet: f64) -> String {
    if per_packet == 0.0 {
        "0".to_owned()
    } else {
        format!("{per_packet:.2e}")
    }
}

/// Memory of a call: `8.7`, or `8.7 + 4.0` with the kernel's part.
pub(super) fn kilobytes(process: u64, kernel: Option<u64>) -> String {
    let kilobytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1024.0);
    match kernel {
        Some(kernel) => format!("{} + {}", kilobytes(process), kilobytes(kernel)),
        None => kilobytes(process),
    }
}

/// What calls that come and go do to those that stand.
pub(super) fn churns(out: &mut String, report: &Report) {
    for row in &report.runs {
        let (Some(per_s), Some(calm)) = (row.churned_per_s, row.without_churn) else {
            continue;
        };
        let _ = write!(
            out,
            "  {} at {} calls, {} set up and torn down a second: loss {}, without them {}; \
             p99 {} µs, without {}",
            row.contender,
            whole(row.calls as f64),
            whole(per_s),
            percent(row.loss),
            percent(calm.loss),
            micros(row.latency_us.p99),
            micros(calm.p99_us),
        );
        if let Some(guests) = row.guests.filter(|guests| guests.sent > 0) {
            let _ = write!(
                out,
                "; {} of {} packets through some of them arrived, {} overtaken",
                whole(guests.delivered as f64),
                whole(guests.sent as f64),
                whole(guests.overtaken as f64),
            );
        }
        out.push('\n');
    }
}

fn rates(out: &mut String, report: &Report, paint: Paint) {
    if report.highest.is_empty() {
        return;
    }
    let mut grid = Grid::new(&[
        ("calls", Align::Right),
        ("system", Align::Left),
        ("highest rate", Align::Right),
        ("found in", Align::Right),
        ("", Align::Left),
    ]);
    for highest in &report.highest {
        grid.row(vec![
            Cell::plain(whole(highest.calls as f64)),
            Cell::new(highest.contender.to_string(), look(&highest.contender)),
            Cell::plain(format!("{}/s", whole(highest.packets_per_s as f64))),
            Cell::new(format!("{} runs", highest.runs), Look::Faint),
            Cell::new(limit(highest, &report.highest), Look::Bad),
        ]);
    }
    section(out, "Highest rates with at most 0.1 % loss", paint);
    out.push_str(&grid.render(paint));
}

/// What a highest rate was limited by, if not by the relay.
fn limit(one: &Highest, all: &[Highest]) -> String {
    if one.generator_limited {
        return "the generator's limit: the relay may carry more".to_owned();
    }
    if let Some(wire) = Outcome::bed_limit(all, one) {
        let wire = whole(wire as f64);
        return format!("the bed's limit, the wire has {wire}/s: the relay may carry more");
    }
    match one.confirmed {
        true => String::new(),
        false => "not confirmed by a second run".to_owned(),
    }
}

fn section(out: &mut String, title: &str, paint: Paint) {
    let _ = writeln!(out, "\n  {}", paint.strong(title));
}

/// Who has no figures with how many calls, and why.
pub(super) fn no_room(out: &mut String, report: &Report, paint: Paint) {
    for one in &report.no_room {
        let _ = writeln!(out, "  {}", paint.notable(&one.to_string()));
    }
}

fn comparison(out: &mut String, report: &Report, paint: Paint) {
    let absent = without_ratio(report);
    if report.ratios.is_empty() && absent.is_empty() {
        return;
    }
    let mut grid = Grid::new(&[
        ("calls", Align::Right),
        ("load", Align::Left),
        ("patchbay against", Align::Left),
        ("CPU", Align::Left),
        ("rate", Align::Left),
        ("p99", Align::Left),
        ("in words", Align::Left),
    ]);
    for one in &report.ratios {
        grid.row(ratio_cells(one));
    }
    let title =
        "Ratios: above 1 Patchbay is better; in parentheses the lowest and highest repetition";
    section(out, title, paint);
    if !report.ratios.is_empty() {
        out.push_str(&grid.render(paint));
    }
    for line in absent {
        let _ = writeln!(out, "  {}", paint.faint(&line));
    }
}

fn ratio_cells(one: &Ratio) -> Vec<Cell> {
    let against = Contender::new(one.against, "");
    let cell = |spread: Option<Spread>| {
        let look = match spread.as_ref().map(verdict) {
            Some(Verdict::Better) => Look::Good,
            Some(Verdict::Worse) => Look::Bad,
            _ => Look::Plain,
        };
        Cell::new(ratio(spread), look)
    };
    // At one and the same load the rates are the same.
    let own_rate = matches!(one.load, LoadName::High | LoadName::Share(_));
    vec![
        Cell::plain(whole(one.calls as f64)),
        Cell::plain(one.load.to_string()),
        Cell::plain(format!("{} → {against}", one.engine)),
        cell(one.spread.cpu),
        cell(one.spread.rate.filter(|_| own_rate)),
        cell(one.spread.p99),
        Cell::new(sentence(one), Look::Faint),
    ]
}

/// Numbers of calls at which there is no ratio against a peer, for want of room.
fn without_ratio(report: &Report) -> Vec<String> {
    let of_both = |one: &&NoRoom| {
        let beside = report.runs.iter().map(|row| &row.contender);
        let mut beside = beside.chain(report.no_room.iter().map(|other| &other.contender));
        beside.any(|other| other.is_ours() != one.contender.is_ours())
    };
    let line = |one: &NoRoom| {
        let calls = whole(one.calls as f64);
        match one.contender.is_ours() {
            true => format!("{calls} calls: no ratios, {} has no room", one.contender),
            false => format!(
                "{calls} calls: no ratios against {}, which has no room",
                one.contender
            ),
        }
    };
    report.no_room.iter().filter(of_both).map(line).collect()
}

fn growth(out: &mut String, report: &Report, paint: Paint) {
    if report.growth.is_empty() {
        return;
    }
    section(out, "Growth of a packet's cost", paint);
    for growth in &report.growth {
        let _ = writeln!(
            out,
            "  {}: {:+.1} % from {} to {} calls",
            growth.contender,
            growth.growth * 100.0,
            whole(growth.from_calls as f64),
            whole(growth.to_calls as f64),
        );
    }
}

/// What makes figures doubtful. Remarks that differ in their figures only are told once, with the
/// number of rows that they are about.
pub(super) fn doubts(out: &mut String, report: &Report, paint: Paint) {
    let mut remarks: Vec<(String, &str, usize)> = Vec::new();
    for row in &report.runs {
        let mut known = Vec::new();
        for remark in &row.remarks {
            let kind: String = remark.chars().filter(|c| !c.is_ascii_digit()).collect();
            if known.contains(&kind) {
                continue;
            }
            match remarks.iter_mut().find(|(other, ..)| *other == kind) {
                Some((_, _, rows)) => *rows += 1,
                None => remarks.push((kind.clone(), remark, 1)),
            }
            known.push(kind);
        }
    }
    if remarks.is_empty() && report.failures.is_empty() && report.wrong == 0 {
        return;
    }
    section(out, "Worth knowing", paint);
    if report.wrong > 0 {
        let wrong = format!(
            "  {} packets came out wrong: no figure of that relay counts",
            whole(report.wrong as f64)
        );
        let _ = writeln!(out, "{}", paint.bad(&wrong));
    }
    for failure in &report.failures {
        let who = Contender::new(failure.system, &failure.engine);
        let line = format!("  {who} at {} calls: {}", failure.calls, failure.error);
        let _ = writeln!(out, "{}", paint.bad(&line));
    }
    for (_, remark, rows) in remarks {
        let of = format!("so or alike in {rows} of {} rows", report.runs.len());
        let _ = writeln!(out, "  {} {}", paint.notable(remark), paint.faint(&of));
    }
}
