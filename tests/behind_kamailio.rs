//! Kamailio in the way of a call: as the trunk's proxy between caller and centre, and as the proxy of
//! the agents' phones. It asks to stay in the way by Record-Route, and does.

use crate::support;

use std::net::SocketAddr;
use std::time::Duration;

use support::kamailio::{KAMAILIO, Kamailio, Side};
use support::message::Sip;
use support::sipp::{Phone, Seen, received};
use support::steps::{More, Of, accept, bye, ends, hears, reply, sdp, send, takes};
use support::{AGENT, CALL, CALLER, Centre, Declaration, Media, RELAY, SOON, Setup, Sipp, have};

/// Where kamailio is in a call.
enum Way {
    /// Between the caller and the centre.
    Trunk,
    /// Between the centre and the agent, who is declared to be there.
    Declared,
    /// Between the centre and the agent, who registers through it.
    Registered,
}

struct Stage {
    centre: Centre,
    kamailio: Kamailio,
    carla: Media,
    anna: Media,
    agent_at: SocketAddr,
    trunk: bool,
    by: Side,
}

impl Stage {
    fn set_with(way: &Way, by: Side) -> Option<Stage> {
        if !have(&["sipp", "kamailio"]) || by == Side::Tls && !have(&["kamailio's tls.so"]) {
            return None;
        }
        // sipp 3.6 knows MD5 only and gives up when anything else is offered first.
        let setup = Setup::default().control(support::centre::MD5_ONLY);
        let setup = match by {
            Side::Tls => setup.secure().relay("tls_ca = \"ca.pem\""),
            _ => setup,
        };
        let centre = setup.start();
        let agent_at = centre.agent_address();
        let kamailio = Kamailio::start(&centre, agent_at, by);
        centre.apply(&match way {
            Way::Trunk => Declaration::new().at("anna", agent_at),
            Way::Declared => {
                let uri = format!("sip:anna@{};transport={}", kamailio.side, by.word());
                Declaration::new().agent("anna", &format!("uri = \"{uri}\""))
            }
            Way::Registered => Declaration::new().registers("anna", "secret"),
        });
        if matches!(way, Way::Registered) {
            let phone = Sipp::register("anna", "secret", agent_at, &centre);
            let phone = phone.word("seconds", "600").word("status", "200");
            phone.through(kamailio.at).start().succeeds(SOON);
        }
        centre.wait_available("anna");
        Some(Stage {
            carla: Media::open(CALLER, &centre.ports),
            anna: Media::open(AGENT, &centre.ports),
            trunk: matches!(way, Way::Trunk),
            by,
            centre,
            kamailio,
            agent_at,
        })
    }

    fn caller(&self, scenario: &'static str) -> Sipp {
        let caller = Sipp::caller(scenario, CALLER, &self.centre).media(&self.carla);
        match self.trunk {
            true => caller.through(self.kamailio.at),
            false => caller,
        }
    }

    fn agent(&self, scenario: &'static str) -> Sipp {
        Sipp::agent(scenario, self.agent_at, &self.centre).media(&self.anna)
    }

    fn describes(&self, media: &Media, version: u32) -> More {
        let text = sdp(version, media.address().port(), "");
        self.routed().body("application/sdp", text)
    }

    /// With the route that the dialog has; those of the caller's requests stand there already.
    fn routed(&self) -> More {
        match self.trunk {
            true => More::default(),
            false => More::headers("[routes]"),
        }
    }

    /// Both talk, and hear each other.
    fn talk(&self, caller: &Phone, agent: &Phone) {
        let to_anna = caller.answered().audio().expect("audio");
        let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
        let to_carla = offer.audio().expect("audio");
        assert_eq!((to_anna.ip(), to_carla.ip()), (RELAY, RELAY));
        self.carla.talk(to_anna, 1, 10);
        self.anna.wait_intact(self.carla.ssrc(), 10, SOON);
        self.anna.talk(to_carla, 1, 10);
        self.carla.wait_intact(self.anna.ssrc(), 10, SOON);
    }

