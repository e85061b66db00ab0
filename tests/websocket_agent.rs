//! An agent in a browser: JsSIP in Chromium registers over a WebSocket and is called on it.

use crate::support;

use std::time::Duration;

use support::browser::Browser;
use support::{CALL, CALLER, Centre, Declaration, SOON, Setup, Sipp, have, until};

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
