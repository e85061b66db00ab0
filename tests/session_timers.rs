//! Session timers (RFC 4028): each phone agrees on one with the relay, and refreshes it alone. A call
//! that nobody refreshes any more takes a minute to end at least, since nobody may agree on less than 90 s
//! (section 4): there the centre's clocks run faster than those of the phones.

use crate::support;

use std::time::{Duration, Instant};

use support::media::Media;
use support::message::Sip;
use support::sipp::{Seen, received};
use support::steps::{
    More, Of, accept, bye, ends, hears, hears_invite, pause, reply, sdp, send, takes,
};
use support::{CALL, SOON, Setup, Stage, have, until};

/// How much faster the centre's clocks run.
const HASTE: u32 = 20;
/// The least interval that there is, as the phones count.
const LEAST: Duration = Duration::from_millis(90_000 / HASTE as u64);
/// What a phone adds to refresh.
const REFRESH: &str = "Supported: timer\nSession-Expires: 90;refresher=uac";

fn hurried() -> Option<Stage> {
    if !have(&["faketime"]) {
        return None;
    }
    Stage::set_with(Setup::default().hurry(HASTE))
}

/// A re-INVITE that changes nothing but the time.
fn reinvite(of: Of, cseq: u32, stage: &Stage) -> String {
    let media = match of {
        Of::Caller => &stage.carla,
        Of::Agent => &stage.anna,
    };
    let same = sdp(1, media.address().port(), "");
    let more = More::headers(REFRESH).body("application/sdp", same);
    send(of, "INVITE", cseq, &more) + &hears_invite(200) + &send(of, "ACK", cseq, &More::default())
}

fn takes_reinvite(stage: &Stage, of: Of, more: &str) -> String {
    let media = match of {
        Of::Caller => &stage.carla,
        Of::Agent => &stage.anna,
    };
    let same = sdp(1, media.address().port(), "");
    let more = More::headers(more).body("application/sdp", same);
    takes("INVITE") + &accept("200 OK", &more)
}

/// What a phone adds that wants to be refreshed. It does not say that it takes UPDATE.
const WANTS_REFRESH: &str = "Supported: timer\nSession-Expires: 90;refresher=uas";
/// What it answers a refresh with.
const AGREES: &str = "Require: timer\nSession-Expires: 90;refresher=uac";

/// Takes a refresh and answers with this description.
fn takes_refresh(version: u32, media: &Media) -> String {
    let body = sdp(version, media.address().port(), "");
    let more = More::headers(AGREES).body("application/sdp", body);
    takes("INVITE") + &accept("200 OK", &more)
}

fn is_refresh(sip: &Sip) -> bool {
    sip.is_request("INVITE") && sip.tag("To").is_some()
}

/// The re-INVITEs that a party got.
fn refreshes(seen: &[Seen]) -> impl Iterator<Item = &Sip> {
    received(seen).filter(|sip| is_refresh(sip))
}

/// Both sides are hung up, and by the relay: neither phone has said BYE.
fn assert_hung_up(stage: &Stage, call: support::stage::Call<'_>) {
    let (caller, agent) = (call.caller.succeeds(CALL), call.agent.succeeds(SOON));
    for seen in [&caller, &agent] {
        let byes = received(seen).filter(|sip| sip.is_request("BYE")).count();
        assert_eq!(byes, 1);
    }
    stage.centre.wait_empty();
    stage.centre.wait_available("anna");
}

// B6: RFC 4028 section 10
#[test]
fn a_caller_that_goes_silent_is_hung_up_and_so_is_its_agent() {
    let Some(stage) = hurried() else { return };
    let begin = Instant::now();
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", ends()),
        stage
            .caller("caller_steps.xml")
            .word("header", REFRESH)
            .word("steps", ends()),
    );
    assert_hung_up(&stage, call);
    // A third of the interval before it is over; the phones cannot have been quicker.
    assert!(begin.elapsed() > LEAST / 2, "{:?}", begin.elapsed());
}

// B6: RFC 4028 section 10
#[test]
fn an_agent_that_goes_silent_is_hung_up_and_so_is_its_caller() {
    let Some(stage) = hurried() else { return };
    let call = stage.call(
        stage
            .agent("agent_steps.xml")
            .word(
                "ok_header",
                "Require: timer\nSession-Expires: 90;refresher=uas",
            )
            .word("steps", ends()),
        stage.caller("caller_steps.xml").word("steps", ends()),
    );
    assert_hung_up(&stage, call);
}

// B6: RFC 4028 section 7.4: a re-INVITE refreshes as an UPDATE does
#[test]
fn a_caller_refreshes_by_reinvites_and_the_call_lasts_as_long_as_it_does() {
    let Some(stage) = hurried() else { return };
    let wait = u32::try_from((LEAST / 2).as_millis()).unwrap();
    let caller = pause(wait)
        + &reinvite(Of::Caller, 2, &stage)
        + &pause(wait)
        + &reinvite(Of::Caller, 3, &stage)
        + &ends();
    let agent = takes_reinvite(&stage, Of::Agent, "Subject: the same")
        + &takes_reinvite(&stage, Of::Agent, "Subject: the same")
        + &ends();
    let begin = Instant::now();
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", agent),
        stage
            .caller("caller_steps.xml")
            .word("header", REFRESH)
            .word("steps", caller),
    );
    let refreshed = call.caller.receives("the second refresh", CALL, |sip| {
        sip.is_answer(200, "INVITE") && sip.header("CSeq") == Some("3 INVITE")
    });
    let expires = refreshed.header("Session-Expires");
    assert_eq!(expires, Some("90;refresher=uac"));
    assert!(refreshed.headers("Require").any(|tags| tags == "timer"));
    // Without the first one the call would have been over by now.
    assert!(begin.elapsed() > LEAST);
    assert_hung_up(&stage, call);
}

