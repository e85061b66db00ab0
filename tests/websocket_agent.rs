//! An agent in a browser: JsSIP in Chromium registers over a WebSocket and is called on it.

use crate::support;

use std::time::Duration;

use support::browser::Browser;
use support::sipp::received;
use support::steps::{More, accept, ends, hears, pause, reply, sdp, send, takes};
use support::{AGENT, CALL, CALLER, Centre, Declaration, Media, SOON, Setup, Sipp, have, until};

use crate::phone_transfers::{assert_hides, follows, notify, refer_to, talk};

/// What a browser takes beside the description of a phone.
const SECURE: &str = "\na=fingerprint:sha-256 \
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\
    \na=setup:actpass\na=rtcp-mux\na=ice-ufrag:abcd\na=ice-pwd:abcdefghijklmnopqrstuv\
    \na=mid:0";

fn call(centre: &Centre) {
    let caller = Sipp::caller("caller_of_browser.xml", CALLER, centre)
        .word("lines", SECURE)
        .hold(Duration::from_millis(500))
        .without_echo()
        .start();
    let answer = caller.answered();
    let contact = answer.header("Contact").expect("a Contact");
    assert!(
        !contact.contains("invalid") && !contact.contains("ws"),
        "{contact}"
    );
    caller.succeeds(CALL);
    centre.wait_empty();
}

// A1 A5 B6
#[test]
fn a_browser_is_called_on_its_websocket_also_after_control_restarts() {
    if !have(&["sipp", "chromium", "npm", "node"]) {
        return;
    }
    let mut centre = Setup::default().apart().secure().start();
    centre.apply(&Declaration::new().registers("anna", "secret-of-anna"));
    let socket = format!("ws://{}", centre.doors().ws);
    let browser = Browser::open(&centre, &socket, "anna", "secret-of-anna");
    centre.wait_available("anna");
    call(&centre);
    browser.says("confirmed", SOON);
    browser.says("ended by remote", SOON);

    // The binding keeps the way to the browser; the browser notices nothing.
    centre.control_process.kill();
    centre.restart_control();
    centre.wait_available("anna");
    call(&centre);
    until("the second call ends in the page too", SOON, || {
        (browser.times("ended by remote") == 2).then_some(())
    });
    assert_eq!(browser.times("connected"), 1, "{:?}", browser.said());
    assert_eq!(browser.times("rings"), 2, "{:?}", browser.said());
}

// A1
#[test]
fn a_browser_registers_and_is_called_over_wss() {
    if !have(&["sipp", "chromium", "npm", "node"]) {
        return;
    }
    let centre = Setup::default().secure().start();
    centre.apply(&Declaration::new().registers("anna", "secret-of-anna"));
    let socket = format!("wss://{}", centre.doors().wss);
    let browser = Browser::open(&centre, &socket, "anna", "secret-of-anna");
    centre.wait_available("anna");
    call(&centre);
    browser.says("ended by remote", SOON);
}

// B6 B7 D11: RFC 3515, RFC 3891, RFC 5589 section 7
#[test]
fn an_agent_in_a_browser_consults_another_and_hands_its_caller_over() {
    if !have(&["sipp", "chromium", "npm", "node"]) {
        return;
    }
    let centre = Setup::default().secure().start();
    let ben_at = centre.agent_address();
    let keys = |how: &str, level| format!("{how}\nskills = {{ support = {level} }}");
    let two = Declaration::new()
        .wants("support = 1")
        .agent("anna", &keys("password = \"secret-of-anna\"", 9))
        .agent("ben", &keys(&format!("uri = \"sip:ben@{ben_at}\""), 1));
    centre.apply(&two);
    let (carlas, bens) = (
        Media::open(CALLER, &centre.ports),
        Media::open(AGENT, &centre.ports),
    );
    // Ben is asked again, with the description of the caller's second line.
    let plain = sdp(2003, bens.address().port(), "");
    let plain = More::default().body("application/sdp", plain);
    let ben = Sipp::agent("agent_of_browser.xml", ben_at, &centre)
        .media(&bens)
        .word("lines", SECURE.replace("actpass", "active"))
        .word(
            "steps",
            takes("INVITE") + &accept("200 OK", &plain) + &ends(),
        )
        .start();
    let socket = format!("ws://{}", centre.doors().ws);
    let account = ("anna", "secret-of-anna");
    let third = format!("sip:support@{}", centre.edge.ip());
    let browser = Browser::that_transfers(&centre, &socket, account, &third);
    centre.wait_available("anna");
    let steps = takes("REFER")
        + &reply("202 Accepted", &More::default())
        + &pause(2000)
        + &send(support::steps::Of::Caller, "NOTIFY", 2, &notify())
        // JsSIP hangs up on the word of success, and answers it afterwards.
        + &ends()
        + &hears(200);
    let carla = Sipp::caller("caller_of_browser_steps.xml", CALLER, &centre)
        .media(&carlas)
        .word("lines", SECURE)
        .word("steps", steps)
        .start();
    browser.says("refer taken", CALL);
    // sipp has no way to call in the same process: carla's second line does.
    let second = follows(&centre, CALLER, &refer_to(&carla), &carlas)
        .hold(Duration::from_secs(2))
        .start();
    let asked = ben.receives("a second INVITE", CALL, |sip| {
        sip.is_request("INVITE") && sip.tag("To").is_some()
    });
    let to_ben = second.answered().audio().unwrap();
    talk((&carlas, to_ben), (&bens, asked.audio().unwrap()));
    // Who was replaced is hung up, and the word of the transfer reaches the page.
    browser.says("consultation ended by remote", SOON);
    browser.says("transferred", SOON);
    browser.says("ended by local", SOON);
    assert_hides(&carla.succeeds(CALL), &[AGENT]);
    assert_hides(&second.succeeds(CALL), &[AGENT]);
    let heard = ben.succeeds(SOON);
    assert_hides(&heard, &[CALLER]);
    let invites = received(&heard).filter(|sip| sip.is_request("INVITE"));
    assert_eq!(invites.count(), 2);
    centre.wait_empty();
    centre.wait_available("anna");
    centre.wait_available("ben");
}
