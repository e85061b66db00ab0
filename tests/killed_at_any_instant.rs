//! Control is killed at random instants while it is being changed: whatever it has confirmed is there when it
//! is started again, and nothing is there by halves.
//!
//! `PATCHBAY_KILLS=500` kills it more often.

use crate::support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::api::Api;
use support::raw::{Raw, sdp};
use support::{CALLER, Centre, Declaration, SOON, Setup, until};

/// How often it is killed.
const KILLS: u64 = 40;
/// How many callers wait meanwhile.
const CALLERS: usize = 8;
/// The latest instant after control was started again: most callers have come again by then.
const LATEST_AFTER_START: u64 = 12_000;
/// The latest instant after the first change.
const LATEST: Duration = Duration::from_millis(120);
/// How many tokens and how many declarations a turn has at most: the audit log is read by 1,000 entries,
/// and 50 versions are kept.
const TOKENS_OF_TURN: usize = 400;
const VERSIONS_OF_TURN: usize = 45;

/// Promises to customers of one turn at most; those of all turns are there in the end.
const PROMISES_OF_TURN: usize = 20;

/// What was confirmed: tokens by their ids, comments of declarations, and contacts who are to be called.
#[derive(Default)]
struct Confirmed {
    tokens: Vec<String>,
    versions: Vec<String>,
    promises: Vec<String>,
}

fn api(centre: &Centre) -> Api {
    let token = std::fs::read_to_string(centre.folder.file("data").join("api-token"));
    Api::new(centre.api_address, Some(token.expect("a token").trim()))
}

/// Numbers that look random, the same in each run.
fn scrambled(number: u64) -> u64 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 20
}

/// Gives out tokens until there is no answer.
fn give_out(api: &Api, turn: u64, stop: &AtomicBool) -> Vec<String> {
    let mut given = Vec::new();
    while !stop.load(Ordering::Relaxed) && given.len() < TOKENS_OF_TURN {
        let name = format!("{turn}-{}", given.len());
        let wanted = json!({ "name": name, "role": "supervisor" });
        match api.try_request("POST", "/api/v1/tokens", Some(&wanted)) {
            Some(answer) if answer.status == 201 => {
                given.push(answer.json()["id"].as_str().expect("an id").to_owned());
            }
            Some(answer) => panic!("{}: {}", answer.status, answer.text),
            None => break,
        }
    }
    given
}

/// Promises calls to customers until there is no answer.
fn promise(api: &Api, turn: u64, stop: &AtomicBool) -> Vec<String> {
    let mut promised = Vec::new();
    while !stop.load(Ordering::Relaxed) && promised.len() < PROMISES_OF_TURN {
        let call = format!("sip:c{turn}-{}@example.net", promised.len());
        let wanted = json!({ "call": call, "to": "sip:support@centre.example" });
        match api.try_request("POST", "/api/v1/callbacks", Some(&wanted)) {
            Some(answer) if answer.status == 201 => {
                let contact = answer.json()["contact"].as_str().map(str::to_owned);
                promised.push(contact.expect("a contact"));
            }
            Some(answer) => panic!("{}: {}", answer.status, answer.text),
            None => break,
        }
    }
    promised
}

/// Declares the centre anew, each time another, until there is no answer.
fn declare(api: &Api, centre: &Value, turn: u64, stop: &AtomicBool) -> Vec<String> {
    let mut confirmed = Vec::new();
    let mut centre = centre.clone();
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) && confirmed.len() < VERSIONS_OF_TURN {
        number += 1;
        // Always another: what is in force already makes no version.
        let wait = 600 + turn * 100 + number;
        centre["queue"][0]["max_wait_seconds"] = json!(wait);
        let comment = format!("{turn}-{number}-{wait}");
        let path = format!("/api/v1/centre?comment={comment}");
        match api.try_request("PUT", &path, Some(&centre)) {
            Some(answer) if answer.status == 200 => confirmed.push(comment),
            Some(answer) => panic!("{}: {}", answer.status, answer.text),
            None => break,
        }
    }
    confirmed
}

/// Kills control amid changes; what it had confirmed.
fn kill(centre: &mut Centre, declared: &Value, turn: u64) -> Confirmed {
    let stop = AtomicBool::new(false);
    let (giving, declaring, promising) = (api(centre), api(centre), api(centre));
    let latest = LATEST.as_micros() as u64;
    let instant = Duration::from_micros(scrambled(turn) % latest);
    std::thread::scope(|threads| {
        let tokens = threads.spawn(|| give_out(&giving, turn, &stop));
        let versions = threads.spawn(|| declare(&declaring, declared, turn, &stop));
        let promises = threads.spawn(|| promise(&promising, turn, &stop));
        std::thread::sleep(instant);
        centre.control_process.signal("KILL");
        centre.control_process.wait(support::SOON);
        stop.store(true, Ordering::Relaxed);
        Confirmed {
            tokens: tokens.join().expect("tokens"),
            versions: versions.join().expect("versions"),
            promises: promises.join().expect("promises"),
        }
    })
}

/// The last entries of a list.
fn entries(centre: &Centre, path: &str, list: &str) -> Vec<Value> {
    let page = centre.api.get(path);
    page[list].as_array().expect("a list").clone()
}

