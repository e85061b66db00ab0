//! CPU time and memory of a process, from /proc.

use std::io;
use std::time::Duration;

/// What a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all its threads since its start, in user and kernel.
    pub cpu: Duration,
    /// Memory that is resident now, bytes.
    pub resident: u64,
}

/// Reads one process's usage.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    process: u32,
}

impl Watch {
    /// For a process by its number.
    #[must_use]
    pub const fn new(process: u32) -> Self {
        Self { process }
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// The process is gone, or /proc is not what proc(5) says.
    pub fn usage(&self) -> io::Result<Usage> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", self.process));
        let malformed = || io::Error::from(io::ErrorKind::InvalidData);
        let ticks = cpu_ticks(&read("stat")?).ok_or_else(malformed)?;
        let resident = resident_bytes(&read("status")?).ok_or_else(malformed)?;
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        Ok(Usage {
            cpu: Duration::from_micros(ticks * 1_000_000 / per_second),
            resident,
        })
    }
}

/// utime and stime, the fields 14 and 15. The second field may contain anything, in brackets.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn this_process_uses_memory() {
        assert!(Watch::new(std::process::id()).usage().unwrap().resident > 0);
    }

    #[test]
    fn a_strange_process_name_does_not_confuse() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 30 12 13";
        assert_eq!(cpu_ticks(stat), Some(42));
        assert_eq!(resident_bytes("VmSize: 9 kB\nVmRSS:\t  2 kB\n"), Some(2048));
    }
}
