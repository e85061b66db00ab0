//! The declaration: all problems together, and changes while everything is live.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, ONE_AGENT, TWO_AGENTS, call_to, centre};
use patchbay_core::explain::Outcome;
use patchbay_core::{
    Activity, AgentId, Centre, Input, OfferFailure, RefuseReason, Status, What, validate,
};

// A3
#[test]
fn every_problem_is_named_with_its_place() {
    let text = r#"
queue = [{ id = "q", ring_seconds = 0 }, { id = "q" }, { id = "a b" }]
agent = [
  { id = "anna" },
  { id = "bert", uri = "bert", queues = ["q", "nowhere"], skills = { german = 0 } },
  { id = "carl", uri = "sip:c@192.0.2.1", password = "x" },
  { id = "dora", password = "" },
]
rule = [
  { id = "r", when = { to = "", medium = ["audio", "smell"], source = "1.2.3", hours = { from = "25:00", zone = "Mars" } }, then = { queue = "nowhere" } },
  { id = "s", when = { header = { "X Y" = "a" }, codec = [] }, then = {} },
  { id = "t", when = { to = "x" }, then = { queue = "q", refuse = 404, priority = 5000 } },
  { id = "u", when = { to = "y" }, then = { refuse = 200 } },
]
offers = { skip_seconds = 0 }
"#;
    let centre: Centre = toml::from_str(text).unwrap();
    let problems = validate(&centre);
    let mut paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        [
            "agent[0]",
            "agent[1].queues[1]",
            "agent[1].skills.german",
            "agent[1].uri",
            "agent[2].uri",
            "agent[3].password",
            "offers.skip_seconds",
            "queue[0].ring_seconds",
            "queue[1].id",
            "queue[2].id",
            "rule",
            "rule[0].then.queue",
            "rule[0].when.hours.from",
            "rule[0].when.hours.zone",
            "rule[0].when.medium[1]",
            "rule[0].when.source",
            "rule[0].when.to",
            "rule[1].then",
            "rule[1].when.codec",
            "rule[1].when.header.X Y",
            "rule[2].then.priority",
            "rule[2].then.refuse",
            "rule[3].then.refuse",
        ]
    );
    assert!(
        problems
            .iter()
            .all(|p| !p.message.is_empty() && !p.remedy.is_empty())
    );
    let mut desk = Desk::bare();
    desk.tell(Input::Configure(centre));
    assert_eq!(desk.distributor.counters().dropped_declaration, 1);
    assert!(
        toml::from_str::<Centre>("queues = []").is_err(),
        "unknown field"
    );
}

#[test]
fn a_rule_behind_one_that_matches_everything_is_a_problem() {
    let text = r#"
queue = [{ id = "q" }]
rule = [{ id = "all", then = { queue = "q" } }, { id = "x", when = { to = "x" }, then = { queue = "q" } }]
"#;
    let problems = validate(&toml::from_str(text).unwrap());
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, "rule[1]");
}

#[test]
fn what_is_written_as_json_is_read_back() {
    let declared = centre(TWO_AGENTS);
    let json = serde_json::to_string(&declared).unwrap();
    assert_eq!(serde_json::from_str::<Centre>(&json).unwrap(), declared);
}

