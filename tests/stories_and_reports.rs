//! Three calls, and what is told of them afterwards: each one's story, the reports, the records.

use crate::support;

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use support::centre::PATCHBAY;
use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have, until};

/// The agent anna comes first and does not answer; then she goes, and ben answers.
fn two_agents(centre: &Centre) -> (std::net::SocketAddr, std::net::SocketAddr) {
    let (anna, ben) = (centre.agent_address(), centre.agent_address());
    let declaration = Declaration::new()
        .queue("ring_seconds", 1)
        .at("anna", anna)
        .at("ben", ben);
    centre.apply(&declaration);
    (anna, ben)
}

/// One call that the second agent answers, one that he answers at once, and one that waits meanwhile and
/// gives up.
fn three_calls(centre: &Centre) {
    let (at_anna, at_ben) = two_agents(centre);
    let anna = Sipp::agent("agent_does_not_answer.xml", at_anna, centre).start();
    let ben = Sipp::agent("agent.xml", at_ben, centre)
        .calls(2)
        .hold(Duration::from_millis(50))
        .start();
    let first = Sipp::caller("caller.xml", CALLER, centre)
        .named("carla")
        .start();
    first.succeeds(CALL);
    anna.succeeds(SOON);
    centre.wait_empty();
    let gone = json!({"status": "logged_out"});
    let answer = centre
        .api
        .request("POST", "/api/v1/agents/anna/status", Some(&gone));
    assert_eq!(answer.status, 204, "{}", answer.text);
    centre.wait_available("ben");
    let second = Sipp::caller("caller.xml", CALLER, centre)
        .named("dora")
        .hold(Duration::from_secs(4))
        .start();
    second.answered();
    let third = Sipp::caller("caller_cancels.xml", CALLER, centre)
        .named("emil")
        .word("before", "181")
        .word("after", "182")
        .start();
    third.succeeds(CALL);
    second.succeeds(CALL);
    ben.succeeds(SOON);
    centre.wait_empty();
}

fn command(centre: &Centre, words: &[&str]) -> String {
    let output = Command::new(PATCHBAY)
        .args(words)
        .args(["--api", &format!("http://{}", centre.api_address)])
        .args(["--data".as_ref(), centre.folder.file("data").as_os_str()])
        .output()
        .expect("patchbay starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {text}{error}");
    text
}

/// Agents that a contact was offered to, with what came of it.
fn tried(story: &Value) -> Vec<(String, String)> {
    let tried = story["tried"].as_array().expect("offers").iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    tried
        .map(|one| (text(&one["agent"]), text(&one["result"])))
        .collect()
}

