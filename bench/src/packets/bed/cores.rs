//! Which core works for whom.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::BedOptions;
use crate::packets::BenchError;

/// Cores of relay and generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores {
    /// The relay's, one for each of its threads.
    pub relay: Vec<usize>,
    /// The generator's, one for each of the relay's threads.
    pub generator: Vec<usize>,
}

impl Cores {
    /// Shares out the cores that this process may use.
    pub(super) fn choose(options: &BedOptions) -> Result<Self, BenchError> {
        let allowed = sched_getaffinity(None)
            .map_err(|e| BenchError::system("reading the allowed cores")(e.into()))?;
        let allowed: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|cpu| allowed.is_set(*cpu))
            .collect();
        Self::among(&allowed, options)
    }

    fn among(allowed: &[usize], options: &BedOptions) -> Result<Self, BenchError> {
        let threads = options.threads.max(1);
        let relay: Vec<usize> = if options.cpus.is_empty() {
            allowed.iter().copied().take(threads).collect()
        } else {
            options.cpus.clone()
        };
        if let Some(cpu) = relay.iter().find(|cpu| !allowed.contains(cpu)) {
            return Err(BenchError::Args(format!("core {cpu} may not be used here")));
        }
        if relay.len() < threads {
            let cores = relay.len();
            return Err(BenchError::Args(format!(
                "{threads} threads of the relay need as many cores, and there are {cores}"
            )));
        }
        let free = allowed.iter().rev().filter(|cpu| !relay.contains(cpu));
        let mut generator: Vec<usize> = free.copied().take(relay.len()).collect();
        let shared = relay.iter().rev().copied();
        generator.extend(shared.take(relay.len().saturating_sub(generator.len())));
        Ok(Self { relay, generator })
    }

    /// Whether relay and generator have a core in common.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.relay.iter().any(|cpu| self.generator.contains(cpu))
    }

    /// The relay's cores as `taskset -c` reads them.
    #[must_use]
    pub fn relay_list(&self) -> String {
        let cores: Vec<String> = self.relay.iter().map(usize::to_string).collect();
        cores.join(",")
    }
}

/// Keeps the calling thread on those cores, if there are any; if that fails the figures are only
/// noisier.
pub(in crate::packets) fn pin(cores: &[usize]) {
    if !cores.is_empty() {
        let _ = sched_setaffinity(None, &set_of(cores));
    }
}

/// Lets the calling thread go before others; not being allowed to, it takes its turn.
pub(in crate::packets) fn urgent() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -20);
}

pub(super) fn set_of(cores: &[usize]) -> CpuSet {
    let mut set = CpuSet::new();
    for cpu in cores.iter().copied().filter(|cpu| *cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    set
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn choose(allowed: &[usize], threads: usize, cpus: &[usize]) -> Result<Cores, BenchError> {
        let options = BedOptions {
            threads,
            cpus: cpus.to_vec(),
            ..BedOptions::default()
        };
        Cores::among(allowed, &options)
    }

    #[test]
    fn relay_and_generator_have_cores_of_their_own_if_there_are_enough() {
        let cores = choose(&[0, 1], 1, &[]).unwrap();
        assert_eq!((&cores.relay, &cores.generator), (&vec![0], &vec![1]));
        let cores = choose(&[0, 1, 2, 3], 2, &[]).unwrap();
        assert_eq!((&cores.relay, &cores.generator), (&vec![0, 1], &vec![3, 2]));
        assert!(!cores.shared());
        let cores = choose(&[0, 1, 2], 1, &[2]).unwrap();
        assert_eq!((&cores.relay, &cores.generator), (&vec![2], &vec![1]));
        assert_eq!(cores.relay_list(), "2");
    }

    #[test]
    fn cores_are_shared_if_there_are_too_few() {
        let cores = choose(&[0, 1], 2, &[]).unwrap();
        assert_eq!((&cores.relay, &cores.generator), (&vec![0, 1], &vec![1, 0]));
        assert!(cores.shared());
        assert!(choose(&[0], 1, &[]).unwrap().shared());
        assert!(choose(&[0], 2, &[]).is_err());
        assert!(choose(&[0, 1], 1, &[7]).is_err());
    }
}
