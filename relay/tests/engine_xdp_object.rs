//! F7: the program's object is that of its source, and lays out its tables as this side does.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use patchbay_relay::engine::xdp::OBJECT;
use patchbay_route::settled;
use sha2::{Digest as _, Sha256};

const SOURCE: &str = "relay/xdp/readdress.bpf.c";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn contains(bytes: &[u8]) -> bool {
    OBJECT.windows(bytes.len()).any(|window| window == bytes)
}

#[test]
fn the_object_was_made_of_the_source() {
    let source = std::fs::read(root().join(SOURCE)).unwrap();
    let sum: String = Sha256::digest(source)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(contains(sum.as_bytes()), "run scripts/build-bpf");
}

/// Another compiler makes other instructions of it: only the same one can say whether it is the
/// same object. Any compiler can say whether the source is free of warnings.
#[test]
fn the_same_compiler_makes_the_same_object() {
    let Ok(asked) = Command::new("clang").arg("-dumpversion").output() else {
        let ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
        assert!(!ci, "nothing may be skipped in CI: clang is missing");
        eprintln!("skipped: clang is missing (apt-get install clang)");
        return;
    };
    let version = String::from_utf8(asked.stdout).unwrap();
    let version = version.trim();
    let object = std::env::temp_dir().join(format!("readdress-{}.bpf.o", std::process::id()));
    let made = Command::new(root().join("scripts/build-bpf"))
        .args([SOURCE.as_ref(), object.as_os_str()])
        .status()
        .unwrap();
    assert!(made.success(), "clang {version} takes the source");
    let made = std::fs::read(&object).unwrap();
    std::fs::remove_file(&object).unwrap();
    if contains(format!(" clang {version}").as_bytes()) {
        assert!(made == OBJECT, "run scripts/build-bpf");
    } else {
        eprintln!("skipped: another clang than {version} made the object");
    }
}

#[test]
fn both_sides_lay_out_the_tables_alike() {
    let words: Vec<u8> = settled::layout()
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    assert!(
        contains(&words),
        "relay/route/src/settled.rs and {SOURCE} differ"
    );
}
