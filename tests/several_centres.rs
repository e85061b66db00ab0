//! Two centres share their agents by what they declare: a caller who waits at one is served by an agent of
//! the other if that one is free first, and keeps the place otherwise.

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use support::{CALL, CALLER, Centre, Declaration, Media, SOON, Setup, Sipp, have, until};

/// What each side of a call says.
const PACKETS: u16 = 50;

/// A centre with a caller, and another one that lends its agents.
struct Two {
    here: Centre,
    there: Centre,
    /// Where the other one's API is, as far as this one knows.
    api: SocketAddr,
    token: String,
}

impl Two {
    fn start() -> Two {
        let lyon = format!("realm = \"lyon.example\"\n{}", support::centre::MD5_ONLY);
        let there = Setup::default().control(&lyon).start();
        let here = Setup::default()
            .control("realm = \"paris.example\"")
            .start();
        Two {
            here,
            api: there.api_address,
            there,
            token: String::new(),
        }
    }

    /// The other centre has this, and gives out a token for its queue.
    fn lends(&mut self, declaration: &Declaration) {
        self.there.apply(declaration);
        self.token = self.gives_token(&["support"]);
    }

    fn gives_token(&self, queues: &[&str]) -> String {
        let wish = json!({ "name": "paris", "role": "integration", "scopes": ["contacts:route"], "queues": queues });
        let answer = self
            .there
            .api
            .request("POST", "/api/v1/tokens", Some(&wish));
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["token"].as_str().expect("a token").to_owned()
    }

    /// This centre asks the other one, with further keys of `[[site]]`.
    fn asks(&self, declaration: Declaration, keys: &str) {
        let site = format!(
            "[[site]]\nid = \"lyon\"\nurl = \"http://{}\"\ntoken = \"{}\"\nedge = \"sip:{}\"\n\
             queues = {{ support = \"support\" }}\n{keys}\n",
            self.api, self.token, self.there.edge,
        );
        self.here.apply(&declaration.rules(&site));
    }

    fn wait_empty(&self) {
        self.here.wait_empty();
        self.there.wait_empty();
    }
}

/// Somebody of this centre who is in no call and takes none.
fn nobody_is_there(at: SocketAddr) -> Declaration {
    let keys = format!("uri = \"sip:anna@{at}\"\npaused = true");
    Declaration::new().agent("anna", &keys)
}

fn ready(centre: &Centre, agent: &str) {
    let path = format!("/api/v1/agents/{agent}/status");
    let answer = centre
        .api
        .request("POST", &path, Some(&json!({ "status": "ready" })));
    assert!(answer.status < 300, "{}", answer.text);
}

/// The stories of all contacts.
fn stories(centre: &Centre) -> Vec<String> {
    let all = centre.api.get("/api/v1/contacts");
    let lists = ["live", "past"].iter();
    let contacts = lists.filter_map(|list| all[list].as_array()).flatten();
    let stories = contacts.filter_map(|one| {
        let path = format!("/api/v1/contacts/{}/timeline", one["id"].as_str()?);
        // A contact that came just now has no story in the store.
        let answer = centre.api.try_request("GET", &path, None)?;
        (answer.status == 200).then_some(answer.text)
    });
    stories.collect()
}

/// Waits for a story that says so.
fn tells(centre: &Centre, words: &str) {
    until(&format!("a story says: {words}"), SOON, || {
        stories(centre)
            .into_iter()
            .find(|story| story.contains(words))
    });
}

