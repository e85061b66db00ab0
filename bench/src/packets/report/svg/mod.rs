//! The report as a picture: diagrams in two columns under a title that says where and when.

mod panel;

use crate::report::svg::canvas::{Anchor, Canvas, FAINT, Font, INK};
use panel::{HEIGHT, Kind, Panel, Point, Series, WIDTH};

use super::words::whole;
use super::{Report, Shape};
use crate::packets::plan::{Contender, LoadName, Row, USUAL_SHARE};
use crate::packets::vocabulary::SystemKind;

const MARGIN: f64 = 24.0;
const HEADER: f64 = 128.0;
const FOOTER: f64 = 44.0;
/// Height of a further line below the diagrams.
const NOTE: f64 = 18.0;
/// Colours of our engines, of rtpengine and of the bare loop: apart for colour-blind eyes too.
const OURS: [&str; 3] = ["#0969da", "#54aeff", "#0a3069"];
const RTPENGINE: &str = "#e16f24";
const BARE: &str = "#8c959f";
const WIRE: &str = "#57606a";
const LOWER: &str = "lower is better";
const HIGHER: &str = "higher is better";

/// Draws it.
pub(super) fn chart(report: &Report) -> String {
    let panels = panels(report);
    let width = 2.0 * (MARGIN + WIDTH);
    let rows = panels.len().div_ceil(2).max(1);
    let notes = notes(report);
    let foot = FOOTER + NOTE * notes.len().saturating_sub(1) as f64;
    let height = HEADER + rows as f64 * HEIGHT + foot;
    let mut canvas = Canvas::default();
    let title = title(report);
    header(&mut canvas, report, &title, width);
    for (place, panel) in panels.iter().enumerate() {
        let x = MARGIN + (place % 2) as f64 * (WIDTH + MARGIN);
        let y = HEADER + (place / 2) as f64 * HEIGHT;
        panel.draw(&mut canvas, [x, y]);
    }
    for (place, note) in notes.iter().rev().enumerate() {
        let at = [MARGIN + 8.0, height - 18.0 - NOTE * place as f64];
        canvas.text(at, note, Font::new(12.0, FAINT), Anchor::Start);
    }
    canvas.finish(width, height, &title)
}

/// What stands below the diagrams: who has no room for how many calls, then how it was measured.
fn notes(report: &Report) -> Vec<String> {
    let mut notes: Vec<String> = report.no_room.iter().map(ToString::to_string).collect();
    let reps = report.runs.iter().map(|row| row.reps).max().unwrap_or(1);
    let how = match (report.shape, reps) {
        (_, 1) => "Each value is one run.".to_owned(),
        (Shape::Sweep, reps) => {
            format!("Points: medians of {reps} repetitions. Strokes: lowest and highest.")
        }
        (_, reps) => format!("Bars: medians of {reps} repetitions. Strokes: lowest and highest."),
    };
    let note = format!("{how} CPU counts the relay and the kernel's work for its packets.");
    let noisy = |row: &&Row| row.remarks.iter().any(|remark| remark.contains("noisy"));
    notes.push(match report.runs.iter().filter(noisy).count() {
        0 => note,
        count => format!(
            "{note} The machine was noisy in {count} of {} rows: measure again.",
            report.runs.len()
        ),
    });
    notes
}

fn title(report: &Report) -> String {
    let contenders = contenders(report);
    let (ours, peers): (Vec<&Contender>, Vec<&Contender>) =
        contenders.iter().partition(|one| one.is_ours());
    let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
    let beside = match peers.as_slice() {
        [] => String::new(),
        [one] => format!(" beside {one}"),
        [first @ .., last] => format!(" beside {} and {last}", first.join(", ")),
    };
    let name = if ours.is_empty() {
        "Relays"
    } else {
        "Patchbay"
    };
    match report.shape {
        Shape::Sweep => format!("{name}{beside}: how the cost of a packet grows with calls"),
        _ => format!("{name}{beside}: what a packet costs"),
    }
}

