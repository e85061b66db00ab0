//! Rules of this project that a machine can check. Each failure says what to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "house_rules/features.rs"]
mod features;
#[path = "house_rules/objects.rs"]
mod objects;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file beyond this has a second idea hiding in it.
const MOST_LINES: usize = 500;
/// A file beyond this is worth a look.
const MANY_LINES: usize = 400;

/// What is not ours or not text. In a worktree `.git` is a file.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "proptest-regressions"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the project, by its path from the root.
fn files() -> Vec<String> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if SKIPPED.contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                walk(&path, into);
            } else if path.is_file() {
                into.push(path.clone());
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    let mut names: Vec<String> = found
        .iter()
        .map(|path| {
            path.strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

fn rust_files() -> impl Iterator<Item = String> {
    files().into_iter().filter(|name| name.ends_with(".rs"))
}

fn read(name: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(root().join(name)).expect("a file")).into_owned()
}

/// Lines of code with their numbers: comments are cut off.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

/// Whether it belongs to tests and not to the product.
fn is_test(name: &str) -> bool {
    let file = Path::new(name).file_stem().unwrap_or_default();
    name.starts_with("tests/") || name.contains("/tests/") || file == "tests"
}

/// The product's part of a source file: test modules stand at its end.
fn product_code(text: &str) -> &str {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    &text[..end]
}

fn report(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}\n  {}", broken.join("\n  "));
}

// F3
#[test]
fn the_top_level_is_where_people_look_for_it() {
    for name in [
        "Cargo.toml",
        "README.md",
        "src",
        "relay",
        "control",
        "bench",
        "systemd",
    ] {
        assert!(root().join(name).exists(), "{name} stands at the top");
    }
}

#[test]
fn every_scenario_is_part_of_a_test_program() {
    let mut forgotten = Vec::new();
    for (folder, programs) in [
        ("tests/", &["acceptance", "house_rules"] as &[&str]),
        ("control/tests/", &["api", "store"]),
        (
            "relay/tests/",
            &[
                "engine",
                "engine_steered",
                "engine_device",
                "engine_allocations",
                "engine_sip_allocations",
                "engine_xdp",
            ],
        ),
    ] {
        let listed: String = programs
            .iter()
            .map(|program| read(&format!("{folder}{program}.rs")))
            .collect();
        for name in rust_files() {
            let file = name
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_suffix(".rs"));
            let Some(scenario) = file.filter(|file| !file.contains('/')) else {
                continue;
            };
            if !programs.contains(&scenario) && !listed.contains(&format!("mod {scenario};")) {
                forgotten.push(name);
            }
        }
    }
    report("is a module of a test program", &forgotten);
}

// F2
#[test]
fn the_named_packages_do_their_work() {
    for (package, place) in [
        ("tokio_uring::", "relay/src/files/"),
        ("socket2::", "relay/src/"),
        ("rsip::", "sip/src/"),
        ("crossbeam::", "relay/src/"),
        ("mimalloc::", "src/main.rs"),
        ("hdrhistogram::", "relay/src/engine/"),
        ("clap::", "src/"),
    ] {
        let used = rust_files()
            .filter(|name| name.starts_with(place) && !is_test(name))
            .any(|name| product_code(&read(&name)).contains(package));
        assert!(used, "{package} is used in {place}");
    }
}

#[test]
fn dependencies_between_the_crates_point_one_way() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("sip", &[] as &[&str]),
        ("tls", &[]),
        ("relay/route", &[]),
        ("control/core", &["sip", "route"]),
        ("relay", &["sip", "tls", "route"]),
        ("control", &["core", "sip", "tls", "route"]),
        ("bench", &["sip", "route", "core", "relay", "control"]),
        ("bench/sip", &["sip"]),
        (
            ".",
            &["sip", "tls", "route", "core", "relay", "control", "bench"],
        ),
    ]);
    let manifests: Vec<String> = files()
        .into_iter()
        .filter(|name| name == "Cargo.toml" || name.ends_with("/Cargo.toml"))
        .collect();
    let mut broken = Vec::new();
    for name in &manifests {
        let folder = name
            .strip_suffix("Cargo.toml")
            .unwrap()
            .trim_end_matches('/');
        let folder = if folder.is_empty() { "." } else { folder };
        let Some(allowed) = allowed.get(folder) else {
            broken.push(format!(
                "{folder}: a new crate; say in this test what it may know"
            ));
            continue;
        };
        let manifest: toml::Table = read(name).parse().expect("a manifest");
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(toml::Value::Table(named)) = manifest.get(section) else {
                continue;
            };
            let ours = named.keys().filter_map(|key| key.strip_prefix("patchbay-"));
            let wrong = ours.filter(|crate_name| !allowed.contains(crate_name));
            broken.extend(wrong.map(|crate_name| {
                format!("{name}: [{section}] must not name patchbay-{crate_name}")
            }));
        }
    }
    assert_eq!(manifests.len(), allowed.len(), "a crate is missing");
    report(
        "Relay and control meet only in the types of route.",
        &broken,
    );
}

