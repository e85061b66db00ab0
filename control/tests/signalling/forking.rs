//! One offer over several devices: whoever answers first has the call (RFC 3261 section 16).
use crate::support::{ONE_REGISTERS, Scene, Transfer};
use patchbay_sip::{HeaderName, Message, Method};

const DESK: &str = "<sip:anna@198.51.100.1>";
const SOFT: &str = "<sip:anna@198.51.100.2>";
const MOBILE: &str = "<sip:anna@198.51.100.3>;q=0.5";

fn phones(centre: &str, contacts: &[&str]) -> Scene {
    let mut scene = Scene::new(centre);
    let request = scene.register_request("anna", Some(&contacts.join(", ")), 1);
    let ok = scene.register(request, "anna", "open sesame");
    assert_eq!(ok.status(), Some(200));
    scene
}

/// The transfers that an offer began with, by the device's host.
fn forked(scene: &mut Scene, count: usize) -> Vec<Transfer> {
    let mut all: Vec<Transfer> = (0..count).map(|_| scene.expect_transfer("anna")).collect();
    all.sort_by_key(|transfer| transfer.target.agent_uri.clone());
    let offer = |t: &Transfer| t.target.offer.get(..16).unwrap().to_owned();
    assert!(all.iter().all(|t| offer(t) == offer(&all[0])), "one offer");
    all
}

fn distinct(transfer: Transfer, tag: &str) -> Transfer {
    Transfer {
        to_tag: tag.to_owned(),
        ..transfer
    }
}

/// What control sends next: an ACK and a BYE in the dialog of this answer, and nothing to the caller.
fn expect_hung_up(scene: &mut Scene, transfer: &Transfer) {
    let ack = scene.next().expect("an ACK");
    let bye = scene.next().expect("a BYE");
    for (request, method) in [(&ack, Method::Ack), (&bye, Method::Bye)] {
        assert_eq!(request.method(), Some(&method), "{request:?}");
        assert_eq!(request.to_tag().as_deref(), Some(transfer.to_tag.as_str()));
        assert_eq!(request.from_tag(), transfer.invite.from_tag());
        assert_eq!(request.uri(), Some("sip:192.0.2.1:5060"));
    }
    let reason = bye.headers.get(HeaderName::Reason).unwrap();
    assert!(reason.contains("completed elsewhere"));
    scene.receive(&Message::response_to(&bye, 200, ""));
}

// A5
#[test]
fn devices_of_equal_q_ring_together_as_one_offer() {
    let mut scene = phones(ONE_REGISTERS, &[DESK, SOFT]);
    scene.call("call-1");
    let both = forked(&mut scene, 2);
    assert_ne!(both[0].target.offer, both[1].target.offer);
    scene.answer(&both[0], 180);
    scene.expect(180);
    scene.answer(&both[1], 180);
    scene.expect(180);
    assert_eq!(scene.events_named("offer_ringing").len(), 1);
    assert_eq!(scene.events_named("contact_offered").len(), 1);

    scene.answer(&both[1], 200);
    scene.expect_cancel(&both[0]);
    let ok = scene.expect(200);
    assert_eq!(ok.to_tag().as_deref(), Some(both[1].to_tag.as_str()));
    scene.refuse(&both[0], 487);
    scene.expect_nothing();
    assert_eq!(scene.events_named("contact_connected").len(), 1);
    assert!(scene.events_named("offer_failed").is_empty());
}

// A5: in every order of what may cross, one 200 reaches the caller and the other phone is hung up.
#[test]
fn of_two_answers_at_once_exactly_one_reaches_the_caller() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Step {
        Ring(usize),
        Answer(usize),
    }
    use Step::{Answer, Ring};
    let orders: [&[Step]; 8] = [
        &[Answer(0), Answer(1)],
        &[Answer(1), Answer(0)],
        &[Ring(0), Answer(1), Answer(0)],
        &[Ring(1), Answer(0), Answer(1)],
        &[Ring(0), Ring(1), Answer(0), Answer(1)],
        &[Ring(1), Ring(0), Answer(1), Answer(0)],
        &[Ring(0), Answer(0), Answer(1), Answer(0)],
        &[Answer(0), Answer(1), Answer(1), Answer(0)],
    ];
    for order in orders {
        let mut scene = phones(ONE_REGISTERS, &[DESK, SOFT]);
        scene.call("call-1");
        let mut both = forked(&mut scene, 2);
        both = both
            .into_iter()
            .zip(["one", "two"])
            .map(|(transfer, tag)| distinct(transfer, tag))
            .collect();
        let mut winner = None;
        let mut hung_up = false;
        for step in order {
            match *step {
                Ring(who) => {
                    scene.answer(&both[who], 180);
                    scene.expect(180);
                }
                Answer(who) => {
                    scene.answer(&both[who], 200);
                    match winner {
                        None => {
                            winner = Some(who);
                            // The other was told 100, so its CANCEL goes out at once; its 200 has
                            // crossed it.
                            scene.expect_cancel(&both[1 - who]);
                            let ok = scene.expect(200);
                            assert_eq!(ok.to_tag().as_deref(), Some(both[who].to_tag.as_str()));
                        }
                        Some(won) if won == who => {
                            scene.expect(200);
                        }
                        Some(_) if !hung_up => {
                            hung_up = true;
                            expect_hung_up(&mut scene, &both[who]);
                        }
                        Some(_) => {}
                    }
                }
            }
            scene.expect_nothing();
        }
        assert!(hung_up, "{order:?}");
        assert_eq!(
            scene.events_named("contact_connected").len(),
            1,
            "{order:?}"
        );
        assert_eq!(scene.machine.signalling().counters().forks_ended, 1);
    }
}

