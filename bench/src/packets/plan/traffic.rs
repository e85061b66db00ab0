//! Real runs: on a bed, with a relay that is started for each of them.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use super::{Runner, Wanted};
use crate::packets::bed::Bed;
use crate::packets::measure::{Calls, Run, measure};
use crate::packets::vocabulary::{Generator, Load, RTCP_EVERY, SystemPlan};
use crate::packets::{BenchError, MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES, Progress, systems};

/// Packets that leave back to back, at most.
pub const MAX_BURST: u32 = 256;
/// Calls that are set up and torn down in a second beside a load, at most.
pub const MAX_CHURN: u32 = 5000;
/// Times that a packet may stand for, in milliseconds.
const PTIME_MS: std::ops::RangeInclusive<u128> = 1..=200;

/// What the calls send, whatever their number and rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// RTP payload of an audio packet, [`MIN_PAYLOAD_BYTES`] to [`MAX_PAYLOAD_BYTES`].
    pub payload_bytes: usize,
    /// Time that it stands for, 1 to 200 ms.
    pub ptime: Duration,
    /// Packets that leave back to back, up to [`MAX_BURST`]; 0 as [`Load::burst`] says.
    pub burst: u32,
    /// Every other call carries packets of video's size.
    pub video: bool,
    /// Sender reports beside the streams.
    pub rtcp: bool,
    /// Calls a second that are set up and torn down beside the load, up to [`MAX_CHURN`].
    pub churn: Option<u32>,
    /// Packet threads of the relay.
    pub threads: usize,
}

impl Default for Traffic {
    /// G.711 at 20 ms, as a network card presents it, one thread.
    fn default() -> Self {
        Self {
            payload_bytes: 160,
            ptime: Duration::from_millis(20),
            burst: 0,
            video: false,
            rtcp: false,
            churn: None,
            threads: 1,
        }
    }
}

impl Traffic {
    /// Whether all is in its range.
    ///
    /// # Errors
    /// [`BenchError::Args`] names the first that is not, and its range.
    pub fn check(&self) -> Result<(), BenchError> {
        let bad = |text: String| Err(BenchError::Args(text));
        let payload = self.payload_bytes;
        if !(MIN_PAYLOAD_BYTES..=MAX_PAYLOAD_BYTES).contains(&payload) {
            return bad(format!(
                "payload is {payload} bytes, allowed are {MIN_PAYLOAD_BYTES} to {MAX_PAYLOAD_BYTES}"
            ));
        }
        let ptime = self.ptime.as_millis();
        if !PTIME_MS.contains(&ptime) {
            let (first, last) = (PTIME_MS.start(), PTIME_MS.end());
            return bad(format!(
                "ptime is {ptime} ms, allowed are {first} to {last}"
            ));
        }
        if self.burst > MAX_BURST {
            let burst = self.burst;
            return bad(format!("burst is {burst}, allowed are 0 to {MAX_BURST}"));
        }
        match self.churn {
            Some(churn) if !(1..=MAX_CHURN).contains(&churn) => {
                bad(format!("churn is {churn}, allowed are 1 to {MAX_CHURN}"))
            }
            _ => Ok(()),
        }
    }

    /// Packets a second that so many calls send by themselves: one each way every `ptime`, and
    /// their reports.
    #[must_use]
    pub fn natural(&self, calls: usize) -> u64 {
        let media = 2 * calls as u128 * 1000 / self.ptime.as_millis().max(1);
        let reports = if self.rtcp {
            media / u128::from(RTCP_EVERY)
        } else {
            0
        };
        u64::try_from(media + reports).unwrap_or(u64::MAX).max(1)
    }
}

/// Makes runs on a bed.
pub struct OnBed<'a> {
    bed: &'a Bed,
    generator: Box<dyn Generator + 'a>,
    traffic: Traffic,
    stop: &'a AtomicBool,
}

impl<'a> OnBed<'a> {
    /// Makes them with this traffic. Once `stop` is set no further run is made.
    ///
    /// # Errors
    /// [`BenchError::Args`] if the traffic is out of its ranges; otherwise what the generator says.
    pub fn new(bed: &'a Bed, traffic: Traffic, stop: &'a AtomicBool) -> Result<Self, BenchError> {
        traffic.check()?;
        Ok(Self {
            bed,
            generator: bed.generator()?,
            traffic,
            stop,
        })
    }
}

impl Runner for OnBed<'_> {
    fn run(
        &mut self,
        wanted: &Wanted,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Run, BenchError> {
        if self.stop.load(Relaxed) {
            return Err(BenchError::Stopped);
        }
        let plan = SystemPlan {
            kind: wanted.contender.kind,
            engine: wanted.contender.engine.clone(),
            threads: self.traffic.threads,
            calls: wanted.calls,
        };
        let mut system = systems::start(self.bed, &plan)?;
        let calls = Calls {
            calls: wanted.calls,
            video: self.traffic.video,
            rtcp: self.traffic.rtcp,
        };
        let load = Load {
            packets_per_s: wanted.packets_per_s,
            duration: Duration::try_from_secs_f64(wanted.seconds).unwrap_or_default(),
            burst: self.traffic.burst,
            payload_bytes: self.traffic.payload_bytes,
            ptime: self.traffic.ptime,
        };
        let generator = &mut *self.generator;
        let churn = self.traffic.churn;
        measure(
            self.bed,
            &mut *system,
            generator,
            calls,
            &load,
            churn,
            progress,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named_with_the_range() {
        let usual = Traffic::default();
        assert!(usual.check().is_ok());
        for (traffic, named) in [
            (
                Traffic {
                    payload_bytes: MIN_PAYLOAD_BYTES - 1,
                    ..usual
                },
                "payload",
            ),
            (
                Traffic {
                    payload_bytes: MAX_PAYLOAD_BYTES + 1,
                    ..usual
                },
                "payload",
            ),
            (
                Traffic {
                    ptime: Duration::ZERO,
                    ..usual
                },
                "ptime is 0 ms, allowed are 1 to 200",
            ),
            (
                Traffic {
                    burst: MAX_BURST + 1,
                    ..usual
                },
                "burst",
            ),
            (
                Traffic {
                    churn: Some(0),
                    ..usual
                },
                "churn",
            ),
        ] {
            let error = traffic.check().map_err(|error| error.to_string());
            assert!(
                error.as_ref().is_err_and(|error| error.contains(named)),
                "{error:?}"
            );
        }
    }

    #[test]
    fn calls_send_each_way_every_ptime() {
        let mut traffic = Traffic::default();
        assert_eq!(traffic.natural(500), 50_000);
        traffic.rtcp = true;
        assert_eq!(traffic.natural(500), 50_500);
        traffic.ptime = Duration::from_millis(200);
        assert_eq!((traffic.natural(1), traffic.natural(0)), (10, 1));
    }
}
