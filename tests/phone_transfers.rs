//! Phones transfer calls: blind by REFER, attended by REFER with Replaces. Afterwards the audio flows
//! between the two that remain, and nobody has learnt where the others are.

use crate::support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use support::sipp::received;
use support::steps::{More, Of, accept, bye, ends, hears, pause, reply, sdp, send, takes};
use support::{AGENT, CALL, CALLER, Centre, Media, RELAY, SOON, Sipp, Stage, until};

/// Where the third phone lives.
pub const BOB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 4));

pub fn referring(to: &str) -> More {
    More::headers(&format!(
        "Refer-To: {to}\nReferred-By: <sip:anna@[local_ip]:[local_port]>"
    ))
}

pub fn notify() -> More {
    let more = More::headers("Event: refer\nSubscription-State: terminated;reason=noresource");
    more.body("message/sipfrag", "SIP/2.0 200 OK")
}

/// The address in the Refer-To that a phone was told.
pub fn refer_to(phone: &support::sipp::Phone) -> String {
    let refer = phone.receives("REFER", SOON, |sip| sip.is_request("REFER"));
    let value = refer.header("Refer-To").unwrap().to_owned();
    value.trim_matches(['<', '>']).to_owned()
}

/// A phone that calls the address that a transfer gave it.
pub fn follows(centre: &Centre, from: IpAddr, address: &str, media: &Media) -> Sipp {
    let user = address.strip_prefix("sip:").unwrap();
    let (user, host) = user.split_once('@').unwrap();
    assert!(
        host.starts_with(&RELAY.to_string()),
        "{address} is the relay's"
    );
    Sipp::caller("caller.xml", from, centre)
        .calls_for(user)
        .media(media)
        .hold(Duration::from_secs(1))
}

pub fn assert_hides(seen: &[support::sipp::Seen], others: &[IpAddr]) {
    for sip in received(seen) {
        for other in others {
            assert!(!sip.0.contains(&other.to_string()), "{}", sip.0);
        }
    }
}

pub fn talk(a: (&Media, SocketAddr), b: (&Media, SocketAddr)) {
    for ((from, to), other) in [(a, b.0), (b, a.0)] {
        from.talk(to, 1, 10);
        other.wait_intact(from.ssrc(), 10, SOON);
    }
}

// B6 B7 D11
#[test]
fn an_agent_transfers_its_caller_blindly_to_another_phone() {
    let Some(stage) = Stage::set() else { return };
    let bobs = Media::open(BOB, &stage.centre.ports);
    let bob_at = SocketAddr::new(BOB, stage.centre.ports.next());
    let bob = Sipp::agent("agent.xml", bob_at, &stage.centre)
        .media(&bobs)
        .start();
    // At once: it comes to carla after the answer to her INVITE all the same.
    let refer = referring(&format!("<sip:bob@{bob_at}>"));
    let agent = send(Of::Agent, "REFER", 5, &refer)
        + &hears(202)
        + &takes("NOTIFY")
        + &reply("200 OK", &More::default())
        + &bye(Of::Agent, 6);
    let caller = takes("REFER")
        + &reply("202 Accepted", &More::default())
        + &pause(1500)
        + &send(Of::Caller, "NOTIFY", 2, &notify())
        + &hears(200)
        + &ends();
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", agent),
        stage.caller("caller_steps.xml").word("steps", caller),
    );
    // sipp has no way to call in the same process: carla's second line does.
    let second = follows(&stage.centre, CALLER, &refer_to(&call.caller), &stage.carla).start();
    let offer = bob.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to_bob = second.answered().audio().unwrap();
    let to_carla = offer.audio().unwrap();
    assert_eq!((to_bob.ip(), to_carla.ip()), (RELAY, RELAY));
    talk((&stage.carla, to_bob), (&bobs, to_carla));

    assert_hides(&call.caller.succeeds(CALL), &[AGENT, BOB]);
    let told = call.agent.succeeds(SOON);
    assert_hides(&told, &[CALLER]);
    let word = received(&told)
        .find(|sip| sip.is_request("NOTIFY"))
        .unwrap();
    assert_eq!(word.body().trim(), "SIP/2.0 200 OK");
    assert_hides(&second.succeeds(CALL), &[AGENT, BOB]);
    assert_hides(&bob.succeeds(SOON), &[CALLER]);
    stage.centre.wait_available("anna");
    stage.centre.wait_empty();
    let told = format!("anna transfers the caller to sip:bob@{bob_at}");
    until("the story tells of it", SOON, || {
        stage.centre.story()?.contains(&told).then_some(())
    });
}

