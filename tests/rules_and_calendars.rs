//! Expressions and calendars decide where a call waits, and the story of the call tells why.

use crate::support;

use serde_json::Value;
use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have, until};

const RULES: &str = r#"
[[queue]]
id = "gold"

[[queue]]
id = "holiday"

[[calendar]]
id = "always"

[[rule]]
id = "gold"
when = { to = "support@*", expression = 'headers["x-tier"][0] in ["gold", "platinum"] && calendar["always"].open' }
then = { queue = "gold", attributes = { tier = "gold" } }

[[rule]]
id = "feast"
when = { to = "support@*", calendar = "!feast", expression = 'calendar["feast"].holiday == "Feast" && "x-feast" in headers' }
then = { queue = "holiday" }
"#;

/// A calendar on which every day of the year is a holiday, whenever the test runs.
fn feast() -> String {
    let days = (1..=12).flat_map(|month| {
        let last = match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=last)
            .map(move |day| format!("{{ date = \"*-{month:02}-{day:02}\", name = \"Feast\" }}"))
    });
    let days: Vec<String> = days.collect();
    format!(
        "[[calendar]]\nid = \"feast\"\nholidays = [{}]\n",
        days.join(", ")
    )
}

fn story(centre: &Centre, id: &str) -> Value {
    centre.api.get(&format!("/api/v1/contacts/{id}"))
}

/// Calls with a header, and gives the story of the call once the agent has answered.
fn called(centre: &Centre, header: &str, queue: &str, agent: &str) -> Value {
    let caller = Sipp::caller("caller.xml", CALLER, centre)
        .word("header", header)
        .start();
    caller.answered();
    let contact = &centre.contacts()[0];
    assert_eq!(contact["queue"], queue, "{contact}");
    assert_eq!(contact["agent"], agent, "{contact}");
    let id = contact["id"].as_str().expect("an identifier").to_owned();
    caller.succeeds(CALL);
    centre.wait_empty();
    story(centre, &id)
}

fn typed(story: &Value) -> &Value {
    let events = story["events"].as_array().expect("events");
    let typed = events.iter().find(|event| event["type"] == "contact_typed");
    typed.expect("it was typed")
}

// A3
#[test]
fn a_header_and_a_holiday_send_calls_to_different_queues() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let queues = [("anna", "gold"), ("ben", "holiday"), ("carl", "support")];
    let addresses = queues.map(|_| centre.agent_address());
    let mut declaration = Declaration::new().rules(RULES).rules(&feast());
    for ((agent, queue), address) in queues.iter().zip(addresses) {
        let keys = format!("uri = \"sip:{agent}@{address}\"\nqueues = [\"{queue}\"]");
        declaration = declaration.agent(agent, &keys);
    }
    centre.apply(&declaration);
    let phones = addresses.map(|address| Sipp::agent("agent.xml", address, &centre).start());

    let gold = called(&centre, "X-Tier: gold", "gold", "anna");
    assert_eq!(typed(&gold)["attributes"]["tier"], "gold");
    assert_eq!(typed(&gold)["version"], 1, "of the first declaration");
    let because = typed(&gold)["because"].to_string();
    assert!(
        because.contains("calendar") && because.contains("true; "),
        "{because}"
    );

    let feast = called(&centre, "X-Feast: yes", "holiday", "ben");
    let because = typed(&feast)["because"].to_string();
    assert!(
        because.contains("feast is closed") && because.contains("holiday Feast"),
        "{because}"
    );

    // Neither holds; that the header is missing keeps nobody from being served.
    let plain = called(&centre, "Subject: hello", "support", "carl");
    assert_eq!(typed(&plain)["rule"], "support");
    for phone in phones {
        phone.succeeds(SOON);
    }
    until("both calls without the header are counted", SOON, || {
        let metrics = centre.api.request("GET", "/metrics", None).text;
        let mut lines = metrics.lines();
        let failed = lines.find(|line| line.contains("expressions_failed"))?;
        failed.ends_with(" 2").then_some(())
    });
}