    /// Each asks anew, then `of` hangs up. Gives what the side got on which kamailio is.
    fn call(&self, of: Of) -> Vec<Seen> {
        let trying = "  <recv response=\"100\" optional=\"true\"/>\n";
        let reinvite = |of: Of, number: u32, media: &Media| {
            let more = match of {
                Of::Caller => More::default().body(
                    "application/sdp",
                    sdp(1000 + number, media.address().port(), ""),
                ),
                Of::Agent => self.describes(media, 2000 + number),
            };
            let ack = match of {
                Of::Caller => More::default(),
                Of::Agent => self.routed(),
            };
            send(of, "INVITE", number, &more)
                + trying
                + &hears(200)
                + &send(of, "ACK", number, &ack)
        };
        let accepts = |media: &Media, version: u32| {
            let text = sdp(version, media.address().port(), "");
            let more = More::default().body("application/sdp", text);
            takes("INVITE") + &accept("200 OK", &more)
        };
        let (mut caller, mut agent) = (
            reinvite(Of::Caller, 2, &self.carla) + &accepts(&self.carla, 1100),
            accepts(&self.anna, 2100) + &reinvite(Of::Agent, 5, &self.anna),
        );
        match of {
            Of::Caller => {
                caller += "  <pause milliseconds=\"1000\"/>\n";
                caller += &bye(Of::Caller, 9);
                agent += &ends();
            }
            Of::Agent => {
                agent += "  <pause milliseconds=\"1000\"/>\n";
                agent += &send(Of::Agent, "BYE", 9, &self.routed());
                agent += &hears(200);
                caller += &takes("BYE");
                caller += &reply("200 OK", &More::default());
            }
        }
        let agent = self
            .agent("agent_behind_proxy.xml")
            .word("steps", agent)
            .start();
        let caller = self.caller("caller_steps.xml").word("steps", caller);
        let caller = caller.start();
        self.talk(&caller, &agent);
        let (caller, agent) = (caller.succeeds(CALL), agent.succeeds(SOON));
        self.centre.wait_empty();
        self.centre.wait_available("anna");
        for (seen, other) in [(&caller, AGENT), (&agent, CALLER)] {
            for sip in received(seen) {
                assert!(!sip.0.contains(&other.to_string()), "{}", sip.0);
            }
        }
        match self.trunk {
            true => assert!(self.trunk_is_named(&caller)),
            false => assert!(self.relay_came_by(&agent)),
        }
        if self.trunk { caller } else { agent }
    }

    /// The route of the caller's dialog names the side on which the centre is.
    fn trunk_is_named(&self, caller: &[Seen]) -> bool {
        let answer = received(caller).find(|sip| sip.is_answer(200, "INVITE"));
        let routes = answer.expect("an answer").headers("Record-Route");
        let side = self.kamailio.side.to_string();
        let routes: Vec<&str> = routes.filter(|route| route.contains(&side)).collect();
        let named = format!("transport={}", self.by.word());
        let mut named = routes.iter().map(|route| route.contains(&named));
        // UDP need not be named (RFC 3261 section 19.1.2).
        named
            .next()
            .is_some_and(|named| named || self.by == Side::Udp)
    }

    /// The relay's Via says by which transport it called.
    fn relay_came_by(&self, agent: &[Seen]) -> bool {
        let offer = received(agent).find(|sip| sip.is_request("INVITE"));
        let via = offer.expect("an offer").headers("Via").last();
        let word = self.by.word().to_ascii_uppercase();
        via.is_some_and(|via| via.starts_with(&format!("SIP/2.0/{word} ")))
    }
}

/// Every request inside the call came by way of kamailio.
fn assert_by_kamailio(seen: &[Seen]) {
    let requests: Vec<&Sip> = received(seen)
        .filter(|sip| sip.status().is_none())
        .collect();
    assert!(!requests.is_empty());
    for request in requests {
        let via = request.header("Via").expect("a Via");
        assert!(via.contains(&KAMAILIO.to_string()), "{}", request.0);
    }
}

fn both_hang_up(way: &Way, by: Side) {
    for of in [Of::Caller, Of::Agent] {
        let Some(stage) = Stage::set_with(way, by) else {
            return;
        };
        assert_by_kamailio(&stage.call(of));
    }
}