fn header(canvas: &mut Canvas, report: &Report, title: &str, width: f64) {
    let x = MARGIN + 8.0;
    canvas.text([x, 38.0], title, Font::bold(22.0), Anchor::Start);
    let machine = &report.machine;
    let faint = Font::new(13.0, FAINT);
    let first = format!("{} · {}", machine.brief(), machine.date);
    canvas.text([x, 62.0], &first, faint, Anchor::Start);
    let payload = report.runs.first().map(|row| row.payload_bytes);
    let payload = payload.map(|bytes| format!(" · RTP payload {bytes} bytes"));
    let second = format!(
        "{} · {}{}",
        machine.bed,
        machine.generator,
        payload.unwrap_or_default()
    );
    canvas.text([x, 81.0], &second, faint, Anchor::Start);
    legend(canvas, report, [x, 108.0], width);
}

fn legend(canvas: &mut Canvas, report: &Report, [mut x, y]: [f64; 2], width: f64) {
    let font = Font::new(13.0, INK);
    for (contender, colour) in coloured(report) {
        let of = |row: &&Row| row.contender == contender;
        let version = report.runs.iter().find(of).map(|row| {
            if row.engine.is_empty() {
                row.version.clone()
            } else {
                format!("{} ({})", row.version, row.engine)
            }
        });
        let label = version.unwrap_or_else(|| contender.to_string());
        if x + font.width(&label) > width {
            break;
        }
        canvas.bar([x, y - 11.0], [13.0, 13.0], colour, &label);
        canvas.text([x + 20.0, y], &label, font, Anchor::Start);
        x += 20.0 + font.width(&label) + 26.0;
    }
}

/// Who is in it, in the order of the plan: ours first.
fn contenders(report: &Report) -> Vec<Contender> {
    let mut found: Vec<Contender> = Vec::new();
    for row in &report.runs {
        if !found.contains(&row.contender) {
            found.push(row.contender.clone());
        }
    }
    found.sort_by_key(|contender| match contender.kind {
        SystemKind::Patchbay => 0,
        SystemKind::Rtpengine => 1,
        SystemKind::Bare => 2,
        SystemKind::Wire => 3,
    });
    found
}

fn coloured(report: &Report) -> Vec<(Contender, &'static str)> {
    let mut ours = OURS.into_iter().cycle();
    let colour = |contender: &Contender| match contender.kind {
        SystemKind::Patchbay => ours.next().unwrap_or(INK),
        SystemKind::Rtpengine => RTPENGINE,
        SystemKind::Bare => BARE,
        SystemKind::Wire => WIRE,
    };
    let contenders = contenders(report);
    let colours: Vec<&str> = contenders.iter().map(colour).collect();
    contenders.into_iter().zip(colours).collect()
}

/// The diagrams for which there are values.
fn panels(report: &Report) -> Vec<Panel> {
    let mut all = Vec::new();
    if report.shape == Shape::Sweep {
        let loads = loads(report);
        let load = loads.first().copied();
        all.extend(load.and_then(|load| cpu(report, load, Kind::Lines)));
        all.extend(load.and_then(|load| p99(report, load, Kind::Lines)));
        all.extend(memory(report, Kind::Lines));
        return all;
    }
    let loads = loads(report);
    let has = |load| loads.contains(&load);
    all.extend(cpu(report, LoadName::High, Kind::Bars));
    all.extend(rates(report));
    let own = LoadName::Share(USUAL_SHARE);
    let light = has(LoadName::Low) || has(own);
    for load in loads.iter().copied() {
        let latency = match load {
            LoadName::Equal => false,
            LoadName::High => !light,
            _ => true,
        };
        let cost = matches!(load, LoadName::Natural | LoadName::Fixed(_));
        all.extend(cost.then(|| cpu(report, load, Kind::Bars)).flatten());
        all.extend(latency.then(|| p99(report, load, Kind::Bars)).flatten());
    }
    all.extend(cpu(report, LoadName::Equal, Kind::Bars));
    all.extend(memory(report, Kind::Bars));
    all
}

fn loads(report: &Report) -> Vec<LoadName> {
    let mut loads: Vec<LoadName> = report.runs.iter().map(|row| row.load).collect();
    loads.sort_unstable();
    loads.dedup();
    loads
}

