//! Agents and phones that are called by name: DNS by RFC 3263, with the next place where one fails.

use crate::support;

use std::time::Duration;

use support::raw::{Raw, sdp};
use support::sipp::received;
use support::{AGENT, CALL, CALLER, Centre, Declaration, Dns, SOON, Setup, Sipp, have};

/// Long enough to read what has come already.
const BRIEFLY: Duration = Duration::from_millis(50);

fn centre(dns: &Dns) -> Centre {
    let keys = format!("{}\nfailover_after = 1", dns.key());
    Setup::default().relay(&keys).start()
}

fn by_name() -> Declaration {
    Declaration::new().agent("anna", "uri = \"sip:anna@desk.example\"")
}

fn call_ids(messages: &[support::message::Sip]) -> Vec<String> {
    let ids = messages.iter().filter_map(|sip| sip.header("Call-ID"));
    let mut ids: Vec<String> = ids.map(str::to_owned).collect();
    ids.dedup();
    ids
}

// A5 B1
#[test]
fn a_silent_place_is_left_for_the_next_and_avoided_by_the_next_call() {
    if !have(&["sipp"]) {
        return;
    }
    let dns = Dns::start();
    let centre = centre(&dns);
    let dead = Raw::open(AGENT, &centre.ports, centre.edge);
    let live = centre.agent_address();
    dns.naptr("desk.example", 20, "SIP+D2T", "_sip._tcp.desk.example");
    dns.naptr("desk.example", 10, "SIP+D2U", "_sip._udp.desk.example");
    let service = "_sip._udp.desk.example";
    dns.srv(service, 2, live.port(), "b.desk.example");
    dns.srv(service, 1, dead.address().port(), "a.desk.example");
    dns.a("a.desk.example", AGENT);
    dns.a("b.desk.example", AGENT);
    centre.apply(&by_name());

    let agent = Sipp::agent("agent.xml", live, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    let seen = agent.succeeds(SOON);
    centre.wait_empty();
    let taken = received(&seen).find(|sip| sip.is_request("INVITE"));
    let taken = taken.expect("an INVITE at the second place");
    let tried = dead.all(BRIEFLY);
    let first = tried.first().expect("an INVITE at the first place");
    assert!(first.is_request("INVITE"), "{first:?}");
    for header in ["Call-ID", "CSeq", "From"] {
        assert_eq!(first.header(header), taken.header(header), "{header}");
    }
    assert_ne!(
        first.header("Via"),
        taken.header("Via"),
        "a branch of its own"
    );
    assert_eq!(taken.start(), "INVITE sip:anna@desk.example SIP/2.0");
    let asked = dns.asked();
    let order = ["NAPTR desk.example", "SRV _sip._udp.desk.example"];
    assert_eq!(asked.get(..2).expect("two questions"), order);

    let agent = Sipp::agent("agent.xml", live, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    let again = dead.all(BRIEFLY);
    assert!(call_ids(&again).len() <= 1, "no new call there: {again:?}");
    assert!(
        call_ids(&again)
            .iter()
            .all(|id| Some(id.as_str()) == first.header("Call-ID"))
    );
    let failovers = centre.relay_api.metric("patchbay_relay_failovers_total");
    assert_eq!(failovers, 1.0);
}

// A5 B1
#[test]
fn a_refused_connection_and_a_503_are_left_at_once() {
    if !have(&["sipp"]) {
        return;
    }
    let dns = Dns::start();
    let centre = centre(&dns);
    let (busy, live) = (centre.agent_address(), centre.agent_address());
    // Nobody listens on TCP.
    dns.naptr("desk.example", 10, "SIP+D2T", "_sip._tcp.desk.example");
    dns.naptr("desk.example", 20, "SIP+D2U", "_sip._udp.desk.example");
    dns.srv("_sip._tcp.desk.example", 1, live.port(), "desk.example");
    dns.srv("_sip._udp.desk.example", 1, busy.port(), "desk.example");
    dns.srv("_sip._udp.desk.example", 2, live.port(), "desk.example");
    dns.a("desk.example", AGENT);
    centre.apply(&by_name());
    let refuses = Sipp::agent("agent_refuses.xml", busy, &centre)
        .word("status", "503")
        .word("reason", "Service Unavailable")
        .start();
    let agent = Sipp::agent("agent.xml", live, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
    let heard = caller.succeeds(CALL);
    agent.succeeds(SOON);
    let refused = refuses.succeeds(SOON);
    let invite = received(&refused).find(|sip| sip.is_request("INVITE"));
    let via = invite.and_then(|sip| sip.header("Via")).unwrap_or_default();
    assert!(via.starts_with("SIP/2.0/UDP "), "{via}");
    let failures = received(&heard).filter(|sip| sip.status() >= Some(300));
    assert_eq!(failures.count(), 0, "the caller hears of none of it");
    centre.wait_empty();
}

// B6
#[test]
fn requests_inside_a_call_go_where_the_name_in_the_contact_leads() {
    if !have(&["sipp"]) {
        return;
    }
    let dns = Dns::start();
    let centre = centre(&dns);
    let open = || Raw::open(AGENT, &centre.ports, centre.edge);
    let (phone, dead, live) = (open(), open(), open());
    let service = "_sip._udp.moved.example";
    dns.srv(service, 1, dead.address().port(), "moved.example");
    dns.srv(service, 2, live.address().port(), "moved.example");
    dns.a("moved.example", AGENT);
    centre.apply(&Declaration::new().at("anna", phone.address()));
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .hold(Duration::from_secs(1))
        .start();
    let invite = phone.expect("the call", SOON, |sip| sip.is_request("INVITE"));
    let media = sdp(phone.address(), "0", "");
    phone.send(invite.answered(200, "anna@moved.example", &media));
    phone.expect("its ACK", SOON, |sip| sip.is_request("ACK"));
    let at_dead = dead.expect("the first try", SOON, |sip| sip.is_request("BYE"));
    let at_live = live.expect("the second try", SOON, |sip| sip.is_request("BYE"));
    live.send(at_live.answered(200, "anna@moved.example", ""));
    assert_ne!(at_dead.header("Via"), at_live.header("Via"));
    assert_eq!(at_dead.header("CSeq"), at_live.header("CSeq"));
    assert_eq!(at_live.start(), "BYE sip:anna@moved.example SIP/2.0");
    caller.succeeds(CALL);
    centre.wait_empty();
    assert!(phone.all(BRIEFLY).is_empty(), "nothing where it was before");
}
