use crate::{parse, with};
use patchbay_sip::dialog::{CSeqError, Dialog, DialogId, Retransmit, RetransmitStep};
use patchbay_sip::transaction::Config;
use patchbay_sip::{HeaderError, Message, Method};
use std::time::{Duration, Instant};

fn invite() -> Message {
    let extra = "Contact: \"A\" <sip:a@192.0.2.1:5062;transport=tcp>\nRecord-Route: <sip:p2;lr>, <sip:p1;lr>\n";
    parse(&with("INVITE sip:b@example.com SIP/2.0", extra)).unwrap()
}

fn accepted(invite: &Message) -> Message {
    let mut response = Message::response_to(invite, 200, "");
    response.set_to_tag("9");
    response.headers.push("Contact", "<sip:b@192.0.2.2>");
    response
}

/// B6. Both sides see one dialog, with opposite routes.
#[test]
fn both_sides_agree() {
    let invite = invite();
    let response = accepted(&invite);
    let mut uas = Dialog::uas(&invite, "9").unwrap();
    let mut uac = Dialog::uac(&invite, &response).unwrap();
    assert_eq!(uas.remote_target, "sip:a@192.0.2.1:5062;transport=tcp");
    assert_eq!(uac.remote_target, "sip:b@192.0.2.2");
    assert_eq!(uas.route_set, ["<sip:p2;lr>", "<sip:p1;lr>"]);
    assert_eq!(uac.route_set, ["<sip:p1;lr>", "<sip:p2;lr>"]);

    let ack = uac.ack(1);
    assert_eq!(ack.headers.get("CSeq"), Some("1 ACK"));
    assert_eq!(DialogId::of_request(&ack), Some(uas.id()));
    assert_eq!(DialogId::of_response(&response), Some(uac.id()));
    let bye = uac.request(Method::Bye);
    assert_eq!(bye.uri(), Some("sip:b@192.0.2.2"));
    assert_eq!(bye.headers.get("CSeq"), Some("2 BYE"));
    assert_eq!(DialogId::of_request(&bye), Some(uas.id()));
    assert_eq!(uas.receive(&bye), Ok(()));
    let theirs = uas.request(Method::Info);
    assert_eq!(DialogId::of_request(&theirs), Some(uac.id()));
    assert_eq!(uac.receive(&theirs), Ok(()));
}

/// RFC 3261 section 12.2.2: order, and the target that a re-INVITE refreshes.
#[test]
fn order_and_target() {
    let invite = invite();
    let mut uas = Dialog::uas(&invite, "9").unwrap();
    let mut uac = Dialog::uac(&invite, &accepted(&invite)).unwrap();
    let mut again = uac.request(Method::Invite);
    again.headers.push("Contact", "<sip:moved@192.0.2.9>");
    assert_eq!(uas.receive(&again), Ok(()));
    assert_eq!(uas.remote_target, "sip:moved@192.0.2.9");
    assert_eq!(
        uas.receive(&again),
        Err(CSeqError::OutOfOrder { got: 2, last: 2 })
    );
    assert_eq!(uas.receive(&uac.ack(2)), Ok(()));
    let bye = uac.request(Method::Bye);
    uas.receive(&bye).unwrap();
    assert_eq!(
        uas.remote_target, "sip:moved@192.0.2.9",
        "a BYE refreshes nothing"
    );
}

/// RFC 3261 section 12.2.1.1: a first route without `lr` takes the Request-URI.
#[test]
fn strict_routers_are_served() {
    let invite = invite();
    let mut dialog = Dialog::uac(&invite, &accepted(&invite)).unwrap();
    dialog.route_set = vec!["<sip:strict>".into(), "<sip:p2;lr>".into()];
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri(), Some("sip:strict"));
    let routes: Vec<_> = bye.headers.all("Route").collect();
    assert_eq!(routes, ["<sip:p2;lr>", "<sip:b@192.0.2.2>"]);
}

#[test]
fn a_dialog_needs_contact_and_tag() {
    let plain = parse(&with("INVITE sip:b@example.com SIP/2.0", "")).unwrap();
    assert_eq!(
        Dialog::uas(&plain, "9"),
        Err(HeaderError::Missing("Contact"))
    );
    let mut untagged = Message::response_to(&plain, 200, "");
    untagged.headers.push("Contact", "<sip:b@h>");
    assert_eq!(
        Dialog::uac(&plain, &untagged),
        Err(HeaderError::Missing("To tag"))
    );
}

/// RFC 3261 section 13.3.1.4: T1 doubling to T2, given up after 64 T1.
#[test]
fn a_2xx_is_repeated() {
    let start = Instant::now();
    let mut timer = Retransmit::new(&Config::default(), start);
    let mut sent = Vec::new();
    while let Some(at) = timer.next_wakeup() {
        assert_eq!(
            timer.wake(at - Duration::from_millis(1)),
            RetransmitStep::Idle
        );
        match timer.wake(at) {
            RetransmitStep::Resend => sent.push((at - start).as_millis()),
            RetransmitStep::GaveUp => sent.push(0),
            RetransmitStep::Idle => panic!("woken for nothing"),
        }
    }
    assert_eq!(
        sent,
        [
            500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500, 0
        ]
    );
}
