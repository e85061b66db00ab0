//! The agent's phone is asked to tell when the call is over. A9; RFC 4235, RFC 6665.
use crate::support::*;

use patchbay_relay::session::NOTIFY_WAIT;
use patchbay_route::session::{EndCause, EndedBy, NoticeState, SessionEvent};
use patchbay_sip::{HeaderName, Message};

const ALLOW: &str = "INVITE, BYE, SUBSCRIBE, NOTIFY";

/// A call whose phone says that it takes SUBSCRIBE; gives the INVITE and the SUBSCRIBE as they
/// arrived there.
fn asked(bed: &mut Bed, allow: Option<&str>) -> (Message, Option<Message>) {
    bed.receive_message(udp(CALLER), &invite());
    let forwarded = bed.expect("10.0.0.2:5070", "INVITE");
    let now = bed.now();
    bed.receive_message(control(), &transfer(&forwarded, NOTICED, now));
    let offer = bed.expect(AGENT, "INVITE");
    let mut ok = with_sdp(answer(&offer, 200, "anna"), "203.0.113.7", 6000);
    if let Some(allow) = allow {
        ok.headers.push(HeaderName::Allow, allow);
    }
    bed.receive_message(udp(AGENT), &ok);
    let known = allow.is_some_and(|allow| allow.contains("SUBSCRIBE"));
    let subscribe = known.then(|| bed.expect(AGENT, "SUBSCRIBE"));
    pass_upstream(bed, "200");
    let ok = bed.expect(CALLER, "200");
    bed.receive_message(udp(CALLER), &in_dialog("ACK", &ok, 1, CALLER));
    (offer, subscribe)
}

fn document(offer: &Message, state: &str) -> String {
    let call_id = offer.call_id().unwrap();
    let remote = offer.from_tag().unwrap();
    format!(
        "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" state=\"full\" \
         entity=\"sip:anna@centre.example\"><dialog id=\"1\" call-id=\"{call_id}\" \
         local-tag=\"anna\" remote-tag=\"{remote}\" direction=\"recipient\">\
         <state>{state}</state></dialog></dialog-info>"
    )
}

fn notify(offer: &Message, subscribe: &Message, cseq: u32, state: &str) -> Message {
    let mut notify = from_agent("NOTIFY", subscribe, "subscribed", cseq);
    notify.headers.push(HeaderName::Event, "dialog");
    notify
        .headers
        .push(HeaderName::SubscriptionState, "active;expires=600");
    notify.set_body(
        "application/dialog-info+xml",
        document(offer, state).into_bytes(),
    );
    notify
}

fn notices(bed: &Bed) -> Vec<(NoticeState, u16)> {
    let notice = |event: &SessionEvent| match event {
        SessionEvent::Notice(notice) => Some((notice.state, notice.code)),
        _ => None,
    };
    bed.events.iter().filter_map(notice).collect()
}

fn end(bed: &Bed) -> Option<(EndedBy, EndCause, NoticeState)> {
    bed.events.iter().find_map(|event| match event {
        SessionEvent::Ended(ended) => Some((ended.by, ended.cause, ended.notice)),
        _ => None,
    })
}

#[test]
fn a_notice_of_the_phone_ends_the_call_without_a_bye() {
    let mut bed = Bed::new();
    let (offer, subscribe) = asked(&mut bed, Some(ALLOW));
    let subscribe = subscribe.unwrap();
    let event = subscribe.headers.get(HeaderName::Event).unwrap();
    let (call_id, tag) = (offer.call_id().unwrap(), offer.from_tag().unwrap());
    assert_eq!(
        event,
        format!("dialog;call-id={call_id};to-tag=anna;from-tag={tag}")
    );
    assert_ne!(subscribe.call_id().unwrap(), call_id, "a dialog of its own");
    assert!(subscribe.to_tag().is_none());
    assert_hides(&subscribe, &["192.0.2.9", "10.0.0.", "alice@192"]);

    // The NOTIFY may be faster than the answer.
    bed.receive_message(udp(AGENT), &notify(&offer, &subscribe, 1, "confirmed"));
    bed.expect(AGENT, "200");
    let mut ok = answer(&subscribe, 200, "subscribed");
    ok.headers.push(HeaderName::Expires, "600");
    bed.receive_message(udp(AGENT), &ok);
    assert_eq!(notices(&bed), [(NoticeState::Active, 200)]);
    assert_eq!(end(&bed), None);

    bed.receive_message(udp(AGENT), &notify(&offer, &subscribe, 2, "terminated"));
    bed.expect(AGENT, "200");
    bed.expect(CALLER, "BYE");
    let how = (EndedBy::Agent, EndCause::Notice, NoticeState::Active);
    assert_eq!(end(&bed), Some(how));
}

