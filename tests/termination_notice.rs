//! The agent's phone is asked to tell when the call is over, and its notice frees the agent (RFC
//! 4235, RFC 6665). The phone is the test's own socket, since sipp plays one dialog at a time.

use crate::support;

use std::time::Duration;

use support::message::Sip;
use support::raw::{Raw, sdp};
use support::{CALL, CALLER, Centre, Declaration, SOON, Sipp, have};

/// How the phone takes a SUBSCRIBE.
#[derive(Clone, Copy, PartialEq)]
enum Phone {
    /// It accepts and sends NOTIFYs.
    Tells,
    /// It answers 489.
    Refuses,
    /// It says nothing.
    Silent,
}

struct Call {
    centre: Centre,
    phone: Raw,
    caller: support::sipp::Phone,
    invite: Sip,
    subscribe: Sip,
}

/// An answer with these further lines, and a body of SDP if there is one.
fn answer(request: &Sip, status: &str, tag: &str, lines: &str, body: &str) -> String {
    let vias: String = request
        .headers("Via")
        .map(|via| format!("Via: {via}\r\n"))
        .collect();
    let header = |name: &'static str| request.header(name).unwrap_or_default().to_owned();
    let kind = match body {
        "" => "",
        _ => "Content-Type: application/sdp\r\n",
    };
    let to = header("To");
    let to = if to.contains(";tag=") {
        to
    } else {
        format!("{to};tag={tag}")
    };
    format!(
        "SIP/2.0 {status}\r\n{vias}From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         {lines}{kind}Content-Length: {}\r\n\r\n{body}",
        header("From"),
        header("Call-ID"),
        header("CSeq"),
        body.len()
    )
}

/// A request of the phone in the dialog of `request`, which it received.
fn own_request(phone: &Raw, method: &str, request: &Sip, tag: &str, rest: &str) -> String {
    let me = phone.address();
    format!(
        "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{method}{tag};rport\r\n\
         Max-Forwards: 70\r\nFrom: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:anna@{me}>\r\n{rest}",
        request.contact().unwrap_or_default(),
        request.header("To").unwrap_or_default(),
        request.header("From").unwrap_or_default(),
        request.header("Call-ID").unwrap_or_default(),
    )
}

/// A call that stands, whose phone has been asked.
fn call(caller: &'static str) -> Call {
    let centre = Centre::start();
    let phone = Raw::open(centre.agent_address().ip(), &centre.ports, centre.edge);
    let at = phone.address();
    centre.apply(&Declaration::new().at("anna", at));
    let caller = Sipp::caller(caller, CALLER, &centre)
        .hold(Duration::from_secs(2))
        .start();
    let invite = phone.expect("an INVITE", CALL, |sip| sip.is_request("INVITE"));
    let lines = format!(
        "Contact: <sip:anna@{at}>\r\nAllow: INVITE, ACK, BYE, CANCEL, SUBSCRIBE, NOTIFY\r\n"
    );
    phone.send(answer(&invite, "200 OK", "call", &lines, &sdp(at, "0", "")));
    phone.expect("an ACK", SOON, |sip| sip.is_request("ACK"));
    let subscribe = phone.expect("a SUBSCRIBE", SOON, |sip| sip.is_request("SUBSCRIBE"));
    Call {
        centre,
        phone,
        caller,
        invite,
        subscribe,
    }
}

impl Call {
    fn take_subscribe(&self, how: Phone) {
        let contact = format!("Contact: <sip:anna@{}>\r\n", self.phone.address());
        match how {
            Phone::Silent => {}
            Phone::Refuses => {
                let refusal = answer(&self.subscribe, "489 Bad Event", "sub", "", "");
                self.phone.send(refusal);
            }
            Phone::Tells => {
                let lines = format!("{contact}Expires: 600\r\n");
                self.phone
                    .send(answer(&self.subscribe, "200 OK", "sub", &lines, ""));
            }
        }
    }

    /// The phone tells that its side of the call is over.
    fn notify_terminated(&self) {
        let tag = self.invite.tag("From").unwrap_or_default();
        let call_id = self.invite.header("Call-ID").unwrap_or_default();
        let body = format!(
            "<?xml version=\"1.0\"?><dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
             version=\"0\" state=\"full\" entity=\"sip:anna@127.0.0.1\"><dialog id=\"1\" \
             call-id=\"{call_id}\" local-tag=\"call\" remote-tag=\"{tag}\">\
             <state>terminated</state></dialog></dialog-info>"
        );
        let rest = format!(
            "Event: dialog\r\nSubscription-State: terminated;reason=noresource\r\n\
             Content-Type: application/dialog-info+xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.phone.send(own_request(
            &self.phone,
            "NOTIFY",
            &self.subscribe,
            "sub",
            &rest,
        ));
        self.phone
            .expect("200 to NOTIFY", SOON, |sip| sip.is_answer(200, "NOTIFY"));
    }

    /// How the record says that the call ended: cause, and what became of the asking.
    fn recorded(self) -> (String, String) {
        self.centre.wait_empty();
        self.centre.wait_available("anna");
        let ended = support::wait::until("the record", SOON, || self.centre.ended_sessions().pop());
        let word = |name: &str| {
            ended
                .pointer(&format!("/{name}"))
                .or_else(|| ended.pointer(&format!("/event/{name}")))
                .and_then(|value| value.as_str())
                .unwrap_or_else(|| panic!("no {name} in {ended}"))
                .to_owned()
        };
        (word("cause"), word("notice"))
    }
}

// A9
#[test]
fn a_notice_without_a_bye_ends_the_call_and_frees_the_agent() {
    if !have(&["sipp"]) {
        return;
    }
    let mut call = call("caller_waits_for_bye.xml");
    let event = call.subscribe.header("Event").unwrap_or_default();
    assert!(event.starts_with("dialog;call-id="), "{event}");
    call.take_subscribe(Phone::Tells);
    call.notify_terminated();
    call.phone
        .expect("a BYE", SOON, |sip| sip.is_request("BYE"));
    support::wait::until("the caller is hung up", CALL, || call.caller.finished());
    assert_eq!(call.recorded(), ("notice".to_owned(), "active".to_owned()));
}

// A9
#[test]
fn a_phone_that_refuses_frees_its_agent_by_bye() {
    if !have(&["sipp"]) {
        return;
    }
    let mut call = call("caller.xml");
    call.take_subscribe(Phone::Refuses);
    let bye = call
        .phone
        .expect("a BYE", CALL, |sip| sip.is_request("BYE"));
    call.phone.send(answer(&bye, "200 OK", "call", "", ""));
    support::wait::until("the caller has ended", CALL, || call.caller.finished());
    assert_eq!(call.recorded(), ("bye".to_owned(), "refused".to_owned()));
}

// A9
#[test]
fn a_silent_phone_frees_its_agent_by_bye() {
    if !have(&["sipp"]) {
        return;
    }
    let mut call = call("caller.xml");
    call.take_subscribe(Phone::Silent);
    let bye = call
        .phone
        .expect("a BYE", CALL, |sip| sip.is_request("BYE"));
    call.phone.send(answer(&bye, "200 OK", "call", "", ""));
    support::wait::until("the caller has ended", CALL, || call.caller.finished());
    assert_eq!(call.recorded(), ("bye".to_owned(), "asked".to_owned()));
}