// B6: RFC 4028 section 7.4, RFC 3264 section 8: the description is the last one, word for word
#[test]
fn a_caller_without_update_is_refreshed_by_reinvites_that_change_nothing() {
    let Some(stage) = hurried() else { return };
    // Glare first (RFC 3261 section 14.1), then it is refreshed, and once more.
    let caller = takes("INVITE")
        + &reply("491 Request Pending", &More::default())
        + &takes("ACK")
        + &takes_refresh(1, &stage.carla)
        + &takes_refresh(1, &stage.carla)
        + &bye(Of::Caller, 2);
    let begin = Instant::now();
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", ends()),
        stage
            .caller("caller_steps.xml")
            .word("header", WANTS_REFRESH)
            .word("steps", caller),
    );
    let answer = call.caller.answered();
    assert_eq!(answer.header("Session-Expires"), Some("90;refresher=uas"));
    let (caller, agent) = (call.caller.succeeds(CALL), call.agent.succeeds(SOON));
    assert_eq!(refreshes(&caller).count(), 3);
    for refresh in refreshes(&caller) {
        assert_eq!(refresh.header("Session-Expires"), Some("90;refresher=uac"));
        assert_eq!(refresh.body(), answer.body());
    }
    assert!(begin.elapsed() > LEAST);
    assert_eq!(refreshes(&agent).count(), 0, "the caller's affair alone");
    stage.centre.wait_empty();
}

// B6: RFC 4028 section 7.4, RFC 3261 section 14.1: 481 says that nobody is there any more
#[test]
fn a_caller_moves_its_audio_in_the_answer_to_a_refresh_and_later_knows_of_no_call() {
    let Some(stage) = hurried() else { return };
    let moved = Media::open(support::CALLER, &stage.centre.ports);
    let caller = takes_refresh(2, &moved)
        + &takes("INVITE")
        + &reply("481 Call Does Not Exist", &More::default())
        + &takes("ACK")
        + &ends();
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", ends()),
        stage
            .caller("caller_steps.xml")
            .word("header", WANTS_REFRESH)
            .word("steps", caller),
    );
    let (to_anna, to_carla) = (call.to_anna(), call.to_carla());
    call.caller.receives("the refresh", CALL, is_refresh);
    let moves = || {
        let sessions = stage.centre.relay_sessions();
        let remote = sessions.first()?["pairs"][0]["client"]["remote"]
            .as_str()?
            .to_owned();
        (remote == moved.address().to_string()).then_some(())
    };
    until("the audio is moved", SOON, moves);
    moved.talk(to_anna, 1, 5);
    stage.anna.wait_intact(moved.ssrc(), 5, SOON);
    stage.anna.talk(to_carla, 1, 5);
    moved.wait_intact(stage.anna.ssrc(), 5, SOON);
    assert_hung_up(&stage, call);
}

// B6
#[test]
fn each_phone_refreshes_its_own_leg() {
    let Some(stage) = Stage::set() else { return };
    let refresh = |expires: &str| {
        More::headers(&format!(
            "Supported: timer\nSession-Expires: {expires};refresher=uac"
        ))
    };
    let agent = send(Of::Agent, "UPDATE", 5, &refresh("900")) + &hears(200) + &ends();
    let caller = send(Of::Caller, "UPDATE", 2, &refresh("1200"))
        + &hears(200)
        + "  <pause/>\n"
        + &bye(Of::Caller, 3);
    let call = stage.call(
        stage
            .agent("agent_steps.xml")
            .word(
                "ok_header",
                "Require: timer\nSession-Expires: 900;refresher=uas",
            )
            .word("steps", agent),
        stage
            .caller("caller_steps.xml")
            .word("header", "Supported: timer\nSession-Expires: 1200")
            .word("steps", caller),
    );
    let caller = call.caller.succeeds(CALL);
    let agent = call.agent.succeeds(SOON);
    for (seen, method, expires) in [
        (&caller, "INVITE", "1200;refresher=uac"),
        (&caller, "UPDATE", "1200;refresher=uac"),
        (&agent, "UPDATE", "900;refresher=uac"),
    ] {
        let mut answers = received(seen).filter(|sip| sip.is_answer(200, method));
        let answer = answers.next().unwrap();
        assert_eq!(answer.header("Session-Expires"), Some(expires), "{method}");
    }
    let offer = received(&agent)
        .find(|sip| sip.is_request("INVITE"))
        .unwrap();
    assert_eq!(offer.header("Session-Expires"), Some("1800;refresher=uas"));
    for seen in [&caller, &agent] {
        assert!(
            !received(seen).any(|sip| sip.is_request("UPDATE")),
            "a leg's own affair"
        );
    }
    stage.centre.wait_empty();
}
