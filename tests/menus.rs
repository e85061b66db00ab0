//! Menus that callers choose from, tier by tier, and links that lead past them: the same tree for phones and
//! for web pages.

use crate::support;
use crate::waiting_callers::{MUSIC_HZ, THANKS_HZ, hears, invites, sounds, with, with_events};

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use support::sipp::received;
use support::{CALL, CALLER, Centre, Declaration, Media, RELAY, SOON, Setup, Sipp, have, until};

/// Support in two languages; only one has an agent.
const TIERS: &str = r#"
[[queue]]
id = "german"
[[queue]]
id = "english"

[[menu]]
id = "main"
title = "What is it about?"
say = ["thanks"]
music = "soft"
seconds = 5
times = 1
repeat = "*"
[[menu.choice]]
key = "1"
answer = "support"
title = "Support"
[[menu.choice]]
key = "2"
answer = "sales"
title = "Sales"

[[menu]]
id = "language"
say = ["thanks"]
music = "soft"
[[menu.choice]]
key = "2"
answer = "german"
[[menu.choice]]
key = "1"
answer = "english"

[[rule]]
id = "main"
then = { menu = "main" }
[[rule]]
id = "language"
when = { answer = { main = "support" } }
then = { menu = "language" }
[[rule]]
id = "german"
when = { answer = { language = "german" } }
then = { queue = "german" }
[[rule]]
id = "english"
when = { answer = { language = "english" } }
then = { queue = "english" }
[[rule]]
id = "nobody"
when = { answer = { main = "sales" } }
then = { refuse = 486 }
"#;

/// The key `*` as a telephone event (RFC 4733 section 3.2).
const STAR: u8 = 10;

fn declare(centre: &Centre, anna: SocketAddr) {
    let declaration = Declaration::new()
        .agent(
            "anna",
            &format!("uri = \"sip:anna@{anna}\"\nqueues = [\"german\"]"),
        )
        .rules(TIERS);
    centre.apply(&declaration);
}

fn tier(centre: &Centre, choice: &str) -> Value {
    centre.api.get(&format!(
        "/api/v1/links?to=sip:support@centre.example&choice={choice}"
    ))
}

// D15 D14
#[test]
fn a_caller_chooses_from_one_menu_after_the_other_and_gets_its_agent() {
    let folder = sounds();
    if !have(&["sipp"]) {
        return;
    }
    let centre = with(Setup::default(), &folder).start();
    let at = centre.agent_address();
    declare(&centre, at);
    let anna = Sipp::agent("agent.xml", at, &centre).start();
    let carla = Media::open(CALLER, &centre.ports);
    let caller = with_events(Sipp::caller("caller.xml", CALLER, &centre))
        .media(&carla)
        .hold(Duration::from_secs(1))
        .start();
    let progress = caller.receives("early media", SOON, |sip| sip.status() == Some(183));
    let line = progress.audio().expect("an answer with audio");
    assert_eq!(line.ip(), RELAY);
    hears(&carla, MUSIC_HZ);
    hears(&carla, THANKS_HZ);
    assert_eq!(centre.contacts()[0]["state"], "in_menu");
    // It is said once, unless the caller asks.
    hears(&carla, MUSIC_HZ);
    carla.press(line, STAR, 50);
    hears(&carla, THANKS_HZ);
    carla.press(line, 1, 100);
    until("the finer menu", SOON, || {
        let story = centre.story()?;
        story.contains("choose from menu language").then_some(())
    });
    hears(&carla, MUSIC_HZ);
    carla.press(line, 2, 200);
    let seen = caller.succeeds(CALL);
    assert_eq!(invites(&seen), 0, "no re-INVITE");
    let answers = received(&seen).filter(|sip| sip.status() == Some(200));
    assert!(answers.count() >= 1);
    anna.succeeds(SOON);
    centre.wait_empty();
    until("the rule is told", SOON, || {
        let past = centre.api.get("/api/v1/contacts");
        (past["past"][0]["rule"] == "german").then_some(())
    });
}

// D15
#[test]
fn who_followed_a_link_is_not_asked() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Centre::start();
    let at = centre.agent_address();
    declare(&centre, at);
    let anna = Sipp::agent("agent.xml", at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .word("target", ";choice=support.german")
        .start();
    let seen = caller.succeeds(CALL);
    assert!(!received(&seen).any(|sip| sip.status() == Some(183)));
    anna.succeeds(SOON);
    centre.wait_empty();
}

// D15 D1
#[test]
fn a_link_opens_finer_links_with_who_is_there() {
    let centre = Centre::start();
    let at = centre.agent_address();
    declare(&centre, at);
    let top = tier(&centre, "");
    assert_eq!(
        (&top["opens"], &top["menu"], &top["about"]),
        (&json!("menu"), &json!("main"), &json!("What is it about?"))
    );
    let links = top["links"].as_array().expect("links");
    let opens: Vec<&Value> = links.iter().map(|link| &link["opens"]).collect();
    assert_eq!(opens, ["menu", "refused"], "{top}");
    assert_eq!(links[0]["title"], "Support");
    let support = tier(&centre, "support");
    let german = &support["links"][0];
    assert_eq!(
        (&german["queue"], &german["agents_available"]),
        (&json!("german"), &json!(1))
    );
    assert_eq!(german["expected_wait_ms"], 0);
    assert_eq!(support["links"][1]["agents"], 0);
    assert_eq!(tier(&centre, "support.german")["opens"], "group");
    for (query, status) in [
        ("to=sip:a@b&choice=nonsense", 404),
        ("to=sip:a@b&choice=support.german.more", 404),
        ("to=sip:a@b&choice=..", 400),
        ("to=", 400),
    ] {
        let path = format!("/api/v1/links?{query}");
        let answer = centre.api.request("GET", &path, None);
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
    }
}

// D15
#[test]
fn who_chooses_nothing_is_told_so() {
    let folder = sounds();
    if !have(&["sipp"]) {
        return;
    }
    let centre = with(Setup::default(), &folder).start();
    let once = TIERS.replace("seconds = 5", "seconds = 3");
    let anna = format!("uri = \"sip:anna@{}\"", centre.agent_address());
    centre.apply(&Declaration::new().agent("anna", &anna).rules(&once));
    let carla = Media::open(CALLER, &centre.ports);
    let caller = Sipp::caller("caller_refused.xml", CALLER, &centre)
        .word("status", "480")
        .media(&carla)
        .start();
    let seen = caller.succeeds(CALL);
    let refused = received(&seen).find(|sip| sip.status() == Some(480));
    let why = refused.and_then(|sip| sip.header("Warning")).unwrap_or("");
    assert!(why.contains("chose nothing"), "{why}");
    centre.wait_empty();
}