// A1 B6 D11: RFC 3261 sections 12.1.1 and 16.6
#[test]
fn a_trunks_proxy_stays_in_the_way_of_requests_from_both_sides() {
    both_hang_up(&Way::Trunk, Side::Udp);
}

// A1 B6: RFC 3261 section 9.2
#[test]
fn a_cancel_comes_through_a_trunks_proxy() {
    let Some(stage) = Stage::set_with(&Way::Trunk, Side::Udp) else {
        return;
    };
    let agent = stage.agent("agent_does_not_answer.xml").start();
    let caller = stage
        .caller("caller_cancels.xml")
        .hold(Duration::from_millis(300))
        .word("before", "182")
        .word("after", "180");
    caller.start().succeeds(CALL);
    agent.succeeds(SOON);
    stage.centre.wait_empty();
    stage.centre.wait_available("anna");
}

// A5 B6 D11: RFC 3261 section 12.1.2
#[test]
fn an_agent_declared_at_a_proxy_is_called_through_it() {
    both_hang_up(&Way::Declared, Side::Udp);
}

// A5 B6 D12: RFC 3327 section 5
#[test]
fn an_agent_that_registers_through_a_proxy_is_called_by_its_path() {
    both_hang_up(&Way::Registered, Side::Udp);
}

// A1 A5 B6 D12: RFC 3327 section 5
#[test]
fn an_agent_that_registers_through_a_proxy_over_tcp_is_called_by_its_path() {
    both_hang_up(&Way::Registered, Side::Tcp);
}

// A1 A5 B6 D12: RFC 3327 section 5
#[test]
fn an_agent_that_registers_through_a_proxy_over_tls_is_called_by_its_path() {
    both_hang_up(&Way::Registered, Side::Tls);
}

// A1 B6 D11: RFC 3261 sections 18.1.1 and 18.2.2, RFC 5658
#[test]
fn a_trunks_proxy_speaks_tcp_with_the_centre() {
    both_hang_up(&Way::Trunk, Side::Tcp);
}

// A1 B6 D11: RFC 3261 section 26.2.1
#[test]
fn a_trunks_proxy_speaks_tls_with_the_centre() {
    both_hang_up(&Way::Trunk, Side::Tls);
}

// A5 B6 D11
#[test]
fn an_agents_proxy_is_called_over_tcp() {
    both_hang_up(&Way::Declared, Side::Tcp);
}

// A5 B6 D11: RFC 5922 section 7.3
#[test]
fn an_agents_proxy_is_called_over_tls() {
    both_hang_up(&Way::Declared, Side::Tls);
}

// D13
#[test]
fn the_callers_proxy_takes_the_call_to_the_agent_that_it_is_told() {
    if !have(&["sipp", "kamailio"]) {
        return;
    }
    let centre = Centre::start();
    let agent_at = centre.agent_address();
    let kamailio = Kamailio::start(&centre, agent_at, Side::Udp);
    let redirects = Declaration::new().queue("hand_over", "\"redirect\"");
    centre.apply(&redirects.at("anna", agent_at));
    let phone = Sipp::agent("agent.xml", agent_at, &centre).start();
    let caller = Sipp::caller("caller.xml", CALLER, &centre)
        .calls_for("support-by-302")
        .through(kamailio.at)
        .hold(Duration::from_millis(500))
        .start();
    let answer = caller.answered();
    assert!(
        answer
            .contact()
            .is_some_and(|at| at.contains(&agent_at.to_string()))
    );
    centre.wait_in_call("anna");
    assert!(
        centre.relay_sessions().is_empty(),
        "no relay has to do with it"
    );
    caller.succeeds(CALL);
    let seen = phone.succeeds(SOON);
    let invites = received(&seen).filter(|sip| sip.is_request("INVITE"));
    assert_eq!(invites.count(), 1);
    // Who carries a call says when it is over.
    let contacts = centre.contacts();
    let (id, offer) = (&contacts[0]["id"], &contacts[0]["offer"]);
    let path = format!("/api/v1/route/{}", id.as_str().expect("an id"));
    let ended = serde_json::json!({ "result": "ended", "offer": offer });
    let answer = centre.api.request("POST", &path, Some(&ended));
    assert_eq!(answer.status, 200, "{}", answer.text);
    centre.wait_available("anna");
}
