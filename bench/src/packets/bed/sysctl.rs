//! Settings of the whole machine that a bed raises while it stands.

use std::fs;

/// Largest socket buffers, in bytes.
const BUFFER_BYTES: u64 = 16 << 20;
/// Where their limits are set.
const PATHS: [&str; 2] = ["/proc/sys/net/core/rmem_max", "/proc/sys/net/core/wmem_max"];

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