/// What was confirmed is there, once, and in force.
fn assert_kept(centre: &Centre, confirmed: &Confirmed) {
    let audit = entries(centre, "/api/v1/audit?limit=1000", "entries");
    let done: Vec<&str> = audit
        .iter()
        .filter_map(|entry| entry["what"].as_str())
        .collect();
    for id in &confirmed.tokens {
        let token = centre.api.get(&format!("/api/v1/tokens/{id}"));
        assert_eq!(token["role"], "supervisor");
        let told = done
            .iter()
            .filter(|what| what.contains(id.as_str()))
            .count();
        assert_eq!(told, 1, "the audit log tells of {id} once: {done:?}");
    }
    let versions = entries(centre, "/api/v1/centre/versions?limit=50", "versions");
    let numbers: Vec<u64> = versions
        .iter()
        .filter_map(|one| one["version"].as_u64())
        .collect();
    let in_order = numbers.windows(2).all(|two| two[0] == two[1] + 1);
    assert!(in_order, "none is missing: {numbers:?}");
    let comments: Vec<&str> = versions
        .iter()
        .filter_map(|one| one["comment"].as_str())
        .collect();
    for comment in &confirmed.versions {
        let found = comments.iter().filter(|known| *known == comment).count();
        assert_eq!(found, 1, "{comment} of {comments:?}");
    }
    let last = comments.first().expect("a declaration");
    let wait = last.rsplit('-').next().map(str::parse::<u64>);
    if let Some(Ok(wait)) = wait {
        let now = &centre.api.get("/api/v1/centre")["queue"][0]["max_wait_seconds"];
        assert_eq!(*now, wait, "the last one is in force");
    }
}

/// Every customer who was promised a call waits for it, once and in the place of the promise.
fn assert_promised(centre: &Centre, promises: &[String]) {
    let queue = centre.api.get("/api/v1/queues/support");
    let waiting = queue["waiting"].as_array().expect("a list").iter();
    let waiting: Vec<&str> = waiting.filter_map(|one| one["contact"].as_str()).collect();
    // Who was promised and not told so may be there too.
    let mut places = waiting.iter();
    let in_order = promises.iter().all(|one| places.any(|place| place == one));
    assert!(in_order, "{promises:?} in {waiting:?}");
    let once: std::collections::BTreeSet<&&str> = waiting.iter().collect();
    assert_eq!(once.len(), waiting.len(), "nobody waits twice");
}

// F5 E5
#[test]
fn what_control_has_confirmed_outlives_it_whenever_it_is_killed() {
    let kills = kills();
    let mut centre = Setup::default()
        .apart()
        .control("token_rate = 100000\n")
        .start();
    let declaration = Declaration::new().registers("anna", "secret");
    centre.apply(&declaration.queue("call_back", "{ at_most = 10000 }"));
    let mut declared = centre.api.get("/api/v1/centre");
    // Passwords are not shown.
    declared["agent"] = json!([]);
    let (mut tokens, mut versions, mut promises) = (0, 0, Vec::new());
    for turn in 0..kills {
        let confirmed = kill(&mut centre, &declared, turn);
        centre.restart_control();
        assert_kept(&centre, &confirmed);
        tokens += confirmed.tokens.len();
        versions += confirmed.versions.len();
        promises.extend(confirmed.promises);
        assert_promised(&centre, &promises);
    }
    // A promise is confirmed when it is on the disk: a turn has few.
    let counts = [tokens, versions, 8 * promises.len()];
    assert!(
        counts.iter().all(|count| *count as u64 > kills),
        "{counts:?}"
    );
}

fn kills() -> u64 {
    let kills = std::env::var("PATCHBAY_KILLS").ok();
    kills.map_or(KILLS, |text| text.parse().expect("a number"))
}

/// A caller who is told that it waits.
fn waits(centre: &Centre) -> Raw {
    let phone = Raw::open(CALLER, &centre.ports, centre.edge);
    let text = sdp(phone.address(), "0", "a=rtpmap:0 PCMU/8000\r\n");
    phone.send(phone.invite("support", &text));
    phone.expect("182", SOON, |sip| sip.status() == Some(182));
    phone
}

/// Who waits, by their places.
fn waiting(centre: &Centre) -> Vec<String> {
    let queue = centre.api.get("/api/v1/queues/support");
    let waiting = queue["waiting"].as_array().expect("a list").iter();
    waiting
        .filter_map(|one| one["contact"].as_str().map(str::to_owned))
        .collect()
}

// A4 G1
#[test]
fn callers_who_wait_keep_their_places_whenever_it_is_killed() {
    let mut centre = Setup::default().apart().start();
    let anna = format!(
        "uri = \"sip:anna@{}\"\npaused = true",
        centre.agent_address()
    );
    centre.apply(&Declaration::new().agent("anna", &anna));
    let callers: Vec<Raw> = (0..CALLERS).map(|_| waits(&centre)).collect();
    let before = waiting(&centre);
    assert_eq!(before.len(), CALLERS);
    for turn in 0..kills() {
        let instant = scrambled(turn) % LATEST_AFTER_START;
        std::thread::sleep(Duration::from_micros(instant));
        centre.control_process.kill();
        centre.restart_control();
        // Now and then it is killed while they come again.
        if turn % 3 != 2 {
            until("all have come again", SOON, || {
                (waiting(&centre).len() == CALLERS).then_some(())
            });
            assert_eq!(waiting(&centre), before, "turn {turn}");
        }
    }
    for caller in callers {
        let mut told = std::iter::from_fn(|| caller.next(Duration::ZERO));
        let refused = told.find(|sip| sip.status() >= Some(200));
        assert_eq!(refused, None, "nobody is refused");
    }
}
