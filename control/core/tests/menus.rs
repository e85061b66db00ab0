//! Callers who choose from menus, tier by tier, before the rules know what they want.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Desk, call_to};
use patchbay_core::explain::Outcome;
use patchbay_core::{ContactId, Facts, Input, Output, RefuseReason, Slot, What, validate};
use patchbay_route::waiting::{Part, Say};

/// Sales, and support with a finer menu.
const TIERS: &str = r##"
queue = [
  { id = "sales", max_wait_seconds = 600, when_no_agents = "wait" },
  { id = "de", max_wait_seconds = 600, when_no_agents = "wait", waiting = { music = "walzer", language = "de" } },
  { id = "en", max_wait_seconds = 600, when_no_agents = "wait" },
]
agent = [{ id = "anna", uri = "sip:a@192.0.2.1", queues = ["sales"] }]
menu = [
  { id = "main", say = ["welcome", "main"], seconds = 5, times = 2, repeat = "#", choice = [
    { key = "1", answer = "sales", title = "Sales" }, { key = "2", answer = "support" } ] },
  { id = "language", say = ["language"], default = "en", seconds = 5, choice = [
    { key = "1", answer = "de" }, { key = "*", answer = "en" } ] },
]
rule = [
  { id = "vip", when = { from = "sip:boss@*" }, then = { queue = "sales" } },
  { id = "ask", then = { menu = "main" } },
  { id = "sales", when = { answer = { main = "sales" } }, then = { queue = "sales" } },
  { id = "which", then = { menu = "language" } },
  { id = "de", when = { answer = { main = "support", language = "de" } }, then = { queue = "de" } },
  { id = "en", then = { queue = "en" } },
]
"##;

fn press(desk: &mut Desk, contact: ContactId, key: char) {
    desk.tell(Input::ContactPressed { contact, key });
}

fn said(desk: &Desk) -> Vec<Say> {
    let said = desk.said.iter().filter_map(|output| match output {
        Output::Say { say, .. } => Some(say.clone()),
        _ => None,
    });
    said.collect()
}

fn spoken(names: &[&str]) -> Say {
    let parts = names.iter().map(|name| Part::Recording((*name).into()));
    Say {
        parts: parts.collect(),
        ..Say::default()
    }
}

fn hears(desk: &Desk) -> usize {
    let hears = |output: &&Output| matches!(output, Output::Hear { .. });
    desk.said.iter().filter(hears).count()
}

fn queue_of(desk: &Desk) -> Vec<String> {
    let events = desk.events().into_iter();
    let typed = events.filter_map(|what| match what {
        What::ContactTyped { queue, .. } => Some(queue.to_string()),
        _ => None,
    });
    typed.collect()
}

// D15
#[test]
fn a_choice_opens_a_finer_menu_and_the_rules_know_both() {
    let mut desk = Desk::new(TIERS);
    let contact = desk.call(1);
    assert_eq!((hears(&desk), queue_of(&desk).len()), (1, 0));
    assert_eq!(said(&desk), [], "the way to the phone is not open yet");
    desk.pass(1_000);
    assert_eq!(said(&desk), [spoken(&["welcome", "main"])]);
    press(&mut desk, contact, '9');
    assert_eq!(desk.distributor.counters().keys_for_nothing, 1);
    press(&mut desk, contact, '2');
    desk.said.clear();
    desk.pass(1_000);
    assert_eq!(said(&desk), [spoken(&["language"])]);
    press(&mut desk, contact, '1');
    assert_eq!(queue_of(&desk), ["de"]);
    assert_eq!(hears(&desk), 0, "it hears something already");
    let music = said(&desk).into_iter().filter_map(|say| say.music);
    assert!(music.eq(["walzer".to_owned()]), "{:?}", desk.said);
    let json = serde_json::to_value(desk.snapshot().contacts[0].state).unwrap();
    assert_eq!(json, "waiting");
}

// D15
#[test]
fn who_needs_no_menu_gets_none() {
    let mut desk = Desk::new(TIERS);
    let boss = Facts {
        from: "sip:boss@example.net".into(),
        ..call_to("q")
    };
    desk.call_as(1, boss);
    assert_eq!((hears(&desk), queue_of(&desk)), (0, vec!["sales".into()]));
    // Who has chosen elsewhere is not asked again.
    let chosen = Facts {
        answers: [("main".to_owned(), "support".to_owned())].into(),
        ..call_to("q")
    };
    desk.said.clear();
    desk.call_as(2, chosen);
    desk.pass(1_000);
    assert_eq!(said(&desk), [spoken(&["language"])]);
}

