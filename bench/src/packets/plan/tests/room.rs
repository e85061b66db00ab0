//! Contenders that have no room for all numbers of calls.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;

/// Ours has room for all calls, the peers for 4,000 of them.
fn some_room() -> Simulated {
    let mut runner = Simulated::new();
    runner.room = |kind| match kind {
        SystemKind::Patchbay => usize::MAX,
        SystemKind::Rtpengine | SystemKind::Bare | SystemKind::Wire => 4000,
    };
    runner
}

/// Who has no room for how many calls.
fn lacking(outcome: &Outcome) -> Vec<(SystemKind, usize)> {
    let no_room = outcome.no_room.iter();
    no_room.map(|one| (one.system, one.calls)).collect()
}

#[test]
fn a_peer_without_room_is_named_once_and_ours_is_measured() {
    for loads in [usual_loads(), vec![LoadName::Low, LoadName::Natural]] {
        let (mut runner, mut notes) = (some_room(), Notes::default());
        let loads_of_one = loads.len();
        let against = plan(Mode::Against(loads), &ALL, &[500, 20_000], 2);
        let outcome = against.carry_out(&mut runner, &mut notes).unwrap();
        assert_eq!(
            lacking(&outcome),
            [(SystemKind::Rtpengine, 20_000), (SystemKind::Bare, 20_000)]
        );
        assert!(outcome.failures.is_empty());
        // Asked once, and not a second time as one that failed.
        let asked = |kind| {
            let of = |run: &&Wanted| run.contender.kind == kind && run.calls == 20_000;
            runner.made.iter().filter(of).count()
        };
        assert_eq!(
            (asked(SystemKind::Rtpengine), asked(SystemKind::Bare)),
            (1, 1)
        );
        let rows = rows(&outcome.repetitions);
        let at = |calls| rows.iter().filter(|row| row.calls == calls).count();
        assert_eq!((at(500), at(20_000)), (3 * loads_of_one, loads_of_one));
        let ratios = ratios(&outcome, &rows);
        assert!(ratios.iter().all(|ratio| ratio.calls == 500), "{ratios:?}");
        let said = "rtpengine: no room for 20 000 calls: 4000 fit; it is left out there";
        assert!(
            notes.said.iter().any(|text| text == said),
            "{:?}",
            notes.said
        );
    }
}

#[test]
fn a_sweep_has_a_rate_that_all_carry_with_the_calls_that_they_have_room_for() {
    let mut runner = some_room();
    let sweep = plan(Mode::Sweep(None, 50), &ALL, &[500, 20_000, 2000], 1);
    let outcome = sweep.carry_out(&mut runner, &mut Notes::default()).unwrap();
    let searched = outcome.highest.iter().map(|h| (h.system, h.calls));
    assert_eq!(
        searched.collect::<Vec<_>>(),
        [
            (SystemKind::Patchbay, 20_000),
            (SystemKind::Rtpengine, 2000),
            (SystemKind::Bare, 2000)
        ]
    );
    let mut rates = outcome
        .repetitions
        .iter()
        .map(|f| f.run.offered_packets_per_s);
    assert!(rates.all(|rate| (rate - 47_000.0).abs() < 1500.0));
    let growths = growths(&rows(&outcome.repetitions));
    let last: Vec<usize> = growths.iter().map(|growth| growth.to_calls).collect();
    assert_eq!(last, [20_000, 2000, 2000]);
}

#[test]
fn room_for_nothing_is_an_error_that_names_the_limit() {
    let mut runner = Simulated::new();
    runner.room = |_| 100;
    for mode in [
        Mode::Fixed(None),
        Mode::Search,
        Mode::Against(usual_loads()),
    ] {
        let outcome = plan(mode, &ALL, &[500], 1).carry_out(&mut runner, &mut Notes::default());
        let error = outcome.map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "no room for 500 calls: 100 fit");
    }
    let some = plan(Mode::Fixed(None), &OURS, &[50, 500], 1);
    let outcome = some.carry_out(&mut runner, &mut Notes::default()).unwrap();
    assert_eq!(lacking(&outcome), [(SystemKind::Patchbay, 500)]);
    assert_eq!(outcome.repetitions.len(), 1);
}
