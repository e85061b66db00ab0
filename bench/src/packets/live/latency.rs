//! The sink's buckets of latency as a histogram.

use std::io;

use hdrhistogram::Histogram;

use crate::packets::BenchError;

/// Buckets for each doubling, as a power of two.
const SUB: u32 = 7;
/// Longest latency that is told apart, a minute, in nanoseconds.
const MAX_NS: u64 = 60_000_000_000;

/// Histogram in nanoseconds of the counts by bucket.
pub(super) fn histogram(counts: &[u64]) -> Result<Histogram<u64>, BenchError> {
    let mut histogram = Histogram::new_with_bounds(1, MAX_NS, 3)
        .map_err(|e| BenchError::system("a histogram")(io::Error::other(e)))?;
    for (bucket, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        histogram.saturating_record_n(middle(bucket as u64), *count);
    }
    Ok(histogram)
}

/// The value in the middle of a bucket; the buckets are exact below 128.
fn middle(bucket: u64) -> u64 {
    let doublings = bucket >> SUB;
    if doublings == 0 {
        return bucket;
    }
    let shift = doublings - 1;
    let lowest = ((bucket & ((1 << SUB) - 1)) + (1 << SUB)) << shift;
    lowest + ((1 << shift) >> 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn buckets_stand_for_their_middle() {
        assert_eq!(middle(0), 0);
        assert_eq!(middle(127), 127);
        assert_eq!(middle(128), 128);
        assert_eq!(middle(255), 255);
        assert_eq!(middle(256), 257);
        assert_eq!(middle(257), 259);
        assert_eq!(middle(384), 514);
    }

    #[test]
    fn a_histogram_has_all_counts() {
        let mut counts = vec![0; 4096];
        counts[50] = 99;
        counts[1000] = 1;
        let histogram = histogram(&counts).unwrap();
        assert_eq!(histogram.len(), 100);
        assert_eq!(histogram.value_at_quantile(0.5), 50);
    }
}
