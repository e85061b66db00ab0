//! BPF programs: the committed objects are those of their sources.

use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::{files, root};

#[path = "../../bench/tests/support/needs.rs"]
mod needs;

fn sources() -> impl Iterator<Item = String> {
    files().into_iter().filter(|name| name.ends_with(".bpf.c"))
}

fn object_of(source: &str) -> Vec<u8> {
    let object = root().join(Path::new(source).with_extension("o"));
    std::fs::read(&object).unwrap_or_else(|e| panic!("{}: {e}", object.display()))
}

fn contains(object: &[u8], text: &str) -> bool {
    let wanted = text.as_bytes();
    object.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn every_object_was_made_of_its_source() {
    let list = super::read("scripts/build-bpf");
    assert!(sources().count() > 0);
    for source in sources() {
        let text = std::fs::read(root().join(&source)).unwrap();
        let sum: String = Sha256::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(
            contains(&object_of(&source), &sum),
            "{source} is newer than its object: run scripts/build-bpf"
        );
        assert!(
            list.contains(&source),
            "scripts/build-bpf does not list {source}"
        );
    }
}

/// Another compiler makes other instructions of it: only the same one can say whether it is the
/// same object. Any compiler can say whether the source is free of warnings.
#[test]
fn the_same_compiler_makes_the_same_objects() {
    let Some(version) = needs::program("clang", "-dumpversion", "clang") else {
        return;
    };
    for source in sources() {
        let name = source.replace('/', "-");
        let made = std::env::temp_dir().join(format!("{}-{name}.o", std::process::id()));
        let built = Command::new(root().join("scripts/build-bpf"))
            .args([source.as_ref(), made.as_os_str()])
            .status()
            .unwrap();
        assert!(built.success(), "clang {version} does not take {source}");
        let object = std::fs::read(&made).unwrap();
        std::fs::remove_file(&made).unwrap();
        let committed = object_of(&source);
        let same = contains(&committed, &format!(" clang {version}"));
        if needs::have(
            same,
            &format!("another clang than {version} made {source}'s object"),
        ) {
            assert!(object == committed, "{source}: run scripts/build-bpf");
        }
    }
}
