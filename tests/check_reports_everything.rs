//! `patchbay check FILE`: every error of a configuration at once, with its line and a remedy.

#![allow(clippy::expect_used, clippy::panic)]

use crate::support;

use std::process::{Command, Output};

use support::centre::PATCHBAY;
use support::process::Folder;

fn check(folder: &Folder, name: &str, text: &str) -> (Output, String) {
    let file = folder.file(name);
    std::fs::write(&file, text).expect("a file");
    let output = Command::new(PATCHBAY)
        .arg("check")
        .arg(&file)
        .output()
        .expect("patchbay starts");
    let mut shown = String::from_utf8_lossy(&output.stdout).into_owned();
    shown.push_str(&String::from_utf8_lossy(&output.stderr));
    (output, shown)
}

// F4
#[test]
fn all_errors_of_a_configuration_are_reported_together() {
    let folder = Folder::make();
    let wrong = "\
[relay]
listen = [\"udp:127.0.0.1\"]
media_ports = \"60000-50000\"
colour = \"blue\"

[control]
api = \"somewhere\"
";
    let (output, shown) = check(&folder, "patchbay.toml", wrong);
    assert!(!output.status.success());
    for word in ["127.0.0.1", "60000-50000", "colour", "somewhere"] {
        assert!(shown.contains(word), "{word} is reported:\n{shown}");
    }
    for line in ["2", "3", "4", "7"] {
        assert!(
            shown.contains(&format!(":{line}")),
            "line {line} is named:\n{shown}"
        );
    }
}

// F4
#[test]
fn all_errors_of_a_centre_are_reported_together() {
    let folder = Folder::make();
    let wrong = "\
[[queue]]
id = \"support\"
ring_seconds = 0

[[agent]]
id = \"anna\"
queues = [\"nowhere\"]
password = \"secret\"

[[rule]]
id = \"r\"
then = { queue = \"elsewhere\" }
";
    let (output, shown) = check(&folder, "centre.toml", wrong);
    assert!(!output.status.success());
    for word in ["ring_seconds", "nowhere", "elsewhere"] {
        assert!(shown.contains(word), "{word} is reported:\n{shown}");
    }
}

// D14 F4
#[test]
fn what_callers_would_not_hear_is_told_with_the_hosts_file() {
    let folder = Folder::make();
    let centre = "\
[[queue]]
id = \"support\"
waiting = { music = \"waltz\", language = \"fr\", say = [\"position\"] }

[[agent]]
id = \"anna\"
uri = \"sip:anna@192.0.2.1\"

[[rule]]
id = \"all\"
then = { queue = \"support\" }
";
    let centre_file = folder.file("centre.toml");
    std::fs::write(&centre_file, centre).expect("a file");
    std::fs::create_dir_all(folder.file("data/sounds")).expect("a folder");
    let host = format!("data = \"{}\"\n", folder.file("data").display());
    std::fs::write(folder.file("patchbay.toml"), host).expect("a file");
    let output = Command::new(PATCHBAY)
        .arg("check")
        .arg(folder.file("patchbay.toml"))
        .arg(&centre_file)
        .output()
        .expect("patchbay starts");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "warnings only: {shown}");
    for words in ["`waltz`", "`fr` lacks prompts", ":3:", "de, en"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let (_, alone) = check(&folder, "centre.toml", centre);
    assert!(!alone.contains("waltz"), "the relay is not known: {alone}");
}

// F4
#[test]
fn the_examples_that_are_installed_are_right() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seen = 0;
    for folder in ["examples", "systemd/examples"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("examples") {
            let file = entry.expect("an example").path();
            if file
                .extension()
                .is_some_and(|extension| extension != "toml")
            {
                continue;
            }
            let output = Command::new(PATCHBAY).arg("check").arg(&file).output();
            let output = output.expect("patchbay starts");
            let shown = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}: {shown}", file.display());
            seen += 1;
        }
    }
    assert!(seen >= 4, "there are examples");
}
