//! `patchbay rules explain` says the same of a running centre and of its declaration alone.

use crate::support;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::centre::PATCHBAY;
use support::{Centre, Declaration};

const RULES: &str = r#"
[[calendar]]
id = "office"
zone = "Europe/Zurich"
open = [{ days = ["mon", "tue", "wed", "thu", "fri"], from = "08:00", to = "18:00" }]
holidays = [{ date = "*-12-25", name = "Christmas" }]

[[rule]]
id = "closed"
when = { to = "support@*", calendar = "!office" }
then = { refuse = 480 }

[[rule]]
id = "gold"
when = { to = "support@*", expression = 'headers["x-tier"][0] == "gold"' }
then = { queue = "support", skills = { german = 2 }, attributes = { tier = "gold" } }
"#;

const CALL: &str = "INVITE sip:support@example.com SIP/2.0\n\
    Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKtry\n\
    From: <sip:carla@example.net>;tag=1\n\
    To: <sip:support@example.com>\n\
    Call-ID: try\n\
    CSeq: 1 INVITE\n\
    X-Tier: gold\n\n";

const OPEN: &str = "2026-12-23T10:00:00+01:00";
const CHRISTMAS: &str = "2026-12-25T10:00:00+01:00";

struct Asking<'a> {
    centre: &'a Centre,
    offline: bool,
}

impl Asking<'_> {
    fn explain(&self, call: &str, options: &[&str]) -> Output {
        let mut command = Command::new(PATCHBAY);
        command.args(["rules", "explain", "-"]).args(options);
        if self.offline {
            command
                .arg("--centre")
                .arg(self.centre.folder.file("centre.toml"));
        } else {
            command.args(["--api", &format!("http://{}", self.centre.api_address)]);
            command.arg("--data").arg(self.centre.folder.file("data"));
        }
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes
            .stderr(Stdio::piped())
            .spawn()
            .expect("patchbay starts");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(call.as_bytes()).expect("it reads");
        drop(input);
        child.wait_with_output().expect("it ends")
    }

    fn told(&self, call: &str, options: &[&str]) -> String {
        let output = self.explain(call, options);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// The document without what goes on with time.
fn document(text: &str) -> Value {
    let mut document: Value = serde_json::from_str(text).expect("JSON");
    let considered = document["choice"]["considered"].as_array_mut();
    for agent in considered.into_iter().flatten() {
        agent.as_object_mut().expect("an agent").remove("idle_ms");
    }
    document
}

// A3 G4
#[test]
fn a_running_centre_and_its_declaration_alone_say_the_same() {
    let centre = Centre::start();
    let (anna, ben) = (centre.agent_address(), centre.agent_address());
    let declaration = Declaration::new().rules(RULES).at("anna", anna).agent(
        "ben",
        &format!("uri = \"sip:ben@{ben}\"\nskills = {{ german = 3 }}"),
    );
    centre.apply(&declaration);
    let [online, offline] = [false, true].map(|offline| Asking {
        centre: &centre,
        offline,
    });
    let crlf = CALL.replace('\n', "\r\n");
    let json =
        r#"{"to": "sip:support@x", "headers": [["X-Tier", "silver"]], "delayed_offer": true}"#;
    for call in [CALL, &crlf, json] {
        for at in [OPEN, CHRISTMAS] {
            let table = online.told(call, &["--at", at]);
            assert_eq!(table, offline.told(call, &["--at", at]));
            let [there, here] =
                [&online, &offline].map(|one| one.told(call, &["--at", at, "--json"]));
            assert_eq!(document(&there), document(&here));
        }
    }
    let open = online.told(CALL, &["--at", OPEN]);
    for line in [
        "rule closed does not match",
        "office is open (Wed 2026-12-23 10:00)",
        "rule gold matches",
        "true; headers[\"x-tier\"][0] = \"gold\"",
        "attributes tier = gold",
        "outcome    offered to ben",
        "anna: lacks skill",
    ] {
        assert!(open.contains(line), "{line} in:\n{open}");
    }
    assert!(!open.contains('\u{1b}'), "no colours but on a terminal");
    let closed = online.told(CALL, &["--at", CHRISTMAS]);
    assert!(
        closed.contains("holiday Christmas") && closed.contains("refused with 480"),
        "{closed}"
    );
    assert!(centre.contacts().is_empty(), "nothing was changed");
}

// A3 G4
#[test]
fn what_cannot_be_explained_is_said_with_what_to_do() {
    let centre = Centre::start();
    centre.apply(&Declaration::new());
    let [online, offline] = [false, true].map(|offline| Asking {
        centre: &centre,
        offline,
    });
    for (call, words) in [
        ("", "it is empty"),
        ("hello", "the INVITE"),
        ("{\"too\": 1}", "unknown field `too`"),
    ] {
        for asking in [&online, &offline] {
            let output = asking.explain(call, &[]);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(
                !output.status.success() && errors.contains(words),
                "{words}: {errors}"
            );
        }
    }
    let output = online.explain(CALL, &["--at", "noon"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("2026-12-25T10:00:00+01:00"), "{errors}");
    let broken =
        "[[rule]]\nid = \"x\"\nwhen = { expression = \"url.user\" }\nthen = { refuse = 404 }\n";
    std::fs::write(centre.folder.file("centre.toml"), broken).expect("a file");
    let output = offline.explain(CALL, &[]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{errors}");
    assert!(
        errors.contains("there is no variable `url`") && errors.contains(":3"),
        "{errors}"
    );
}
