//! Control dies, or is started anew, while callers wait: they hear nothing of it, keep their places, and
//! are served by the next process.

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;

use support::forms::{self, Form};
use support::process::Folder;
use support::sipp::{Phone, received};
use support::{CALL, CALLER, Centre, Media, SOON, Sipp, have, until};

use crate::waiting_callers::{MUSIC_HZ, declare, hears, set_status, sounds, with};

/// A caller who is told that it waits.
fn waits(name: &str, centre: &Centre) -> Phone {
    let caller = Sipp::caller("caller_queued.xml", CALLER, centre)
        .named(name)
        .hold(Duration::from_millis(300))
        .start();
    caller.receives("182", SOON, |sip| sip.status() == Some(182));
    caller
}

/// Who waits, by their places: contact and caller.
fn waiting(centre: &Centre) -> Vec<String> {
    let queue = centre.api.get("/api/v1/queues/support");
    let waiting = queue["waiting"].as_array().expect("a list").iter();
    waiting
        .filter_map(|one| Some(one["contact"].as_str()?.to_owned()))
        .collect()
}

fn wait_for(centre: &Centre, count: usize) -> Vec<String> {
    until(&format!("{count} wait"), SOON, || {
        let waiting = waiting(centre);
        (waiting.len() == count).then_some(waiting)
    })
}

in_each_form!(
    who_waits_when_control_is_killed_keeps_its_place,
    who_waits_when_control_is_restarted_in_order_keeps_its_place,
);

// A4 G1
fn who_waits_when_control_is_killed_keeps_its_place(form: Form) {
    keeps_its_place(form, "KILL");
}

// A4 G1 F4
fn who_waits_when_control_is_restarted_in_order_keeps_its_place(form: Form) {
    keeps_its_place(form, "TERM");
}

fn keeps_its_place(form: Form, signal: &str) {
    if !have(&["sipp"]) {
        return;
    }
    let mut centre = forms::setup(form).start();
    let agent_at = centre.declare_anna();
    let anna = Sipp::agent("agent.xml", agent_at, &centre)
        .calls(4)
        .hold(Duration::from_millis(50))
        .start();
    let first = Sipp::caller("caller.xml", CALLER, &centre)
        .named("carla0")
        .hold(Duration::from_secs(8))
        .start();
    first.answered();
    let mut callers = vec![waits("carla1", &centre)];
    callers.push(waits("carla2", &centre));
    let before = wait_for(&centre, 2);

    centre.control_process.signal(signal);
    centre.control_process.wait(SOON);
    centre.restart_control();
    assert_eq!(wait_for(&centre, 2), before, "the same, in their places");
    callers.push(waits("carla3", &centre));
    first.succeeds(CALL);
    for caller in callers {
        let seen = caller.succeeds(CALL);
        let refused = received(&seen).any(|sip| sip.status().is_some_and(|status| status > 299));
        assert!(!refused, "nobody is told anything");
    }
    let seen = anna.succeeds(CALL);
    let rang: Vec<String> = received(&seen)
        .filter(|sip| sip.is_request("INVITE"))
        .filter_map(|sip| sip.header("From"))
        .map(|from| from.chars().filter(char::is_ascii_digit).take(1).collect())
        .collect();
    assert_eq!(rang, ["0", "1", "2", "3"], "in the order of their arrival");
    told(&centre, &before[0]);
    centre.wait_empty();
}

