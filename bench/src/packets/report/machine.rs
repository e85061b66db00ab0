//! Where and when something was measured.

use std::collections::BTreeMap;
use std::thread::available_parallelism;

use serde::Serialize;

/// A machine at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Machine {
    /// The processor, as the kernel names it.
    pub cpu: String,
    /// Cores that may be used.
    pub cores: usize,
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// Kernel and its release.
    pub kernel: String,
    /// Local date and time at the begin, with the offset from UTC.
    pub date: String,
    /// Where packets were sent.
    pub bed: String,
    /// How packets were sent.
    pub generator: String,
    /// Relays by name, with their versions.
    pub versions: BTreeMap<String, String>,
    /// The command that measured it.
    pub command: String,
}

impl Machine {
    /// This machine now.
    #[must_use]
    pub fn read(bed: String, command: String) -> Self {
        let file = |path| std::fs::read_to_string(path).unwrap_or_default();
        let release = file("/proc/sys/kernel/osrelease");
        Self {
            cpu: cpu(&file("/proc/cpuinfo")),
            cores: available_parallelism().map_or(1, usize::from),
            memory_bytes: memory(&file("/proc/meminfo")),
            kernel: format!("Linux {}", release.trim()),
            date: jiff::Zoned::now()
                .strftime("%Y-%m-%d %H:%M %:z")
                .to_string(),
            bed,
            generator: String::new(),
            versions: BTreeMap::new(),
            command,
        }
    }

    /// In one line: processor, cores, kernel.
    #[must_use]
    pub fn brief(&self) -> String {
        let cores = if self.cores == 1 { "core" } else { "cores" };
        format!("{}, {} {cores}, {}", self.cpu, self.cores, self.kernel)
    }

    /// Relays with their versions, in one line.
    #[must_use]
    pub fn versions(&self) -> String {
        let versions: Vec<&str> = self.versions.values().map(String::as_str).collect();
        versions.join(", ")
    }
}

/// The first processor's name; the architecture where the kernel gives none.
fn cpu(cpuinfo: &str) -> String {
    let field = |name: &str| {
        cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    field("model name")
        .or_else(|| field("Model"))
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nprocessor\t: 1\n";
        assert_eq!(cpu(text), "Some CPU @ 2.00GHz");
        assert_eq!(
            cpu("processor : 0\nBogoMIPS : 50\n"),
            std::env::consts::ARCH
        );
        assert_eq!(
            memory("MemFree: 1 kB\nMemTotal:  2048 kB\n"),
            Some(2_097_152)
        );
        assert_eq!(memory(""), None);
    }

    #[test]
    fn this_machine_can_be_described() {
        let machine = Machine::read("loopback".to_owned(), "bench".to_owned());
        assert!(machine.cores > 0 && machine.kernel.len() > "Linux ".len());
        assert!(machine.brief().contains("core"), "{}", machine.brief());
        assert!(machine.date.contains(':'), "{}", machine.date);
    }
}
