//! A session description without a usable codec is refused at once, and no phone rings (A2).
use crate::support::{Scene, TWO_AGENTS, sdp};

// A2
#[test]
fn nothing_usable_is_answered_488() {
    let mut scene = Scene::new(TWO_AGENTS);
    for (call, formats) in [("call-1", "101"), ("call-2", "99")] {
        let mut invite = scene.invite(call);
        invite.set_body("application/sdp", sdp(formats));
        scene.receive(&invite);
        let refused = scene.expect(488);
        assert!(refused.headers.get("Warning").unwrap().starts_with("305 "));
        scene.ack(&invite, &refused);
        scene.expect_nothing();
    }
}

#[test]
fn a_medium_that_is_switched_off_is_not_usable() {
    let mut scene = Scene::new(TWO_AGENTS);
    let mut invite = scene.invite("call-1");
    invite.set_body(
        "application/sdp",
        sdp("0").replace("m=audio 4000", "m=audio 0"),
    );
    scene.receive(&invite);
    scene.expect(488);
}

// RFC 3261 section 13.2.1
#[test]
fn an_invite_without_an_offer_is_a_call() {
    let mut scene = Scene::new(TWO_AGENTS);
    let mut invite = scene.invite("call-1");
    invite.headers.remove("Content-Type");
    invite.body = Default::default();
    scene.receive(&invite);
    scene.expect_transfer("anna");
}