#[test]
fn unsafe_code_lives_in_the_packet_engine_only() {
    // The engine's tests count allocations, and an allocator is unsafe by its nature.
    let engine = ["relay/src/engine/", "relay/tests/engine_"];
    let elsewhere = |name: &String| !engine.iter().any(|place| name.starts_with(place));
    let mut broken = Vec::new();
    for name in rust_files().filter(elsewhere) {
        let text = read(&name);
        let unsafe_word = [
            "unsafe {",
            "unsafe fn",
            "unsafe impl",
            "unsafe extern",
            "(unsafe_code)",
        ];
        for (line, code) in code(&text) {
            if unsafe_word.iter().any(|word| code.contains(word)) && name != "tests/house_rules.rs"
            {
                broken.push(format!("{name}:{line}: {}", code.trim()));
            }
        }
    }
    report("Only relay/src/engine may be unsafe.", &broken);
}

#[test]
fn files_are_short() {
    let mut broken = Vec::new();
    for name in rust_files() {
        let lines = read(&name).lines().count();
        if lines > MOST_LINES {
            broken.push(format!("{name}: {lines} lines"));
        } else if lines > MANY_LINES {
            eprintln!("worth a look: {name} has {lines} lines");
        }
    }
    report(
        "Split a file by its ideas before it has 500 lines.",
        &broken,
    );
}

#[test]
fn nothing_is_left_undone() {
    // Written in two pieces, so that this list does not find itself.
    let marks = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("#[ig", "nore"),
    ];
    let mut broken = Vec::new();
    for name in rust_files() {
        for (index, line) in read(&name).lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!("{name}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    report(
        "A stub is not done, and a test that does not run proves nothing.",
        &broken,
    );
}

#[test]
fn a_test_that_cannot_run_says_so() {
    // Each of these says what is missing, and fails where nothing may be.
    let tellers = [
        "alone()",
        "have(",
        "needs::",
        "Stage::set()",
        "Stage::set_with(",
        "rtpengine_is_there()",
        "skipped: ",
    ];
    let mut broken = Vec::new();
    for name in rust_files().filter(|name| is_test(name)) {
        let text = read(&name);
        let lines: Vec<&str> = text.lines().collect();
        let mut in_test = false;
        for (index, line) in lines.iter().enumerate() {
            match *line {
                "#[test]" => in_test = true,
                "}" => in_test = false,
                // So far in stand the returns of the test itself, not of what it calls or starts.
                "        return;" if in_test => {
                    let before = lines[index.saturating_sub(4)..index].concat();
                    if !tellers.iter().any(|teller| before.contains(teller)) {
                        broken.push(format!("{name}:{}", index + 1));
                    }
                }
                _ => {}
            }
        }
    }
    report("A test that has not run has not passed.", &broken);
}

#[test]
fn nothing_that_the_network_reaches_unwraps() {
    let mut broken = Vec::new();
    let crates = [
        "sip/src/",
        "relay/src/",
        "relay/route/src/",
        "control/src/",
        "control/core/src/",
    ];
    let network = |name: &String| crates.iter().any(|folder| name.starts_with(folder));
    for name in rust_files().filter(network).filter(|name| !is_test(name)) {
        let text = read(&name);
        for (line, code) in code(product_code(&text)) {
            if code.contains(".unwrap()") {
                broken.push(format!("{name}:{line}: {}", code.trim()));
            }
        }
    }
    report(
        "Handle it, or show that it cannot happen by the types.",
        &broken,
    );
}

#[test]
fn no_path_of_somebodys_machine_is_named() {
    let marks = [
        concat!("/ro", "ot/"),
        concat!("/wo", "rk/"),
        concat!("../sha", "red"),
        concat!("bash_", "jobs"),
        concat!("/tmp/", "pb"),
    ];
    let mut broken = Vec::new();
    for name in files().into_iter().filter(|name| name != "Cargo.lock") {
        for (index, line) in read(&name).lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                broken.push(format!("{name}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    report("Nobody else has these folders.", &broken);
}
