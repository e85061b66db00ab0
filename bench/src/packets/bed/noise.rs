//! How noisy the machine is: what keeps a core from working although nobody asked it to.

use std::time::{Duration, Instant};

use super::{Cores, on_cores};
use crate::packets::BenchError;
use crate::packets::usage::Ticks;

/// For how long a core is watched.
const WATCH: Duration = Duration::from_millis(100);
/// A loop that looks at the clock was away when two looks are further apart than this.
const AWAY: Duration = Duration::from_micros(20);
/// Share of the time that a core may be taken away for figures to be trusted.
const TRUSTED: f64 = 0.02;
/// Longest that a core may be away at once.
const LONGEST: Duration = Duration::from_millis(2);

/// What a core that had nothing to do but to look at the clock was kept from.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Noise {
    /// Share of the time in which it did not run, 0 to 1, of the worst core.
    pub away: f64,
    /// Longest time that it did not run at once, of the worst core.
    pub longest: Duration,
    /// Share of the time that the host took from the cores, 0 to 1.
    pub stolen: f64,
}

impl Noise {
    /// Watches each of the cores for 0.1 s.
    pub(super) fn listen(cores: &Cores) -> Result<Self, BenchError> {
        let mut all: Vec<usize> = [cores.relay.as_slice(), &cores.generator].concat();
        all.sort_unstable();
        all.dedup();
        let before = Ticks::read(&all);
        let mut noise = Self::default();
        for core in &all {
            let (away, longest) = on_cores(&[*core], watch)?;
            noise.away = noise.away.max(away.as_secs_f64() / WATCH.as_secs_f64());
            noise.longest = noise.longest.max(longest);
        }
        noise.stolen = Ticks::read(&all).since(&before).stolen();
        Ok(noise)
    }

    /// Why figures measured now are not to be trusted, if so.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        let quiet = self.away <= TRUSTED && self.longest <= LONGEST && self.stolen <= TRUSTED;
        (!quiet).then(|| {
            format!(
                "too noisy to trust: idle cores were away {:.1} % of the time, {:.1} ms at once, {:.1} % stolen by the host",
                self.away * 100.0,
                self.longest.as_secs_f64() * 1e3,
                self.stolen * 100.0
            )
        })
    }
}

/// Looks at the clock for a while: how long was it away in all, and at once?
fn watch() -> (Duration, Duration) {
    let start = Instant::now();
    let (mut last, mut away, mut longest) = (start, Duration::ZERO, Duration::ZERO);
    while last.duration_since(start) < WATCH {
        let now = Instant::now();
        let gap = now.duration_since(last);
        if gap > AWAY {
            away += gap;
            longest = longest.max(gap);
        }
        last = now;
    }
    (away, longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_remarked_with_its_figures() {
        assert_eq!(Noise::default().remark(), None);
        let noise = Noise {
            away: 0.1234,
            longest: Duration::from_millis(7),
            stolen: 0.05,
        };
        let remark = noise.remark().unwrap_or_default();
        assert!(
            remark.contains("12.3 %") && remark.contains("7.0 ms"),
            "{remark}"
        );
        assert!(remark.contains("5.0 % stolen"), "{remark}");
    }
}
