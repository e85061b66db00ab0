//! `patchbay route`: an agent is asked for on a terminal, waited for, and told of.

use crate::support;

use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use support::centre::PATCHBAY;
use support::{Centre, Declaration, SOON, until};

fn command(centre: &Centre, words: &[&str]) -> Command {
    let mut command = Command::new(PATCHBAY);
    command
        .arg("route")
        .args(words)
        .args(["--api", &format!("http://{}", centre.api_address)])
        .args(["--data".as_ref(), centre.folder.file("data").as_os_str()]);
    command
}

fn run(centre: &Centre, words: &[&str]) -> Output {
    command(centre, words).output().expect("it runs")
}

fn said(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

fn start(centre: &Centre, words: &[&str]) -> Child {
    let mut command = command(centre, words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("it starts")
}

const DORA: [&str; 6] = [
    "ask",
    "--from",
    "sip:dora@example.net",
    "--to",
    "sip:support@centre.example",
    "--medium",
];

fn ask<'a>(more: &[&'a str]) -> Vec<&'a str> {
    DORA.into_iter().chain(more.iter().copied()).collect()
}

fn chats(centre: &Centre) {
    let anna = format!(
        "uri = \"sip:anna@{}\"\ncapacities = {{ chat = 1 }}",
        centre.agent_address()
    );
    let declaration = Declaration::new().queue("when_no_agents", "\"wait\"");
    centre.apply(&declaration.agent("anna", &anna));
}

// D13
#[test]
fn an_agent_is_reserved_and_what_becomes_of_it_is_told() {
    let centre = Centre::start();
    chats(&centre);
    let first = run(&centre, &ask(&["chat", "--json"]));
    assert!(first.status.success(), "{}", said(&first));
    let offered: Value = serde_json::from_slice(&first.stdout).expect("JSON");
    assert_eq!(
        (&offered["state"], &offered["agent"]),
        (&json!("offered"), &json!("anna"))
    );
    let word = |name: &str| offered[name].as_str().expect("a word").to_owned();
    let (contact, offer) = (word("contact"), word("offer"));

    let second = start(&centre, &ask(&["chat", "--wait", "30"]));
    until("the second waits", SOON, || {
        (centre.contacts().len() == 2).then_some(())
    });
    let no_offer = run(&centre, &["report", &contact, "answered"]);
    assert!(said(&no_offer).contains("--offer"), "{}", said(&no_offer));
    for result in ["answered", "ended"] {
        let told = run(&centre, &["report", &contact, result, "--offer", &offer]);
        assert!(told.status.success(), "{}", said(&told));
    }
    let shown = run(&centre, &["show", &contact]);
    assert!(
        said(&shown).contains("with anna: reported"),
        "{}",
        said(&shown)
    );
    let second = second.wait_with_output().expect("it ends");
    let text = said(&second);
    assert!(second.status.success(), "{text}");
    assert!(text.contains("in support at position 2"), "{text}");
    assert!(text.contains("anna is reserved for"), "{text}");
}

// D13
#[test]
fn who_waits_for_nobody_gives_the_contact_up() {
    let centre = Centre::start();
    centre.apply(
        &Declaration::new()
            .queue("when_no_agents", "\"wait\"")
            .registers("anna", "secret"),
    );
    let gone = run(&centre, &ask(&["call", "--wait", "1"]));
    assert!(!gone.status.success());
    assert!(said(&gone).contains("no agent was free"), "{}", said(&gone));
    centre.wait_empty();
    let unknown = run(&centre, &["show", "0000000000000001"]);
    assert!(said(&unknown).contains("no contact"), "{}", said(&unknown));
}