// A3 A5
#[test]
fn the_digests_of_a_phone_are_checked() {
    let problems = |agent: &str| -> Vec<(String, String)> {
        let text = format!(
            "queue = [{{ id = \"q\" }}]\nagent = [{{ id = \"anna\", {agent} }}]\nrule = [{{ id = \"all\", then = {{ queue = \"q\" }} }}]"
        );
        let problems = validate(&toml::from_str(&text).unwrap());
        problems.into_iter().map(|p| (p.path, p.remedy)).collect()
    };
    for fine in [r#"["sha-256"]"#, r#"["md5"]"#, r#"["md5", "sha-256"]"#] {
        assert_eq!(problems(&format!(r#"password = "x", digest = {fine}"#)), []);
    }
    for (agent, path, remedy) in [
        (
            r#"password = "x", digest = []"#,
            "agent[0].digest",
            "sha-256",
        ),
        (
            r#"password = "x", digest = ["md5", "sha-256", "md5"]"#,
            "agent[0].digest[2]",
            "once",
        ),
        (
            r#"uri = "sip:a@192.0.2.1", digest = ["md5"]"#,
            "agent[0].digest",
            "remove",
        ),
    ] {
        let found = problems(agent);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, path);
        assert!(found[0].1.contains(remedy), "{found:?}");
    }
    let unknown = toml::from_str::<Centre>(r#"agent = [{ id = "a", digest = ["sha1"] }]"#);
    let unknown = unknown.unwrap_err().to_string();
    assert!(
        unknown.contains("`sha1`") && unknown.contains("`sha-256`") && unknown.contains("`md5`"),
        "{unknown}"
    );
}

#[test]
fn the_digests_of_a_phone_are_written_back_in_their_order() {
    let agent = r#"{"id":"anna","password":"x","digest":["md5","sha-256"]}"#;
    let read: Centre = serde_json::from_str(&format!(r#"{{"agent":[{agent}]}}"#)).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(
        written["agent"][0]["digest"],
        serde_json::json!(["md5", "sha-256"])
    );
    let plain: Centre = serde_json::from_str(r#"{"agent":[{"id":"anna"}]}"#).unwrap();
    let written = serde_json::to_value(&plain).unwrap();
    assert_eq!(written["agent"][0].get("digest"), None);
}

// F5
#[test]
fn the_same_declaration_again_changes_nothing() {
    let mut desk = Desk::new(TWO_AGENTS);
    desk.call(1);
    let before = desk.snapshot();
    desk.said.clear();
    desk.tell(Input::Configure(centre(TWO_AGENTS)));
    assert!(desk.said.is_empty());
    assert_eq!(desk.snapshot(), before);
}

#[test]
fn an_agent_removed_in_a_call_is_kept_until_its_end() {
    let mut desk = Desk::new(TWO_AGENTS);
    let contact = desk.call(1);
    let (_, offer, agent) = desk.offer();
    assert_eq!(agent, "anna");
    desk.answered(offer);
    let without = TWO_AGENTS.replace(r#"{ id = "anna", uri = "sip:anna@192.0.2.1" },"#, "");
    desk.tell(Input::Configure(centre(&without)));
    assert_eq!(desk.activity("anna"), "in_call");
    desk.said.clear();
    desk.ended(contact, offer);
    let told: Vec<What> = desk.events();
    let [.., idle, gone] = &told[..] else {
        panic!("{told:?}")
    };
    let anna = AgentId::new("anna");
    let activity = Activity::Idle;
    assert_eq!(
        idle,
        &What::AgentState {
            agent: anna.clone(),
            activity
        }
    );
    let (status, reachable) = (Status::LoggedOut, false);
    assert_eq!(
        gone,
        &What::AgentStatus {
            agent: anna,
            status,
            reachable
        }
    );
    let agents: Vec<String> = desk
        .snapshot()
        .agents
        .iter()
        .map(|a| a.id.to_string())
        .collect();
    assert_eq!(agents, ["bert"]);
}

#[test]
fn a_removed_queue_refuses_those_who_wait_and_lets_a_phone_ring_on() {
    let mut desk = Desk::new(ONE_AGENT);
    let ringing = desk.call(1);
    let (_, offer, _) = desk.offer();
    let waiting = desk.call(2);
    desk.said.clear();
    desk.tell(Input::Configure(centre(
        &ONE_AGENT.replace("\"q\"", "\"other\""),
    )));
    assert_eq!(
        desk.refusals(),
        [(waiting, 480, Some(5), RefuseReason::QueueRemoved)]
    );
    desk.failed(offer, OfferFailure::Busy, 486);
    assert_eq!(
        desk.refusals(),
        [(ringing, 480, Some(5), RefuseReason::QueueRemoved)]
    );
    desk.pass(5_000);
    let next = desk.call(3);
    assert_eq!(desk.offer().0, next);
}

#[test]
fn a_skill_given_to_an_idle_agent_serves_at_once() {
    let needs = ONE_AGENT.replace(
        r#"queue = "q" }"#,
        r#"queue = "q", skills = { german = 2 } }"#,
    );
    let mut desk = Desk::new(&needs);
    desk.call(1);
    desk.call(2);
    assert!(desk.offers().is_empty());
    let given = needs.replace(
        r#"id = "anna","#,
        r#"id = "anna", skills = { german = 2 },"#,
    );
    desk.tell(Input::Configure(centre(&given)));
    assert_eq!(desk.offer().0.0, 1);
    assert_eq!(desk.waiting(), [1, 2]);
}

// A3: the dry run explains, and changes nothing.
#[test]
fn the_dry_run_says_which_condition_failed_and_who_was_passed_over() {
    let text = r#"
queue = [{ id = "q" }, { id = "night" }]
agent = [
  { id = "anna", uri = "sip:a@192.0.2.1", queues = ["q"], skills = { german = 1 } },
  { id = "bert", uri = "sip:b@192.0.2.2", queues = ["night"] },
  { id = "carl", uri = "sip:c@192.0.2.3", skills = { german = 9 } },
]
rule = [
  { id = "vip", when = { to = "q@*", header = { X-Level = "gold*" } }, then = { queue = "q" } },
  { id = "all", then = { queue = "q", skills = { german = 2 } } },
]
"#;
    let mut desk = Desk::new(text);
    let before = desk.snapshot();
    let mut facts = call_to("q");
    facts.headers.push(("x-level".into(), "silver".into()));
    let explanation = desk.distributor.explain(&facts, desk.now());
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(
        explanation.outcome,
        Outcome::Offer {
            agent: "carl".into()
        }
    );
    assert_eq!(json["rules"][0]["matched"], false);
    assert_eq!(json["rules"][0]["conditions"][0]["holds"], true);
    let failed = &json["rules"][0]["conditions"][1];
    assert_eq!(failed["condition"], "header.X-Level");
    assert_eq!(
        (failed["wanted"].as_str(), failed["found"].as_str()),
        (Some("gold*"), Some("silver"))
    );
    assert_eq!(json["rules"][1]["matched"], true);
    let considered = json["choice"]["considered"].as_array().unwrap();
    let verdicts: Vec<_> = considered
        .iter()
        .map(|c| (c["agent"].as_str().unwrap(), c["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("carl", "chosen"),
            ("anna", "lacks_skill"),
            ("bert", "not_in_queue")
        ]
    );
    assert_eq!(desk.snapshot(), before);
    facts.headers[0].1 = "Golden".into();
    desk.call_as(1, facts);
    let events = serde_json::to_string(&desk.events()).unwrap();
    assert!(
        events.contains("header.X-Level: Golden fits gold*"),
        "{events}"
    );
}

// A4
#[test]
fn agents_who_become_free_together_ring_for_one_caller_each_before_for_one_caller_both() {
    let declared = |paused: bool| {
        centre(&format!(
            r#"
queue = [{{ id = "q", strategy = "ring_all" }}]
agent = [
  {{ id = "anna", uri = "sip:anna@192.0.2.1", paused = {paused} }},
  {{ id = "bert", uri = "sip:bert@192.0.2.2", paused = {paused} }},
]
rule = [{{ id = "all", then = {{ queue = "q" }} }}]
"#
        ))
    };
    let mut desk = Desk::bare();
    desk.tell(Input::Configure(declared(true)));
    desk.call(1);
    desk.call(2);
    desk.tell(Input::Configure(declared(false)));
    let offers = desk.offers().into_iter();
    let contacts: Vec<u64> = offers.map(|(contact, ..)| contact.0).collect();
    assert_eq!(contacts, [1, 2]);
}
