#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

#[test]
fn a_table_has_a_row_for_each_queue_with_a_bar_for_its_service_level() {
    let row = |queue: &str, level: Option<f64>| {
        json!({"from_unix_ms": 0, "queue": queue, "offered": 200, "answered": 196, "abandoned": 4,
            "refused": 0, "service_level": level, "wait_mean_ms": 24_500, "wait_p90_ms": 44_799,
            "wait_max_ms": 3_723_000, "handling_mean_ms": 245_000})
    };
    let report = json!({"from_unix_ms": 1_795_327_200_000_u64, "to_unix_ms": 1_795_330_800_000_u64,
        "threshold_s": 20, "step_s": null, "rows": [row("support", Some(0.4)), row("sales", None)]});
    let expected = "\
2026-11-22 06:00:00.000 UTC to 2026-11-22 07:00:00.000 UTC, in time within 20 s

queue    offered  answered  abandoned  refused  service level       wait     p90  longest  handling
support      200       196          4        0  ████░░░░░░  40 %  24.5 s  44.7 s  1:02:03      4:05
sales        200       196          4        0  -                 24.5 s  44.7 s  1:02:03      4:05
";
    assert_eq!(told(By::Queues, &report, Paint::plain()), expected);
    let empty = json!({"from_unix_ms": 0, "to_unix_ms": 1, "threshold_s": 20, "rows": []});
    assert!(told(By::Queues, &empty, Paint::plain()).ends_with("nothing happened\n"));
}

#[test]
fn agents_have_their_offers_their_time_and_a_bar_for_their_occupancy() {
    let report = json!({"from_unix_ms": 0, "to_unix_ms": 3_600_000, "threshold_s": 20,
        "step_s": 3_600, "rows": [{"from_unix_ms": 0, "agent": "anna", "offers": 3, "answered": 2,
        "missed": 1, "failed": 0, "talk_ms": 60_000, "wrap_up_ms": 3_500, "handling_mean_ms": null,
        "paused_ms": 0, "occupancy": 1.0}]});
    let expected = "\
1970-01-01 00:00:00.000 UTC to 1970-01-01 01:00:00.000 UTC

from              agent  offers  answered  missed  failed  talk  wrap-up  handling  paused  occupancy
1970-01-01 00:00  anna        3         2       1       0  1:00    3.5 s         -   0.0 s  ██████████ 100 %
";
    assert_eq!(told(By::Agents, &report, Paint::plain()), expected);
}
