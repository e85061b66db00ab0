//! Plans with relays that are formulas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod room;
mod simulated;

use super::*;
use simulated::{Notes, Simulated, plan};

const ALL: [SystemKind; 3] = [
    SystemKind::Patchbay,
    SystemKind::Rtpengine,
    SystemKind::Bare,
];
const OURS: [SystemKind; 1] = [SystemKind::Patchbay];

fn usual_loads() -> Vec<LoadName> {
    vec![
        LoadName::Low,
        LoadName::Equal,
        LoadName::Share(70),
        LoadName::High,
    ]
}

#[test]
fn the_natural_rate_is_what_the_calls_send() {
    let mut runner = Simulated::new();
    let mut notes = Notes::default();
    let outcome = plan(Mode::Fixed(None), &OURS, &[10, 500], 2)
        .carry_out(&mut runner, &mut notes)
        .unwrap();
    let made: Vec<_> = runner
        .made
        .iter()
        .map(|run| (run.calls, run.packets_per_s, run.rep, run.load))
        .collect();
    assert_eq!(
        made,
        [
            (10, 1000, 1, LoadName::Natural),
            (10, 1000, 2, LoadName::Natural),
            (500, 50_000, 1, LoadName::Natural),
            (500, 50_000, 2, LoadName::Natural),
        ]
    );
    assert_eq!((outcome.repetitions.len(), notes.over), (4, 4));
    assert_eq!(rows(&outcome.repetitions).len(), 2);
}

#[test]
fn a_generator_at_its_limit_is_said_to_be() {
    let mut runner = Simulated::new();
    runner.generator_per_s = 150_000.0;
    let mut notes = Notes::default();
    let outcome = plan(Mode::Search, &ALL, &[500], 1)
        .carry_out(&mut runner, &mut notes)
        .unwrap();
    let found: Vec<_> = outcome
        .highest
        .iter()
        .map(|highest| (highest.system, highest.generator_limited, highest.confirmed))
        .collect();
    // In the order in which the searches ended.
    assert!(
        found.contains(&(SystemKind::Patchbay, true, true)),
        "{found:?}"
    );
    assert!(
        found.contains(&(SystemKind::Bare, false, true)),
        "{found:?}"
    );
    let ours = outcome.highest_of(&Contender::new(SystemKind::Patchbay, ""), 500);
    assert_eq!(ours, Some(150_000));
    assert_eq!(
        (notes.found, notes.over, notes.tried),
        (3, 3, runner.made.len())
    );
    assert_eq!(rows(&outcome.repetitions).len(), 3);
}

#[test]
fn a_generator_that_leaves_out_a_few_packets_is_not_at_its_limit() {
    let mut runner = Simulated::new();
    runner.leaves_out = 0.1;
    let outcome = plan(Mode::Search, &OURS, &[500], 1)
        .carry_out(&mut runner, &mut Notes::default())
        .unwrap();
    let highest = outcome.highest.first().unwrap();
    assert!(
        !highest.generator_limited && highest.confirmed,
        "{highest:?}"
    );
    // What came out is what is told.
    assert!(
        (180_000..=190_000).contains(&highest.packets_per_s),
        "{highest:?}"
    );
    assert!(highest.offered_packets_per_s > 200_000, "{highest:?}");
}