// D15
#[test]
fn who_presses_nothing_gets_the_default_or_is_refused() {
    let mut desk = Desk::new(TIERS);
    let first = desk.call(1);
    desk.pass(5_999);
    assert_eq!(said(&desk).len(), 1);
    desk.pass(1);
    assert_eq!(said(&desk).len(), 2, "said once more");
    desk.pass(5_000);
    let refused = desk.refusals();
    assert_eq!(refused[0].0, first);
    assert_eq!(refused[0].3, RefuseReason::NothingChosen);

    let second = desk.call(2);
    press(&mut desk, second, '2');
    desk.pass(11_000);
    assert_eq!(queue_of(&desk), ["en"], "by the default");
}

// D15
#[test]
fn who_asks_for_it_hears_the_menu_once_more_as_if_for_the_first_time() {
    let mut desk = Desk::new(TIERS);
    let contact = desk.call(1);
    desk.pass(1_000 + 5_000 + 4_000);
    assert_eq!(said(&desk).len(), 2, "the second of two times");
    desk.said.clear();
    press(&mut desk, contact, '#');
    // Music that is named ends what is being said.
    let at_once = Say {
        music: Some("music".into()),
        ..Say::default()
    };
    let menu = spoken(&["welcome", "main"]);
    assert_eq!(said(&desk), [at_once.clone(), menu.clone()]);
    desk.pass(4_999);
    assert_eq!(said(&desk).len(), 2);
    desk.pass(1);
    assert_eq!(said(&desk), [at_once, menu.clone(), menu], "twice again");
    assert_eq!(desk.distributor.counters().keys_for_nothing, 0);
    press(&mut desk, contact, '1');
    assert_eq!(queue_of(&desk), ["sales"]);
}

// D15
#[test]
fn a_key_that_repeats_is_one_of_a_phone_and_of_no_choice() {
    for key in ["1", "x"] {
        let wrong = TIERS.replace("repeat = \"#\"", &format!("repeat = \"{key}\""));
        let problems = validate(&toml::from_str(&wrong).unwrap());
        let paths: Vec<_> = problems.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["menu[0].repeat"]);
    }
}

// D15 A7
#[test]
fn who_cannot_hear_a_menu_has_chosen_its_default() {
    let mut desk = Desk::new(TIERS);
    let chat = Facts {
        medium: Some(Slot::Chat),
        media: Vec::new(),
        answers: [("main".to_owned(), "support".to_owned())].into(),
        ..call_to("q")
    };
    desk.tell(Input::ContactRequested {
        contact: ContactId(1),
        facts: Box::new(chat),
    });
    assert_eq!((hears(&desk), queue_of(&desk)), (0, vec!["en".into()]));
}

// D15
#[test]
fn a_caller_who_hangs_up_in_a_menu_leaves_nothing_behind() {
    let mut desk = Desk::new(TIERS);
    let contact = desk.call(1);
    let json = serde_json::to_value(desk.snapshot().contacts[0].state).unwrap();
    assert_eq!(json, "in_menu");
    desk.gone(contact);
    desk.pass(60_000);
    press(&mut desk, contact, '1');
    assert_eq!(queue_of(&desk), [] as [String; 0]);
    desk.pass(600_000);
    let held = desk.distributor.held();
    assert_eq!((held.contacts, held.timers), (0, 0));
}

// D15
#[test]
fn a_menu_that_is_declared_no_more_keeps_nobody() {
    let mut desk = Desk::new(TIERS);
    desk.call(1);
    desk.tell(Input::Configure(common::centre(common::ONE_AGENT)));
    desk.pass(1_000);
    assert_eq!(desk.refusals()[0].3, RefuseReason::NothingChosen);
}