#[test]
fn a_subscription_is_renewed_before_it_ends() {
    let mut bed = Bed::new();
    let (offer, subscribe) = asked(&mut bed, Some(ALLOW));
    let subscribe = subscribe.unwrap();
    bed.receive_message(udp(AGENT), &notify(&offer, &subscribe, 1, "confirmed"));
    bed.expect(AGENT, "200");
    let mut ok = answer(&subscribe, 200, "subscribed");
    ok.headers.push(HeaderName::Expires, "100");
    bed.receive_message(udp(AGENT), &ok);
    bed.pass(std::time::Duration::from_secs(76));
    let again = bed.expect(AGENT, "SUBSCRIBE");
    assert_eq!(again.to_tag().as_deref(), Some("subscribed"));
    assert_eq!(again.call_id().unwrap(), subscribe.call_id().unwrap());
    assert_eq!(again.cseq().unwrap().number, 2);
}

#[test]
fn a_phone_that_refuses_keeps_its_call_and_the_record_says_so() {
    for status in [489, 405, 481, 403, 401, 501] {
        let mut bed = Bed::new();
        let (offer, subscribe) = asked(&mut bed, Some(ALLOW));
        let mut refusal = answer(&subscribe.unwrap(), status, "x");
        refusal.headers.push(
            HeaderName::WwwAuthenticate,
            "Digest realm=\"phone\", nonce=\"1\", algorithm=MD5",
        );
        bed.receive_message(udp(AGENT), &refusal);
        assert_eq!(notices(&bed), [(NoticeState::Refused, status)]);
        assert_eq!(end(&bed), None, "{status}");
        bed.receive_message(udp(AGENT), &from_agent("BYE", &offer, "anna", 7));
        bed.expect(AGENT, "200");
        let how = (EndedBy::Agent, EndCause::Bye, NoticeState::Refused);
        assert_eq!(end(&bed), Some(how));
    }
}

#[test]
fn a_phone_that_does_not_say_that_it_knows_subscribe_is_not_asked() {
    for allow in [Some("INVITE, ACK, BYE, CANCEL"), None] {
        let mut bed = Bed::new();
        let (offer, _) = asked(&mut bed, allow);
        assert_eq!(notices(&bed), []);
        bed.receive_message(udp(AGENT), &from_agent("BYE", &offer, "anna", 7));
        bed.expect(AGENT, "200");
        assert_eq!(end(&bed).unwrap().2, NoticeState::Refused);
    }
}

#[test]
fn a_phone_that_keeps_silent_is_left_to_what_the_relay_knows() {
    let mut bed = Bed::new();
    let _call = asked(&mut bed, Some(ALLOW));
    bed.pass(NOTIFY_WAIT + std::time::Duration::from_secs(1));
    assert_eq!(notices(&bed), [(NoticeState::Silent, 408)]);
    assert_eq!(end(&bed), None);

    let mut bed = Bed::new();
    let (_, subscribe) = asked(&mut bed, Some(ALLOW));
    bed.receive_message(udp(AGENT), &answer(&subscribe.unwrap(), 202, "x"));
    bed.pass(NOTIFY_WAIT + std::time::Duration::from_secs(1));
    assert_eq!(notices(&bed), [(NoticeState::Silent, 0)]);
}

#[test]
fn notices_that_are_not_of_this_call_do_nothing() {
    let mut bed = Bed::new();
    let (offer, subscribe) = asked(&mut bed, Some(ALLOW));
    let subscribe = subscribe.unwrap();
    bed.receive_message(udp(AGENT), &notify(&offer, &subscribe, 1, "confirmed"));
    bed.expect(AGENT, "200");
    let mut other = notify(&offer, &subscribe, 2, "terminated");
    let body = document(&offer, "terminated").replace("local-tag=\"anna\"", "local-tag=\"x\"");
    other.set_body("application/dialog-info+xml", body.into_bytes());
    bed.receive_message(udp(AGENT), &other);
    bed.expect(AGENT, "200");

    let mut forged = notify(&offer, &subscribe, 3, "terminated");
    let from = forged
        .headers
        .get(HeaderName::From)
        .unwrap()
        .replace("tag=subscribed", "tag=evil");
    forged.headers.set(HeaderName::From, from);
    bed.receive_message(udp(AGENT), &forged);
    bed.expect(AGENT, "481");

    let mut malformed = notify(&offer, &subscribe, 4, "terminated");
    malformed.set_body(
        "application/dialog-info+xml",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a/>",
    );
    bed.receive_message(udp(AGENT), &malformed);
    bed.expect(AGENT, "400");

    let mut package = notify(&offer, &subscribe, 5, "terminated");
    package.headers.set(HeaderName::Event, "presence");
    bed.receive_message(udp(AGENT), &package);
    bed.expect(AGENT, "489");
    assert_eq!(end(&bed), None);
}
