//! Kernel threads, by name.

use std::fs;

/// Those whose name suits, by id.
pub(super) fn kernel_threads(suits: impl Fn(&str) -> bool) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        suits(name.trim_end()).then_some(pid)
    });
    let mut pids: Vec<u32> = pids.collect();
    pids.sort_unstable();
    pids
}

/// `ksoftirqd` of those cores.
pub(super) fn ksoftirqd(cores: &[usize]) -> Vec<u32> {
    let names: Vec<String> = cores
        .iter()
        .map(|core| format!("ksoftirqd/{core}"))
        .collect();
    kernel_threads(|name| names.iter().any(|wanted| wanted == name))
}