#[test]
fn contenders_take_turns_and_begin_in_turns() {
    let mut runner = Simulated::new();
    let outcome = plan(Mode::Against(usual_loads()), &ALL, &[500, 2000], 3)
        .carry_out(&mut runner, &mut Notes::default())
        .unwrap();
    let order = |rep, load| -> Vec<SystemKind> {
        let runs = outcome.repetitions.iter();
        runs.filter(|f| f.rep == rep && f.load == load && f.run.calls == 500)
            .map(|f| f.contender.kind)
            .collect()
    };
    for load in usual_loads() {
        assert_eq!(order(1, load), ALL);
        assert_eq!(order(2, load), [ALL[1], ALL[2], ALL[0]]);
        assert_eq!(order(3, load), [ALL[2], ALL[0], ALL[1]]);
    }
    assert_eq!(outcome.repetitions.len(), 3 * 4 * 3 * 2);
    let offered = |kind, load| {
        let mut runs = outcome.repetitions.iter();
        let run = runs.find(|f| f.contender.kind == kind && f.load == load);
        run.unwrap().run.offered_packets_per_s
    };
    for kind in ALL {
        assert!((offered(kind, LoadName::Low) - 2000.0).abs() < 1.0);
        let share = offered(kind, LoadName::Share(70)) / offered(kind, LoadName::High);
        assert!((share - 0.7).abs() < 0.01, "{share}");
        let slowest = offered(SystemKind::Rtpengine, LoadName::Share(70));
        assert!((offered(kind, LoadName::Equal) - slowest).abs() < 1.0);
    }
}

#[test]
fn ratios_are_above_one_where_ours_is_better() {
    let outcome = plan(Mode::Against(usual_loads()), &ALL, &[500], 3)
        .carry_out(&mut Simulated::new(), &mut Notes::default())
        .unwrap();
    let rows = rows(&outcome.repetitions);
    assert_eq!(rows.len(), 12);
    let ratios = ratios(&outcome, &rows);
    assert_eq!(ratios.len(), 8);
    let high = ratios
        .iter()
        .find(|r| r.against == SystemKind::Rtpengine && r.load == LoadName::High)
        .unwrap();
    assert!((high.cpu.unwrap() - 2.0).abs() < 0.01, "{high:?}");
    assert!((high.rate.unwrap() - 2.0).abs() < 0.1, "{high:?}");
    assert!((high.p99.unwrap() - 4.0).abs() < 0.01, "{high:?}");
    assert_eq!((high.reps, high.rate_is_lower_bound), (3, false));
    let spread = high.spread.rate.unwrap();
    assert!(spread.min <= spread.median && spread.median <= spread.max);
}

#[test]
fn a_peer_that_fails_is_left_out_and_named_but_ours_ends_the_plan() {
    let mut runner = Simulated::new();
    runner.broken = Some(SystemKind::Rtpengine);
    let mut notes = Notes::default();
    let against = plan(Mode::Against(usual_loads()), &ALL, &[500], 2);
    let outcome = against.carry_out(&mut runner, &mut notes).unwrap();
    let failed: Vec<_> = outcome.failures.iter().map(|f| f.system).collect();
    // Once in its search; at the load that needs no search it is tried again.
    assert_eq!(failed, [SystemKind::Rtpengine; 2]);
    let seen = |kind| outcome.repetitions.iter().any(|f| f.contender.kind == kind);
    assert!(seen(SystemKind::Bare) && !seen(SystemKind::Rtpengine));
    assert!(notes.said.iter().any(|text| text.contains("left out")));
    runner.broken = Some(SystemKind::Patchbay);
    assert!(against.carry_out(&mut runner, &mut notes).is_err());
}

#[test]
fn a_sweep_shows_how_cost_grows() {
    let mut runner = Simulated::new();
    let sweep = plan(Mode::Sweep(None, 50), &ALL, &[500, 20_000, 100], 2);
    let outcome = sweep.carry_out(&mut runner, &mut Notes::default()).unwrap();
    let searched: Vec<usize> = outcome.highest.iter().map(|h| h.calls).collect();
    assert_eq!(searched, [20_000; 3]);
    let rates: Vec<f64> = outcome
        .repetitions
        .iter()
        .map(|f| f.run.offered_packets_per_s)
        .collect();
    assert!(
        rates.iter().all(|rate| (rate - 47_000.0).abs() < 1500.0),
        "{rates:?}"
    );
    let growths = growths(&rows(&outcome.repetitions));
    assert_eq!(growths.len(), 3);
    let ours = growths.first().unwrap();
    assert_eq!((ours.from_calls, ours.to_calls), (100, 20_000));
    assert!((ours.growth - 0.199).abs() < 0.01, "{ours:?}");
    let outcome = plan(Mode::Sweep(Some(5000), 50), &OURS, &[100, 500], 1)
        .carry_out(&mut runner, &mut Notes::default())
        .unwrap();
    assert!(outcome.highest.is_empty());
}

