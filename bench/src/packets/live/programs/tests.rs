//! The object is that of the source, and the kernel takes it.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::*;
use crate::packets::tests::needs;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn contains(text: &str) -> bool {
    OBJECT
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn the_object_was_made_of_the_source() {
    let source = std::fs::read(root().join("bench/bpf/load.bpf.c")).unwrap();
    let sum: String = Sha256::digest(source)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(contains(&sum), "run scripts/build-bpf");
}

/// Another compiler makes other instructions of it: only the same one can say whether it is the
/// same object. Any compiler can say whether the source is free of warnings.
#[test]
fn the_same_compiler_makes_the_same_object() {
    let Some(version) = needs::program("clang", "-dumpversion", "clang") else {
        return;
    };
    let object = std::env::temp_dir().join(format!("load-{}.bpf.o", std::process::id()));
    let script = root().join("scripts/build-bpf");
    let made = Command::new(script)
        .args(["bench/bpf/load.bpf.c".as_ref(), object.as_os_str()])
        .status()
        .unwrap();
    assert!(made.success(), "clang {version} takes the source");
    let made = std::fs::read(&object).unwrap();
    std::fs::remove_file(&object).unwrap();
    if contains(&format!(" clang {version}")) {
        assert_eq!(made, OBJECT, "run scripts/build-bpf");
    } else {
        eprintln!(
            "skipped: another clang than {version} made the object, so that its instructions were \
             not compared; compiled without a warning, and compared by the test beside this one, \
             was the source"
        );
    }
}

#[test]
fn the_kernel_takes_the_programs() {
    if !needs::root() {
        return;
    }
    let mut gun = Gun::load(3, 1).unwrap();
    let entry = [7; 64];
    gun.set_way(2, &entry).unwrap();
    assert_eq!(gun.way(2).unwrap(), entry);
    assert!(gun.set_way(3, &entry).is_err());
    let orders = Control {
        burst: 4,
        limit: 40,
        interval: 2048,
        duration: 1000,
        ..Control::default()
    };
    assert_eq!(orders.time(), 20);
    gun.order(1, &orders).unwrap();
    assert_eq!(gun.state(1).unwrap(), Control::default());
    let sink = Sink::load(1, 2).unwrap();
    assert_eq!(sink.found().unwrap(), Found::default());
}
