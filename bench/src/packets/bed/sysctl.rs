//! Limits that a bed raises: of the whole machine while it stands, and of this process.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::SPARE_CALLS;
use crate::packets::MAX_CALLS;

/// Largest socket buffers, in bytes.
const BUFFER_BYTES: u64 = 16 << 20;
/// Where their limits are set.
const PATHS: [&str; 2] = ["/proc/sys/net/core/rmem_max", "/proc/sys/net/core/wmem_max"];

/// Open files of a relay with a socket for each port, and beside them.
const FILES: u64 = 4 * (MAX_CALLS + SPARE_CALLS) as u64 + 4096;

/// Lets this process, and the relays that it starts, have as many open files as the most calls
/// take. Where that is refused, a relay that needs them says so.
pub(super) fn allow_files() {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= FILES);
    if !enough(limit.current) {
        let maximum = if enough(limit.maximum) {
            limit.maximum
        } else {
            Some(FILES)
        };
        let raised = Rlimit {
            current: Some(FILES),
            maximum,
        };
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

/// Raised limits; they are as before when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Raised {
    before: Vec<(&'static str, u64)>,
}

impl Raised {
    /// Lets sockets have buffers of [`BUFFER_BYTES`]. Where that is refused they stay smaller.
    pub fn buffers() -> Self {
        let mut before = Vec::new();
        for path in PATHS {
            let Some(limit) = fs::read_to_string(path)
                .ok()
                .and_then(|text| text.trim().parse().ok())
            else {
                continue;
            };
            if limit < BUFFER_BYTES && fs::write(path, BUFFER_BYTES.to_string()).is_ok() {
                before.push((path, limit));
            }
        }
        Self { before }
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        for (path, limit) in &self.before {
            // Refused: the machine keeps larger limits than it needs.
            let _ = fs::write(path, limit.to_string());
        }
    }
}
