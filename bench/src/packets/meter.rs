//! What the program at the relay's device costs by itself, as the kernel counts it.
//!
//! The kernel then reads the clock before and after each run of every BPF program, which is a good part of
//! what a short one takes. So this is switched on for a run of its own, and one reading is in what it
//! counts.

use std::os::fd::OwnedFd;
use std::time::Duration;

use aya::programs::loaded_programs;
use aya::sys::{Stats, enable_stats};

/// Counts while it exists.
pub(super) struct Meter {
    program: u32,
    before: (Duration, u64),
    _on: OwnedFd,
}

impl Meter {
    /// Begins to count for a program; `None` where the kernel does not.
    pub fn start(program: u32) -> Option<Self> {
        Some(Self {
            _on: enable_stats(Stats::RunTime).ok()?,
            program,
            before: counted(program)?,
        })
    }

    /// Mean time of a run of the program since the start, in nanoseconds; `None` if there was none.
    pub fn read(&self) -> Option<f64> {
        let (time, runs) = counted(self.program)?;
        let (time_before, runs_before) = self.before;
        let runs = runs.saturating_sub(runs_before);
        let time = time.saturating_sub(time_before);
        (runs > 0).then(|| time.as_nanos() as f64 / runs as f64)
    }
}

/// Time and number of a program's runs while such things were counted.
fn counted(program: u32) -> Option<(Duration, u64)> {
    let mut all = loaded_programs().flatten();
    let info = all.find(|info| info.id() == program)?;
    Some((info.run_time(), info.run_count()))
}

/// The program of a device in what `ip -j link show` says of it.
pub(super) fn program_of(link: &[u8]) -> Option<u32> {
    let link: serde_json::Value = serde_json::from_slice(link).ok()?;
    let id = link.get(0)?.get("xdp")?.get("prog")?.get("id")?.as_u64()?;
    u32::try_from(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_device_is_found() {
        let link = br#"[{"ifindex":2,"ifname":"a","xdp":{"mode":1,"prog":{"id":77,"name":"x"}}}]"#;
        assert_eq!(program_of(link), Some(77));
        for link in [&b"[{\"ifindex\":2}]"[..], b"[]", b"", b"{}"] {
            assert_eq!(program_of(link), None);
        }
        assert!(counted(u32::MAX).is_none());
    }
}