#[test]
fn wrong_packets_are_counted_and_are_not_carried() {
    let mut runner = Simulated::new();
    runner.wrong = 1000;
    let outcome = plan(Mode::Search, &OURS, &[10], 1)
        .carry_out(&mut runner, &mut Notes::default())
        .unwrap();
    assert!(outcome.wrong > 0 && outcome.highest.is_empty());
    assert_eq!(outcome.failures.len(), 1);
}

#[test]
fn the_estimate_shrinks_to_nothing_and_is_said_in_words() {
    let against = plan(Mode::Against(usual_loads()), &ALL, &[500, 2000], 5);
    let mut notes = Notes::default();
    against
        .carry_out(&mut Simulated::new(), &mut notes)
        .unwrap();
    assert_eq!(notes.left.first(), Some(&against.estimate()));
    let last = notes.left.last().unwrap();
    assert_eq!(last.runs, 1, "{last:?}");
    assert!(last.seconds < 10.0, "{last:?}");
    assert_eq!(
        against.announce(),
        "about 14 minutes: 3 systems, 2 numbers of calls, a search of some 12 runs for each, \
         5 repetitions of 4 loads, 3.0 s each"
    );
    let fixed = plan(Mode::Fixed(Some(1)), &OURS, &[500], 1);
    assert_eq!(
        fixed.announce(),
        "about 5 seconds: 1 system, 1 number of calls, 1 repetition of 3.0 s"
    );
}

#[test]
fn loads_and_contenders_have_names() {
    let names = [
        LoadName::Low,
        LoadName::Natural,
        LoadName::Fixed(80_000),
        LoadName::Equal,
        LoadName::Share(70),
        LoadName::High,
    ];
    let names = names.map(|load| load.to_string());
    assert_eq!(
        names,
        ["low", "natural", "fixed:80000", "equal", "70%", "high"]
    );
    let name = |kind, engine| Contender::new(kind, engine).to_string();
    assert_eq!(name(SystemKind::Patchbay, "uring"), "patchbay uring");
    assert_eq!(name(SystemKind::Rtpengine, "userspace"), "rtpengine");
}

#[test]
fn plans_out_of_range_are_refused_before_they_begin() {
    let usual = plan(Mode::Fixed(None), &OURS, &[500], 1);
    assert!(usual.check().is_ok());
    for (bad, named) in [
        (plan(Mode::Fixed(None), &OURS, &[500, 0], 1), "calls is 0"),
        (plan(Mode::Fixed(None), &OURS, &[100_001], 1), "1 to 100000"),
        (plan(Mode::Fixed(None), &[], &[500], 1), "nothing"),
        (plan(Mode::Fixed(None), &OURS, &[500], 0), "repetitions"),
        (plan(Mode::Fixed(Some(0)), &OURS, &[500], 1), "fixed:0"),
        (plan(Mode::Sweep(None, 0), &OURS, &[500], 1), "share"),
        (
            plan(Mode::Against(vec![LoadName::Share(120)]), &ALL, &[500], 1),
            "120%",
        ),
        (
            Plan {
                seconds: f64::NAN,
                ..usual
            },
            "NaN",
        ),
    ] {
        let mut runner = Simulated::new();
        let error = bad.carry_out(&mut runner, &mut Notes::default());
        let error = error.map_err(|error| error.to_string()).unwrap_err();
        assert!(error.contains(named), "{error}");
        assert!(runner.made.is_empty());
    }
}