fn kinds(story: &Value) -> Vec<String> {
    let steps = story["steps"].as_array().expect("steps").iter();
    let kind = |step: &Value| {
        step["event"]["type"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    steps
        .map(kind)
        .filter(|kind| kind != "agent_notice")
        .collect()
}

// F5 G4
#[test]
fn what_happened_can_be_read_call_by_call_summed_up_and_taken_elsewhere() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    three_calls(&centre);
    let records = until("all three are recorded", SOON, || {
        let records = centre.api.get("/api/v1/records");
        let records = records.as_array().expect("a list").clone();
        (records.len() == 3).then_some(records)
    });
    check_records(&records);
    check_story(&centre, &records);
    check_reports(&centre);
    check_queue_log(&centre);
}

fn check_records(records: &[Value]) {
    let told = |record: &Value| {
        ["disposition", "agents_tried", "ended_by"]
            .map(|name| record[name].as_str().unwrap_or_default().to_owned())
    };
    let told: Vec<[String; 3]> = records.iter().map(told).collect();
    assert_eq!(
        told,
        [
            ["served", "anna:no_answer ben:answered", "client"],
            ["abandoned", "", ""],
            ["served", "ben:answered", "client"],
        ]
        .map(|row| row.map(str::to_owned))
    );
    let froms: Vec<&str> = records.iter().filter_map(|r| r["from"].as_str()).collect();
    for (from, name) in froms.iter().zip(["carla", "emil", "dora"]) {
        assert!(from.contains(name), "{froms:?}");
    }
}

fn check_story(centre: &Centre, records: &[Value]) {
    let id = records[0]["id"].as_str().expect("an identifier");
    let story = centre.api.get(&format!("/api/v1/contacts/{id}/timeline"));
    assert_eq!(
        tried(&story),
        [("anna", "no_answer"), ("ben", "answered")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    let mut kinds = kinds(&story);
    // Whether anna's phone says that its call is taken back before ben's rings is open.
    kinds.sort_unstable();
    let mut expected = [
        "contact_typed",
        "contact_offered",
        "offer_ringing",
        "offer_failed",
        "contact_offered",
        "offer_ringing",
        "contact_connected",
        "contact_ended",
    ];
    expected.sort_unstable();
    assert_eq!(kinds, expected);
    let at: Vec<u64> = story["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter_map(|step| step["at_ms"].as_u64())
        .collect();
    assert!(at.is_sorted(), "{at:?}");
    assert!(
        story["sums"]["waited_ms"].as_u64() >= Some(1_000),
        "{story}"
    );
    let text = command(centre, &["contact", id]);
    for words in [
        "anna does not answer",
        "ben answers after",
        "the caller ends the call",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let json: Value = serde_json::from_str(&command(centre, &["contact", id, "--json"])).unwrap();
    assert_eq!(json, story);
}

fn check_reports(centre: &Centre) {
    let report = centre.api.get("/api/v1/reports/queues?threshold_s=30");
    let row = &report["rows"][0];
    let figures = [
        "offered",
        "answered",
        "answered_within",
        "abandoned",
        "refused",
        "ended",
    ];
    let figures = figures.map(|name| row[name].as_u64().expect("a figure"));
    assert_eq!(figures, [3, 2, 2, 1, 0, 2], "{row}");
    assert!(row["talk_ms"].as_u64() >= Some(4_500), "{row}");
    let report = centre.api.get("/api/v1/reports/agents");
    let agent = |index: usize| {
        let row = &report["rows"][index];
        let name = row["agent"].as_str().expect("a name").to_owned();
        (
            name,
            ["offers", "answered", "missed"].map(|name| row[name].as_u64().unwrap_or(99)),
        )
    };
    assert_eq!(agent(0), ("anna".to_owned(), [1, 0, 1]));
    assert_eq!(agent(1), ("ben".to_owned(), [2, 2, 0]));
    let occupancy = report["rows"][1]["occupancy"].as_f64().expect("a share");
    assert!(occupancy > 0.0 && occupancy <= 1.0, "{report}");
    let table = command(centre, &["report", "queues", "--threshold", "30"]);
    assert!(
        table.contains("support        3         2          1"),
        "{table}"
    );
    assert!(table.contains("67 %"), "{table}");
    let csv = command(centre, &["report", "agents", "--csv"]);
    assert_eq!(csv.lines().count(), 3, "{csv}");
}

fn check_queue_log(centre: &Centre) {
    let answer = centre
        .api
        .request("GET", "/api/v1/records?format=queue_log", None);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines: Vec<Vec<&str>> = answer
        .text
        .lines()
        .map(|l| l.split('|').collect())
        .collect();
    let told: Vec<[&str; 2]> = lines.iter().map(|line| [line[3], line[4]]).collect();
    let of_calls: Vec<[&str; 2]> = lines
        .iter()
        .filter(|line| line[1] != "NONE")
        .map(|line| [line[3], line[4]])
        .collect();
    assert_eq!(
        of_calls,
        [
            ["NONE", "ENTERQUEUE"],
            ["anna", "RINGNOANSWER"],
            ["ben", "CONNECT"],
            ["ben", "COMPLETECALLER"],
            ["NONE", "ENTERQUEUE"],
            ["ben", "CONNECT"],
            ["NONE", "ENTERQUEUE"],
            ["NONE", "ABANDON"],
            ["ben", "COMPLETECALLER"],
        ],
        "{}",
        answer.text
    );
    assert_eq!(told[0], ["NONE", "QUEUESTART"]);
    for line in [
        ["anna", "ADDMEMBER"],
        ["ben", "ADDMEMBER"],
        ["anna", "REMOVEMEMBER"],
    ] {
        assert_eq!(
            told.iter().filter(|told| **told == line).count(),
            1,
            "{line:?}"
        );
    }
}