// D12
#[test]
fn a_caller_is_served_by_an_agent_of_another_centre() {
    if !have(&["sipp"]) {
        return;
    }
    let mut two = Two::start();
    let berthe = two.there.agent_address();
    two.lends(&Declaration::new().at("berthe", berthe));
    two.asks(nobody_is_there(two.here.agent_address()), "");
    let voices = [
        Media::open(CALLER, &two.here.ports),
        Media::open(support::AGENT, &two.there.ports),
    ];
    let phone = Sipp::agent("agent.xml", berthe, &two.there)
        .media(&voices[1])
        .start();
    let caller = Sipp::caller("caller.xml", CALLER, &two.here)
        .media(&voices[0])
        .hold(Duration::from_secs(3))
        .start();
    let to_berthe = caller.answered().audio().expect("an answer with audio");
    let offer = phone.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to_carla = offer.audio().expect("an offer with audio");
    two.there.wait_in_call("berthe");
    let seen = two.here.contacts();
    assert_eq!(seen[0]["agent"], "berthe@lyon", "{seen:?}");
    let theirs = two.there.contacts();
    assert_eq!(theirs[0]["call_type"], "paris.example", "{theirs:?}");
    assert_eq!(theirs[0]["carried"], "relay");
    assert_ne!(
        to_berthe.port(),
        to_carla.port(),
        "two relays are between them"
    );
    std::thread::scope(|threads| {
        threads.spawn(|| voices[0].talk(to_berthe, 1, PACKETS));
        threads.spawn(|| voices[1].talk(to_carla, 1, PACKETS));
    });
    voices[0].wait_intact(voices[1].ssrc(), PACKETS.into(), SOON);
    voices[1].wait_intact(voices[0].ssrc(), PACKETS.into(), SOON);
    caller.succeeds(CALL);
    phone.succeeds(SOON);
    two.wait_empty();
    tells(&two.here, "asks lyon for an agent too");
    tells(&two.here, "berthe@lyon answers");
    tells(&two.there, "whoever asked for berthe calls here");
    tells(&two.there, "berthe answers");
    two.there.wait_available("berthe");
}

// D12
#[test]
fn an_agent_of_ones_own_who_is_free_first_has_the_caller() {
    if !have(&["sipp"]) {
        return;
    }
    let mut two = Two::start();
    let anna = two.here.agent_address();
    two.lends(&Declaration::new().agent(
        "berthe",
        &format!(
            "uri = \"sip:berthe@{}\"\npaused = true",
            two.there.agent_address()
        ),
    ));
    two.asks(nobody_is_there(anna), "");
    let phone = Sipp::agent("agent.xml", anna, &two.here).start();
    let caller = Sipp::caller("caller_queued.xml", CALLER, &two.here).start();
    caller.receives("182", SOON, |sip| sip.status() == Some(182));
    until("the caller waits in both centres", SOON, || {
        (two.there.contacts().len() == 1).then_some(())
    });
    ready(&two.here, "anna");
    caller.succeeds(CALL);
    phone.succeeds(SOON);
    until("the other centre has let the caller go", SOON, || {
        two.there.contacts().is_empty().then_some(())
    });
    let theirs = stories(&two.there).concat();
    assert!(!theirs.contains("contact_offered"), "{theirs}");
    two.wait_empty();
}

// D12
#[test]
fn who_is_not_answered_there_keeps_the_place_here() {
    if !have(&["sipp"]) {
        return;
    }
    let mut two = Two::start();
    let (anna, berthe) = (two.here.agent_address(), two.there.agent_address());
    two.lends(
        &Declaration::new()
            .queue("ring_seconds", 1)
            .at("berthe", berthe),
    );
    two.asks(nobody_is_there(anna), "");
    let silent = Sipp::agent("agent_does_not_answer.xml", berthe, &two.there).start();
    let phone = Sipp::agent("agent.xml", anna, &two.here).start();
    let caller = Sipp::caller("caller_queued.xml", CALLER, &two.here).start();
    tells(&two.here, "berthe@lyon");
    silent.succeeds(CALL);
    tells(&two.here, "offer_failed");
    ready(&two.here, "anna");
    caller.succeeds(CALL);
    phone.succeeds(SOON);
    two.wait_empty();
    tells(&two.here, "anna answers");
}