/// A load in words, for titles.
fn at(load: LoadName) -> String {
    match load {
        LoadName::Low => "at 2 000 packets/s".to_owned(),
        LoadName::Natural => "at the calls' own rate".to_owned(),
        LoadName::Fixed(rate) => format!("at {} packets/s", whole(rate as f64)),
        LoadName::Equal => "at one rate for all, 70 % of the slowest".to_owned(),
        LoadName::Share(percent) => format!("at {percent} % of each one's highest rate"),
        LoadName::High => "at each one's highest rate".to_owned(),
    }
}

fn cpu(report: &Report, load: LoadName, kind: Kind) -> Option<Panel> {
    let series = series(report, |row| {
        let value = row.cpu_ns_per_packet.filter(|_| row.load == load)?;
        Some(point(row.calls, value, row.cpu_spread_ns))
    });
    panel(
        kind,
        format!("CPU time for a packet {}", at(load)),
        LOWER,
        "ns",
        series,
    )
}

fn p99(report: &Report, load: LoadName, kind: Kind) -> Option<Panel> {
    let series = series(report, |row| {
        let counts = row.load == load && row.delivered > 0;
        counts.then(|| point(row.calls, row.latency_us.p99, Some(row.p99_spread_us)))
    });
    let title = format!("p99 latency {}", at(load));
    panel(kind, title, LOWER, "µs, phone to phone", series)
}

fn memory(report: &Report, kind: Kind) -> Option<Panel> {
    // It does not depend on the load: that of the first one is as good as any.
    let first = |row: &Row| {
        let same = |other: &&Row| other.contender == row.contender && other.calls == row.calls;
        report.runs.iter().find(same).map(|first| first.load)
    };
    let series = series(report, |row| {
        let process = row
            .bytes_per_call
            .filter(|_| first(row) == Some(row.load))?;
        let all = process + row.kernel_bytes_per_call.unwrap_or(0);
        Some(point(row.calls, all as f64 / 1024.0, None))
    });
    let title = "Memory for a call, the kernel's included".to_owned();
    panel(kind, title, LOWER, "KB", series)
}

fn rates(report: &Report) -> Option<Panel> {
    let coloured = coloured(report).into_iter();
    let series = coloured.map(|(contender, colour)| {
        let own = report.highest.iter();
        let own = own.filter(|highest| highest.contender == contender);
        Series {
            points: own
                .map(|highest| Point {
                    at_least: highest.generator_limited,
                    ..point(highest.calls, highest.packets_per_s as f64, None)
                })
                .collect(),
            no_room: no_room(report, &contender),
            contender,
            colour,
        }
    });
    let title = "Highest rate with at most 0.1 % loss".to_owned();
    panel(
        Kind::Bars,
        title,
        HIGHER,
        "packets a second",
        series.collect(),
    )
}

fn point(calls: usize, value: f64, spread: Option<[f64; 2]>) -> Point {
    Point {
        calls,
        value,
        spread,
        at_least: false,
    }
}

/// The points of each contender, by calls.
fn series(report: &Report, of: impl Fn(&Row) -> Option<Point>) -> Vec<Series> {
    let coloured = coloured(report).into_iter();
    coloured
        .map(|(contender, colour)| {
            let own = report.runs.iter().filter(|row| row.contender == contender);
            let mut points: Vec<Point> = own.filter_map(&of).collect();
            points.sort_by_key(|point| point.calls);
            Series {
                no_room: no_room(report, &contender),
                contender,
                colour,
                points,
            }
        })
        .collect()
}

fn no_room(report: &Report, contender: &Contender) -> Vec<usize> {
    let own = report.no_room.iter();
    let own = own.filter(|one| one.contender == *contender);
    own.map(|one| one.calls).collect()
}

/// `None` if nobody has a value.
fn panel(
    kind: Kind,
    title: String,
    hint: &'static str,
    unit: &'static str,
    mut series: Vec<Series>,
) -> Option<Panel> {
    series.retain(|series| !series.points.is_empty());
    (!series.is_empty()).then_some(Panel {
        kind,
        title,
        hint,
        unit,
        series,
    })
}
