//! Reports and records over the API: what they say, their forms, and their limits (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;
use crate::store_support;

use api_support::{Server, problem};
use patchbay_control::store::Store;
use patchbay_core::{Event, Status};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store_support::{
    abandoned, connected_by, ended_by, offered, queued, second_agent_answers, state, status, typed,
};

const HOUR: u64 = 3_600_000;

/// More events than a page has, over four hours; calls span hours, and one an hour is abandoned.
fn a_day() -> Vec<Event> {
    let mut events = vec![status("anna", Status::Ready, true, 10)];
    for hour in 0..4_u64 {
        for minute in 0..50 {
            let (id, at) = (
                hour * 100 + minute + 1,
                hour * HOUR + minute * 60_000 + 1_000,
            );
            events.push(typed(id, at));
            events.push(queued(id, 1, at));
            if minute == 0 {
                events.push(abandoned(id, 30_000, at + 30_000));
                continue;
            }
            let wait = minute * 1_000;
            events.push(offered(id, id, "anna", at));
            events.push(connected_by(id, id, "anna", wait, at + wait));
            events.push(ended_by(
                id,
                id,
                "anna",
                None,
                90 * 60_000,
                at + wait + 90 * 60_000,
            ));
        }
    }
    let idle = patchbay_core::Activity::Idle;
    events.push(state("anna", idle, 10 * HOUR));
    events.sort_by_key(|event| event.unix_ms);
    events
}

async fn server(events: &[Event]) -> Server {
    let store = Store::in_memory().await.unwrap();
    for events in events.chunks(100) {
        store.append_events(events).await.unwrap();
    }
    Server::with(store, &[]).await
}

fn sum(report: &Value, column: &str) -> u64 {
    let rows = report["rows"].as_array().unwrap().iter();
    rows.map(|row| row[column].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn reports_of_hours_add_up_to_that_of_the_whole_and_agree_with_the_events() {
    let server = server(&a_day()).await;
    let to = 4 * HOUR;
    let path = format!("/api/v1/reports/queues?from=0&to={to}&threshold_s=20");
    let report = server.json(&path).await;
    let [row] = &report["rows"].as_array().unwrap()[..] else {
        panic!("{report}")
    };
    assert_eq!(row["queue"], "support");
    let figures = [
        "offered",
        "answered",
        "answered_within",
        "abandoned",
        "waiting",
        "ended",
    ];
    let figures = figures.map(|name| row[name].as_u64().unwrap());
    assert_eq!(figures, [200, 196, 80, 4, 0, 196]);
    assert_eq!(row["service_level"], 0.4);
    assert_eq!(row["talk_ms"], 196 * 90 * 60_000_u64);
    assert_eq!(row["wait_max_ms"], 49_000);
    let p50 = row["wait_p50_ms"].as_u64().unwrap();
    assert!((25_000..25_300).contains(&p50), "{p50}");
    assert_eq!(report["events_from_unix_ms"], 10);

    let hours = server
        .json(&format!(
            "/api/v1/reports/hours?from=0&to={to}&threshold_s=20"
        ))
        .await;
    assert_eq!(hours["step_s"], 3_600);
    assert_eq!(hours["rows"].as_array().unwrap().len(), 4);
    let mut parts = Vec::new();
    for hour in 0..4 {
        let (from, to) = (hour * HOUR, (hour + 1) * HOUR);
        let path = format!("/api/v1/reports/queues?from={from}&to={to}&threshold_s=20");
        parts.push(server.json(&path).await);
    }
    for column in [
        "offered",
        "answered",
        "answered_within",
        "abandoned",
        "talk_ms",
    ] {
        let whole = row[column].as_u64().unwrap();
        assert_eq!(sum(&hours, column), whole, "{column}");
        assert_eq!(
            parts.iter().map(|part| sum(part, column)).sum::<u64>(),
            whole,
            "{column}"
        );
    }
    // Anna was ready before the range began.
    let later = format!("/api/v1/reports/agents?from={HOUR}&to={to}");
    let agents = server.json(&later).await;
    assert_eq!(agents["rows"][0]["agent"], "anna");
    assert_eq!(agents["rows"][0]["free_ms"], 3 * HOUR);
}

#[tokio::test]
async fn a_report_is_a_table_for_those_who_want_one() {
    let server = server(&second_agent_answers()).await;
    let path = "/api/v1/reports/agents?from=1970-01-01&to=1970-01-02T01:00:00+01:00";
    let request = server
        .request(Method::GET, path)
        .header("Accept", "text/csv");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let kind = answer.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(kind.starts_with("text/csv"), "{kind}");
    let text = answer.text().await.unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert!(
        lines[0].starts_with("from_unix_ms,agent,offers,answered,missed,failed,"),
        "{text}"
    );
    assert!(
        lines[1].starts_with("0,anna,1,1,0,0,1,60000,0,0,3500,63500,63500,"),
        "{text}"
    );
    assert!(lines[2].starts_with("0,ben,1,0,1,0,0,0,0,0,0,,"), "{text}");
    let empty = server
        .get("/api/v1/reports/queues?from=5&to=6&format=csv")
        .await;
    assert!(
        empty
            .text()
            .await
            .unwrap()
            .starts_with("from_unix_ms,queue,offered,")
    );
}

#[tokio::test]
async fn records_are_told_in_each_form_over_many_pages() {
    let server = server(&a_day()).await;
    let to = 4 * HOUR;
    let records = server
        .json(&format!("/api/v1/records?from=0&to={to}"))
        .await;
    let records = records.as_array().unwrap();
    assert_eq!(records.len(), 200);
    let abandoned = records
        .iter()
        .filter(|one| one["disposition"] == "abandoned");
    assert_eq!(abandoned.count(), 4);
    for (format, lines, kind) in [
        ("csv", 201, "text/csv"),
        ("cdr", 200, "text/csv"),
        // The start, a line of anna's, and for each call three or four.
        ("queue_log", 1 + 196 * 3 + 4 * 2, "text/plain"),
    ] {
        let path = format!("/api/v1/records?from=0&to={to}&format={format}");
        let answer = server.get(&path).await;
        let found = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(found.starts_with(kind), "{format}: {found}");
        let text = answer.text().await.unwrap();
        assert_eq!(text.lines().count(), lines, "{format}");
    }
    assert_eq!(server.json("/api/v1/records?from=5&to=6").await, json!([]));
}

#[tokio::test]
async fn what_asks_for_too_much_or_for_nothing_is_refused_with_a_remedy() {
    let server = server(&[]).await;
    for (query, word) in [
        ("queues?from=2&to=1", "before"),
        ("queues?from=0&to=99999999999999", "days"),
        ("queues?from=yesterday", "2026-11-22"),
        ("hours?from=0&to=86400000&step=1", "longer step"),
        ("hours?step=0", "longer step"),
        ("queues?threshold_s=99999999", "86400"),
        ("queues?until=1", "unknown field"),
    ] {
        let answer = server.get(&format!("/api/v1/reports/{query}")).await;
        let found = problem(answer, StatusCode::BAD_REQUEST, "malformed").await;
        let detail = found["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{query}: {detail}");
    }
    let answer = server.get("/api/v1/reports/moons").await;
    problem(answer, StatusCode::NOT_FOUND, "not-found").await;
    let answer = server.get("/api/v1/records?format=xml").await;
    problem(answer, StatusCode::BAD_REQUEST, "malformed").await;
}
