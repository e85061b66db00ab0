//! Which Call-IDs are one call, for those who look at the signalling. B6.
use crate::support::*;
use patchbay_relay::session::Joint;

/// A call of which the caller hangs up, and that is over.
fn whole_call(bed: &mut Bed) -> Call {
    let call = establish(bed);
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &call.ok, 2, CALLER));
    bed.expect(CALLER, "200");
    let bye = bed.expect(AGENT, "BYE");
    bed.receive_message(udp(AGENT), &answer(&bye, 200, "anna"));
    call
}

fn joins(joint: &Joint, call: &Call) {
    let ids = [call.ok.call_id().unwrap(), call.offer.call_id().unwrap()];
    assert_eq!(joint.call_ids, ids);
    assert_eq!(
        (joint.contact.as_str(), joint.agent.as_str()),
        ("c1", "anna")
    );
}

#[test]
fn both_sides_are_known_while_a_call_lives_and_for_a_while_after() {
    let mut bed = Bed::new();
    bed.core.keep_joints(1);
    let call = establish(&mut bed);
    joins(&bed.core.joints()[0], &call);
    bed.receive_message(udp(CALLER), &in_dialog("BYE", &call.ok, 2, CALLER));
    let bye = bed.expect(AGENT, "BYE");
    bed.receive_message(udp(AGENT), &answer(&bye, 200, "anna"));
    bed.pass(std::time::Duration::from_secs(60));
    assert_eq!(bed.core.live_sessions(), 0);
    let joints = bed.core.joints();
    assert_eq!(joints.len(), 1);
    joins(&joints[0], &call);
}

#[test]
fn who_follows_is_told_once_and_who_is_gone_leaves_nothing_behind() {
    let mut bed = Bed::new();
    bed.core.watch_joints(true);
    let call = establish(&mut bed);
    let fresh = bed.core.fresh_joints();
    assert_eq!(fresh.len(), 1);
    joins(&fresh[0], &call);
    assert!(bed.core.fresh_joints().is_empty());
    let mut other = Bed::new();
    other.core.watch_joints(true);
    whole_call(&mut other);
    other.core.watch_joints(false);
    assert!(other.core.fresh_joints().is_empty());
}

#[test]
fn without_anybody_who_looks_nothing_is_remembered() {
    let mut bed = Bed::new();
    whole_call(&mut bed);
    bed.pass(std::time::Duration::from_secs(60));
    assert!(bed.core.joints().is_empty() && bed.core.fresh_joints().is_empty());
}
