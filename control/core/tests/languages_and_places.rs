//! Languages and places of agents: asked of them like skills (A4).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to};
use patchbay_core::{Input, Output, RefuseReason, validate};

const OFFICES: &str = r#"
queue = [{ id = "q", ring_seconds = 10, max_wait_seconds = 60 }]
agent = [
  { id = "anna", uri = "sip:anna@192.0.2.1", languages = ["de-CH", "EN"], site = "bern" },
  { id = "bert", uri = "sip:bert@192.0.2.2", languages = ["en"], site = "oslo", skills = { tax = 3 } },
]

[[rule]]
id = "german"
when = { to = "de@*" }
then = { queue = "q", language = "DE" }

[[rule]]
id = "swiss"
when = { to = "ch@*" }
then = { queue = "q", language = "de-ch", skills = { tax = 1 }, relax = [{ after_seconds = 5, skills = { "language:de-ch" = 1 } }] }

[[rule]]
id = "oslo"
when = { to = "oslo@*" }
then = { queue = "q", site = "oslo", language = "en" }

[[rule]]
id = "french"
then = { queue = "q", language = "fr" }
"#;

fn served_by(to: &str) -> Option<String> {
    let mut desk = Desk::new(OFFICES);
    desk.call_as(1, call_to(to));
    desk.offers().pop().map(|(_, _, agent)| agent)
}

// A4
#[test]
fn a_contact_has_an_agent_who_speaks_its_language_and_works_where_it_asks() {
    assert_eq!(served_by("de").as_deref(), Some("anna"), "de-CH is German");
    assert_eq!(served_by("oslo").as_deref(), Some("bert"));
    assert_eq!(served_by("ch"), None, "nobody has that and the skill");
    assert_eq!(served_by("fr"), None);
}

// A4
#[test]
fn a_language_is_relaxed_explained_and_shown_like_a_skill() {
    let mut desk = Desk::new(OFFICES);
    desk.call_as(1, call_to("ch"));
    desk.pass(4_999);
    assert_eq!(desk.offers(), []);
    let explained = serde_json::to_string(&desk.distributor.explain(&call_to("ch"), desk.now()));
    let explained = explained.unwrap();
    assert!(explained.contains("language:de-ch"), "{explained}");
    desk.pass(1);
    assert_eq!(desk.offer().2, "anna");
    let snapshot = desk.snapshot();
    let anna = snapshot.agents.iter().find(|one| one.id.as_str() == "anna");
    let skills = anna.unwrap().skills.keys().cloned();
    assert_eq!(
        Vec::from_iter(skills),
        ["language:de", "language:de-ch", "language:en", "site:bern"]
    );
}

// A4
#[test]
fn an_agent_who_learns_a_language_serves_who_waits_for_it() {
    let mut desk = Desk::new(OFFICES);
    desk.call_as(1, call_to("fr"));
    assert_eq!(desk.offers(), []);
    let learned = OFFICES.replace("[\"en\"]", "[\"en\", \"fr\"]");
    desk.tell(Input::Configure(common::centre(&learned)));
    assert_eq!(desk.offer().2, "bert");
    let refused = desk.said.iter().find_map(|output| match output {
        Output::Refuse { why, .. } => Some(*why),
        _ => None,
    });
    assert_eq!(refused, None::<RefuseReason>);
}

// A4
#[test]
fn what_is_no_language_and_no_place_is_refused() {
    for (right, wrong, path) in [
        ("\"EN\"", "\"en_US\"", "agent[0].languages[1]"),
        ("\"EN\"", "\"\"", "agent[0].languages[1]"),
        ("\"bern\"", "\"b ern\"", "agent[0].site"),
        ("\"DE\"", "\"german language\"", "rule[0].then.language"),
        ("\"oslo\", language", "\"\", language", "rule[2].then.site"),
        (
            "\"language:de-ch\" = 1",
            "\"language:it\" = 1",
            "rule[1].then.relax[0].skills.language:it",
        ),
        ("tax = 3", "\"tax:x\" = 3", "agent[1].skills"),
    ] {
        let text = OFFICES.replace(right, wrong);
        assert_ne!(text, OFFICES);
        let problems = validate(&toml::from_str(&text).unwrap());
        let paths: Vec<&str> = problems.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, [path], "{wrong}");
    }
}