// D15
#[test]
fn an_explanation_says_which_menu_comes_next() {
    let mut desk = Desk::new(TIERS);
    let now = desk.now();
    let mut facts = call_to("q");
    let mut outcome = |facts: &Facts| desk.distributor.explain(facts, now).outcome;
    let menu = |id: &str| Outcome::Menu { menu: id.into() };
    assert_eq!(outcome(&facts), menu("main"));
    facts.answers.insert("main".into(), "support".into());
    assert_eq!(outcome(&facts), menu("language"));
    facts.answers.insert("main".into(), "sales".into());
    assert!(matches!(outcome(&facts), Outcome::Offer { .. }));
}

// D15 F4
#[test]
fn the_problems_of_menus_are_told_together() {
    let text = r#"
queue = [{ id = "q" }]
menu = [
  { id = "m", say = ["../x"], seconds = 1, times = 9, default = "c", choice = [
    { key = "1", answer = "a" }, { key = "1", answer = "a" }, { key = "x", answer = "b b" } ] },
  { id = "n", say = [], choice = [] },
]
rule = [
  { id = "r", then = { menu = "none" } },
  { id = "s", then = { menu = "m", queue = "q" } },
  { id = "t", when = { answer = { m = ["a", "z"] } }, then = { queue = "q" } },
]
"#;
    let centre = toml::from_str(text).unwrap();
    let paths: Vec<String> = validate(&centre).into_iter().map(|one| one.path).collect();
    for path in [
        "menu[0].say[0]",
        "menu[0].seconds",
        "menu[0].times",
        "menu[0].default",
        "menu[0].choice[1].key",
        "menu[0].choice[1].answer",
        "menu[0].choice[2].key",
        "menu[0].choice[2].answer",
        "menu[1].choice",
        "rule[0].then.menu",
        "rule[1].then.menu",
        "rule[2].when.answer.m[1]",
        "rule",
    ] {
        assert!(paths.iter().any(|found| found == path), "{path}: {paths:?}");
    }
    assert_eq!(paths.len(), 13, "{paths:?}");
}

fn tier(desk: &mut Desk, choice: &[&str]) -> Option<serde_json::Value> {
    let facts = Facts {
        choice: choice.iter().map(|word| (*word).to_owned()).collect(),
        ..call_to("q")
    };
    let now = desk.now();
    let tier = desk.distributor.tier(&facts, now)?;
    Some(serde_json::to_value(tier).unwrap())
}

// D15 D1
#[test]
fn a_link_opens_finer_links_down_to_groups_with_who_is_there() {
    let mut desk = Desk::new(TIERS);
    let top = tier(&mut desk, &[]).unwrap();
    assert_eq!(
        (&top["opens"], &top["menu"]),
        (&"menu".into(), &"main".into())
    );
    let sales = &top["links"][0];
    assert_eq!(
        (&sales["answer"], &sales["title"], &sales["opens"]),
        (&"sales".into(), &"Sales".into(), &"group".into())
    );
    assert_eq!(sales["queue"], "sales");
    assert_eq!(sales["agents_available"], 1);
    assert_eq!(top["links"][1]["opens"], "menu");
    let support = tier(&mut desk, &["support"]).unwrap();
    assert_eq!(support["answers"]["main"], "support");
    assert_eq!(support["links"][0]["queue"], "de");
    assert_eq!(support["links"][0]["agents"], 0);
    let german = tier(&mut desk, &["support", "de"]).unwrap();
    assert_eq!(
        (&german["opens"], &german["queue"]),
        (&"group".into(), &"de".into())
    );
    assert_eq!(tier(&mut desk, &["nonsense"]), None);
    assert_eq!(tier(&mut desk, &["sales", "de"]), None);
    assert_eq!(desk.said.len(), 0, "nothing was changed");
}

// D15
#[test]
fn who_followed_a_link_is_asked_only_what_it_left_open() {
    let mut desk = Desk::new(TIERS);
    let followed = |words: &[&str]| Facts {
        choice: words.iter().map(|word| (*word).to_owned()).collect(),
        ..call_to("q")
    };
    desk.call_as(1, followed(&["support", "de"]));
    assert_eq!((hears(&desk), queue_of(&desk)), (1, vec!["de".into()]));
    desk.said.clear();
    desk.call_as(2, followed(&["support"]));
    desk.pass(1_000);
    assert_eq!(said(&desk), [spoken(&["language"])]);
    desk.said.clear();
    desk.call_as(3, followed(&["nonsense"]));
    desk.pass(1_000);
    assert_eq!(said(&desk), [spoken(&["welcome", "main"])]);
}
