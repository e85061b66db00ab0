//! Reliable provisional answers and PRACK (RFC 3262), and UPDATE (RFC 3311) while it rings.

use crate::support;

use support::sipp::received;
use support::steps::{
    More, Of, bye, ends, hears, hears_reliable, progress, reply, sdp, send, takes,
};
use support::{AGENT, CALL, CALLER, Media, SOON, Stage};

const RELIABLE: &str = "Require: 100rel\nRSeq: 4711";

fn describes(more: More, version: u32, media: &Media, lines: &str) -> More {
    let body = sdp(version, media.address().port(), lines);
    more.body("application/sdp", body)
}

// B6 B7 D11
#[test]
fn a_reliable_answer_is_acknowledged_end_to_end_and_an_update_moves_the_early_medium() {
    let Some(stage) = Stage::set() else { return };
    let moved = Media::open(CALLER, &stage.centre.ports);
    let agent = progress(
        "183 Progress",
        &describes(More::headers(RELIABLE), 2002, &stage.anna, ""),
    ) + &takes("PRACK")
        + &reply("200 OK", &More::default())
        + &takes("UPDATE")
        + &reply("200 OK", &describes(More::default(), 2003, &stage.anna, ""))
        + "  <pause milliseconds=\"1500\"/>\n";
    let prack = More::headers("RAck: [$rseq] 1 INVITE");
    let caller = hears_reliable(183)
        + &send(Of::Caller, "PRACK", 2, &prack)
        + &hears(200)
        + &send(
            Of::Caller,
            "UPDATE",
            3,
            &describes(More::default(), 1002, &moved, ""),
        )
        + &hears(200);
    let call = stage.call(
        stage
            .agent("agent_steps.xml")
            .word("early", agent)
            .word("steps", ends()),
        stage
            .caller("caller_steps.xml")
            .word("header", "Supported: 100rel")
            .word("early", caller)
            .word("steps", "  <pause/>\n".to_owned() + &bye(Of::Caller, 9)),
    );
    let early = call
        .caller
        .receives("183", SOON, |sip| sip.status() == Some(183));
    assert!(
        early
            .header("Require")
            .is_some_and(|value| value.contains("100rel"))
    );
    let to_anna = early.audio().unwrap();
    call.agent
        .receives("UPDATE", SOON, |sip| sip.is_request("UPDATE"));
    call.caller
        .receives("200 to UPDATE", SOON, |sip| sip.is_answer(200, "UPDATE"));
    // Before the answer both hear each other, and anna hears the port that the UPDATE named.
    moved.talk(to_anna, 1, 10);
    stage.anna.wait_intact(moved.ssrc(), 10, SOON);
    stage.anna.talk(call.to_carla(), 1, 10);
    moved.wait_intact(stage.anna.ssrc(), 10, SOON);

    let caller = call.caller.succeeds(CALL);
    let agent = call.agent.succeeds(SOON);
    let prack = received(&agent)
        .find(|sip| sip.is_request("PRACK"))
        .unwrap();
    assert_eq!(prack.header("RAck"), Some("4711 1 INVITE"));
    let offer = received(&agent)
        .find(|sip| sip.is_request("INVITE"))
        .unwrap();
    assert!(
        offer
            .header("Supported")
            .is_some_and(|value| value.contains("100rel"))
    );
    for (seen, other) in [(&caller, AGENT), (&agent, CALLER)] {
        for sip in received(seen) {
            assert!(!sip.0.contains(&other.to_string()), "{}", sip.0);
        }
    }
    stage.centre.wait_empty();
}