// D12
#[test]
fn a_caller_who_hangs_up_frees_the_agent_of_the_other_centre() {
    if !have(&["sipp"]) {
        return;
    }
    let mut two = Two::start();
    let berthe = two.there.agent_address();
    two.lends(&Declaration::new().registers("berthe", "a-long-password"));
    two.asks(nobody_is_there(two.here.agent_address()), "");
    // Behind its registration the phone is reached by its own centre alone.
    Sipp::register("berthe", "a-long-password", berthe, &two.there)
        .word("seconds", "600")
        .word("status", "200")
        .start()
        .succeeds(SOON);
    two.there.wait_available("berthe");
    let phone = Sipp::agent("agent_does_not_answer.xml", berthe, &two.there).start();
    let caller = Sipp::caller("caller_cancels.xml", CALLER, &two.here)
        .hold(Duration::from_millis(300))
        .word("before", "182")
        .word("after", "180")
        .start();
    caller.succeeds(CALL);
    phone.succeeds(SOON);
    two.wait_empty();
    two.there.wait_available("berthe");
    tells(&two.there, "contact_abandoned");
    let theirs = stories(&two.there);
    assert_eq!(theirs.len(), 1, "{theirs:?}");
}

// D12
#[test]
fn a_centre_that_is_away_or_refuses_is_asked_again_while_callers_wait() {
    if !have(&["sipp"]) {
        return;
    }
    let mut two = Two::start();
    let berthe = two.there.agent_address();
    two.lends(&Declaration::new().at("berthe", berthe));
    let good = std::mem::replace(&mut two.token, "no-token-of-theirs".to_owned());
    two.asks(nobody_is_there(two.here.agent_address()), "");
    let phone = Sipp::agent("agent.xml", berthe, &two.there).start();
    let caller = Sipp::caller("caller_queued.xml", CALLER, &two.here).start();
    tells(&two.here, "it does not take our token for that queue");
    let away = SocketAddr::new(CALLER, two.there.api_address.port());
    let api = std::mem::replace(&mut two.api, away);
    two.asks(nobody_is_there(two.here.agent_address()), "");
    tells(&two.here, "it could not be reached");
    two.api = api;
    two.token = good;
    two.asks(nobody_is_there(two.here.agent_address()), "");
    caller.succeeds(CALL);
    phone.succeeds(SOON);
    two.wait_empty();
    tells(&two.here, "berthe@lyon answers");
    let shown = two.here.api.get("/api/v1/centre").to_string();
    assert!(
        !shown.contains(&two.token) && shown.contains("token_set"),
        "{shown}"
    );
}

// D12
#[test]
fn nobody_is_led_to_an_agent_by_a_name_that_was_not_given() {
    if !have(&["sipp"]) {
        return;
    }
    let mut two = Two::start();
    let berthe = two.there.agent_address();
    two.lends(&Declaration::new().at("berthe", berthe));
    let wish = json!({
        "medium": "call", "from": "sip:dora@example.net", "to": "sip:support@centre.example",
        "queue": "support",
    });
    let offered = two.there.api.request("POST", "/api/v1/route", Some(&wish));
    let offered = offered.json();
    let claim = offered["claim"].as_str().expect("a claim").to_owned();
    let (proved, proof) = claim.rsplit_once('-').expect("a proof");
    let forged = format!("{proved}-{}", "0".repeat(proof.len()));
    let phone = Sipp::agent("agent.xml", berthe, &two.there).start();
    let refused = |name: &str| {
        let caller = Sipp::caller("caller_refused.xml", CALLER, &two.there)
            .calls_for(name)
            .word("status", "404")
            .start();
        caller.succeeds(CALL);
    };
    refused(&forged);
    assert_eq!(two.there.agent("berthe")["activity"], "reserved");
    let caller = Sipp::caller("caller.xml", CALLER, &two.there)
        .calls_for(&claim)
        .start();
    caller.succeeds(CALL);
    phone.succeeds(SOON);
    two.there.wait_empty();
    refused(&claim);
    let path = format!(
        "/api/v1/route/{}",
        offered["contact"].as_str().expect("an id")
    );
    let report = json!({ "result": "ended", "offer": offered["offer"] });
    let answer = two.there.api.request("POST", &path, Some(&report));
    assert_eq!(answer.status, 409, "{}", answer.text);
}