/// The story of a contact has both processes in it, and one wait.
fn told(centre: &Centre, contact: &str) {
    let story = centre
        .api
        .get(&format!("/api/v1/contacts/{contact}/timeline"));
    let text = story.to_string();
    for part in ["waits in support", "the caller keeps its place", "anna"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    until("it is served in the list of contacts", SOON, || {
        let past = centre.api.get("/api/v1/contacts?limit=50");
        let past = past["past"].as_array()?.clone();
        let one = past.iter().find(|one| one["id"] == *contact)?;
        let waited = one["waited_ms"].as_u64()?;
        (one["outcome"] == "served" && waited > 1_000).then_some(())
    });
}

// A4 G1
#[test]
fn a_caller_who_hangs_up_while_control_is_away_is_gone() {
    if !have(&["sipp"]) {
        return;
    }
    let mut centre = support::Setup::default().apart().start();
    centre.declare_anna();
    set_status(&centre, "paused");
    let stays = waits("carla1", &centre);
    let leaves = Sipp::caller("caller_cancels.xml", CALLER, &centre)
        .named("carla2")
        .word("before", "180")
        .word("after", "182")
        .hold(Duration::from_secs(3))
        .start();
    leaves.receives("182", SOON, |sip| sip.status() == Some(182));
    let before = wait_for(&centre, 2);
    centre.control_process.kill();
    let seen = leaves.succeeds(CALL);
    let last = received(&seen).filter_map(|sip| sip.status()).last();
    assert_eq!(last, Some(487));
    centre.restart_control();
    set_status(&centre, "paused");
    let after = wait_for(&centre, 1);
    assert_eq!(after, before[..1]);
    drop(stays);
}

/// A centre whose callers hear music, and the media of one of them and of anna.
struct Scene {
    centre: Centre,
    carla: Media,
    anna: Media,
    agent_at: SocketAddr,
    _sounds: Folder,
}

impl Scene {
    fn set(waiting: &str) -> Scene {
        let folder = sounds();
        let centre = with(support::Setup::default().apart(), &folder).start();
        let agent_at = centre.agent_address();
        declare(&centre, agent_at, waiting, "");
        Scene {
            carla: Media::open(CALLER, &centre.ports),
            anna: Media::open(support::AGENT, &centre.ports),
            agent_at,
            centre,
            _sounds: folder,
        }
    }
}

// A4 D14
#[test]
fn the_music_goes_on_with_the_next_process() {
    if !have(&["sipp"]) {
        return;
    }
    let Scene {
        mut centre,
        carla,
        anna,
        agent_at,
        _sounds,
    } = Scene::set("");
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(2))
        .start();
    hears(&carla, MUSIC_HZ);
    centre.control_process.kill();
    until("the music ends", SOON, || {
        (centre.relay_metric("patchbay_player_listeners") == 0.0).then_some(())
    });
    centre.restart_control();
    let agent = Sipp::agent("agent.xml", agent_at, &centre)
        .media(&anna)
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    carla.talk(to_anna, 1, 20);
    anna.wait_intact(carla.ssrc(), 20, SOON);
    caller.succeeds(CALL);
    agent.succeeds(CALL);
    centre.wait_empty();
}

// A4 D14
#[test]
fn who_waits_in_a_call_hears_on_while_control_is_away_and_then_has_its_agent() {
    if !have(&["sipp"]) {
        return;
    }
    let Scene {
        mut centre,
        carla,
        anna,
        agent_at,
        _sounds,
    } = Scene::set("answer = true");
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .media(&carla)
        .hold(Duration::from_secs(8))
        .start();
    let to_anna = caller.answered().audio().expect("an answer with audio");
    hears(&carla, MUSIC_HZ);
    let before = centre.contacts()[0]["id"].clone();
    centre.control_process.kill();
    let at_death = carla.arrived().len();
    until("a second of music without control", SOON, || {
        (carla.arrived().len() > at_death + 50).then_some(())
    });
    hears(&carla, MUSIC_HZ);
    let agent = Sipp::agent("agent.xml", agent_at, &centre)
        .media(&anna)
        .start();
    centre.restart_control();
    centre.wait_in_call("anna");
    assert_eq!(centre.contacts()[0]["id"], before, "the same contact");
    carla.talk(to_anna, 1, 20);
    anna.wait_intact(carla.ssrc(), 20, SOON);
    let seen = caller.succeeds(CALL);
    let answers = received(&seen).filter(|sip| sip.status() == Some(200) && sip.audio().is_some());
    assert_eq!(answers.count(), 1, "one answer");
    let asked = received(&seen).any(|sip| sip.is_request("INVITE"));
    assert!(!asked, "no re-INVITE");
    agent.succeeds(CALL);
    centre.wait_empty();
}
