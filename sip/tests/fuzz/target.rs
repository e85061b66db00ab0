//! How a target is run, and how what it finds is kept.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Set by `make fuzz`: what makes a target fail is kept.
pub const KEEP: &str = "PATCHBAY_FUZZ_KEEP";

/// Runs `$property` on the inputs of the corpus, on the crashes that were found before, and on
/// `$iterations` inputs at random.
macro_rules! target {
    ($name:literal, $iterations:literal, $property:expr) => {
        bolero::check!(name = $name)
            .with_iterations($iterations)
            .with_max_len(1024)
            .with_shrink_time(std::time::Duration::from_secs(5))
            .for_each(|input: &[u8]| {
                let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
                $crate::target::keeping(&folder, $name, input, $property);
            })
    };
}

/// Runs `property`, and writes the smallest input that made it fail to a file of the crashes.
pub fn keeping(tests: &Path, name: &str, input: &[u8], property: impl FnOnce(&[u8])) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| property(input))) else {
        return;
    };
    if std::env::var_os(KEEP).is_some() {
        keep(tests, name, input);
    }
    resume_unwind(panic)
}

fn keep(tests: &Path, name: &str, input: &[u8]) {
    let program = ["fuzz", "session", "signalling"]
        .map(|program| tests.join(program))
        .into_iter()
        .find(|program| program.join(format!("__fuzz__/{name}")).is_dir());
    let Some(program) = program else { return };
    let folder = program.join(format!("__fuzz__/{name}/crashes"));
    let file = folder.join(format!("found-{}", std::process::id()));
    let smaller = std::fs::metadata(&file)
        .map(|known| known.len() > input.len() as u64)
        .unwrap_or(true);
    if smaller && std::fs::create_dir_all(&folder).is_ok() {
        // The test fails anyhow; that a crash could not be kept is not worth hiding why.
        let _ = std::fs::write(file, input);
    }
}