// B6
#[test]
fn a_caller_transfers_its_agent_blindly() {
    let Some(stage) = Stage::set() else { return };
    let bobs = Media::open(BOB, &stage.centre.ports);
    let bob_at = SocketAddr::new(BOB, stage.centre.ports.next());
    let bob = Sipp::agent("agent.xml", bob_at, &stage.centre)
        .media(&bobs)
        .start();
    let caller = send(Of::Caller, "REFER", 2, &referring(&format!("<sip:bob@{bob_at}>")))
        + &hears(202)
        // It hangs up at once, and hears of the transfer all the same.
        + &bye(Of::Caller, 3)
        + &takes("NOTIFY")
        + &reply("200 OK", &More::default());
    let agent = takes("REFER")
        + &reply("202 Accepted", &More::default())
        + &ends()
        + &pause(1000)
        + &send(Of::Agent, "NOTIFY", 5, &notify())
        + &hears(200);
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", agent),
        stage.caller("caller_steps.xml").word("steps", caller),
    );
    let second = follows(&stage.centre, AGENT, &refer_to(&call.agent), &stage.anna).start();
    let offer = bob.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to_bob = second.answered().audio().unwrap();
    talk((&stage.anna, to_bob), (&bobs, offer.audio().unwrap()));
    assert_hides(&call.agent.succeeds(CALL), &[CALLER, BOB]);
    call.caller.succeeds(SOON);
    second.succeeds(CALL);
    assert_hides(&bob.succeeds(SOON), &[AGENT]);
    stage.centre.wait_empty();
}

// B6 B7 D11
#[test]
fn a_phone_with_two_calls_joins_their_far_sides() {
    let Some(stage) = Stage::set() else { return };
    let newcomer = Media::open(BOB, &stage.centre.ports);
    let taken = More::default().body(
        "application/sdp",
        sdp(2003, stage.anna.address().port(), ""),
    );
    // Anna is asked again, with the newcomer's description.
    let agent = takes("INVITE") + &accept("200 OK", &taken) + &ends();
    let caller = ends();
    let call = stage.call(
        stage.agent("agent_steps.xml").word("steps", agent),
        stage.caller("caller_steps.xml").word("steps", caller),
    );
    // Carla's phone names its dialog as the one to be replaced, as an attended transfer does.
    let answered = call.caller.answered();
    let (ours, theirs) = (answered.tag("To").unwrap(), answered.tag("From").unwrap());
    let id = answered.header("Call-ID").unwrap();
    let replaces = format!("Replaces: {id};to-tag={ours};from-tag={theirs}");
    let second = Sipp::caller("caller.xml", BOB, &stage.centre)
        .word("header", replaces)
        .media(&newcomer)
        .hold(Duration::from_secs(1))
        .start();
    let asked = call.agent.receives("a second INVITE", SOON, |sip| {
        sip.is_request("INVITE") && sip.tag("To").is_some()
    });
    let to_anna = second.answered().audio().unwrap();
    talk((&newcomer, to_anna), (&stage.anna, asked.audio().unwrap()));
    assert_hides(&call.caller.succeeds(CALL), &[AGENT, BOB]);
    assert_hides(&second.succeeds(CALL), &[AGENT, CALLER]);
    assert_hides(&call.agent.succeeds(SOON), &[CALLER, BOB]);
    stage.centre.wait_empty();
}