// RFC 3261 sections 16.6 and 16.7
#[test]
fn the_next_lower_q_is_called_when_all_before_have_failed() {
    let mut scene = phones(ONE_REGISTERS, &[DESK, SOFT, MOBILE]);
    scene.call("call-1");
    let both = forked(&mut scene, 2);
    scene.refuse(&both[0], 486);
    scene.expect_nothing();
    scene.refuse(&both[1], 408);
    let mobile = scene.expect_transfer("anna");
    assert_eq!(mobile.target.agent_uri, "sip:anna@198.51.100.3");
    scene.refuse(&mobile, 480);
    scene.expect(182);
    let failed = scene.events_named("offer_failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["code"], 486, "the answer that says most");
}

// RFC 3261 section 16.7 step 5
#[test]
fn a_global_failure_ends_all() {
    let mut scene = phones(ONE_REGISTERS, &[DESK, SOFT, MOBILE]);
    scene.call("call-1");
    let both = forked(&mut scene, 2);
    scene.answer(&both[0], 603);
    scene.expect_ack(&both[0]);
    scene.expect_cancel(&both[1]);
    assert!(
        scene.events_named("offer_failed").is_empty(),
        "one still rings"
    );
    scene.refuse(&both[1], 487);
    scene.expect(182);
    scene.expect_nothing();
    let failed = scene.events_named("offer_failed");
    assert_eq!(
        (&failed[0]["code"], &failed[0]["why"]),
        (&603.into(), &"declined".into())
    );
}

// A5
#[test]
fn one_after_the_other_and_each_for_its_time() {
    let centre = format!("{ONE_REGISTERS}\n[phones]\ndevices = \"sequential\"\nring_seconds = 5\n");
    let mut scene = phones(&centre, &[DESK, MOBILE]);
    scene.call("call-1");
    let desk = scene.expect_transfer("anna");
    scene.answer(&desk, 180);
    scene.expect(180);
    scene.expect_nothing();
    scene.seconds(5);
    scene.expect_cancel(&desk);
    scene.expect_nothing();
    scene.refuse(&desk, 487);
    let mobile = scene.expect_transfer("anna");
    assert_eq!(mobile.target.agent_uri, "sip:anna@198.51.100.3");
    // The last one rings as long as the offer does.
    scene.seconds(10);
    scene.expect_nothing();
    scene.seconds(6);
    scene.expect_cancel(&mobile);
    scene.expect(182);
    scene.refuse(&mobile, 487);
    let failed = scene.events_named("offer_failed");
    assert_eq!((failed.len(), &failed[0]["why"]), (1, &"no_answer".into()));
}

// A5: an agent's own word goes before that of the centre.
#[test]
fn an_agent_may_have_its_own_order() {
    let own = ONE_REGISTERS.replace(
        "password = \"open sesame\"",
        "password = \"open sesame\"\n    devices = \"sequential\"",
    );
    let mut scene = phones(&own, &[DESK, SOFT]);
    scene.call("call-1");
    let first = scene.expect_transfer("anna");
    scene.expect_nothing();
    scene.refuse(&first, 486);
    scene.expect_transfer("anna");
}

// A5
#[test]
fn a_caller_who_gives_up_stops_all_devices() {
    let mut scene = phones(ONE_REGISTERS, &[DESK, SOFT]);
    let invite = scene.call("call-1");
    let both = forked(&mut scene, 2);
    let status = scene.cancel_status(&invite);
    assert_eq!(status, 200);
    let mut cancelled: Vec<String> = (0..2)
        .map(|_| {
            let cancel = scene.next().expect("a CANCEL");
            assert_eq!(cancel.method(), Some(&Method::Cancel));
            scene.receive(&Message::response_to(&cancel, 200, ""));
            cancel.uri().unwrap().to_owned()
        })
        .collect();
    cancelled.sort();
    cancelled.dedup();
    assert_eq!(cancelled.len(), 2);
    scene.refuse(&both[0], 487);
    scene.expect_nothing();
    scene.answer(&both[1], 487);
    scene.expect_ack(&both[1]);
    scene.expect(487);
    assert_eq!(scene.events_named("contact_abandoned").len(), 1);
}
