//! What processes and those they have started use, as the kernel says (proc(5)).

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// Some processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pids: Vec<u32>,
}

/// What they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// Proportional set size: a page that several share counts once in all.
    pub pss: u64,
    /// Different sockets that are open.
    pub sockets: u64,
}

impl Tree {
    /// Those processes and all their descendants.
    pub fn of(roots: &[u32]) -> Self {
        let parents = parents();
        let mut pids: Vec<u32> = roots.to_vec();
        let mut next = 0;
        while let Some(parent) = pids.get(next).copied() {
            let children = parents.iter().filter(|(_, of)| *of == parent);
            let new: Vec<u32> = children
                .map(|(pid, _)| *pid)
                .filter(|pid| !pids.contains(pid))
                .collect();
            pids.extend(new);
            next += 1;
        }
        Self { pids }
    }

    /// CPU time of all their threads so far, user and kernel, ended threads included. Interrupts
    /// and the kernel's own threads are not in it.
    pub fn cpu(&self) -> Duration {
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        let ticks: u64 = self
            .pids
            .iter()
            .filter_map(|pid| ticks(&read(*pid, "stat")))
            .sum();
        Duration::from_micros(ticks * 1_000_000 / per_second)
    }

    /// Memory and sockets.
    pub fn holding(&self) -> Holding {
        let pss = |pid: &u32| pss(&read(*pid, "smaps_rollup")).unwrap_or(0);
        let mut sockets = BTreeSet::new();
        for pid in &self.pids {
            let files = fs::read_dir(format!("/proc/{pid}/fd"));
            let links = files
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|file| fs::read_link(file.path()).ok());
            // `socket:[12345]`; the number is the same for all who share it.
            sockets.extend(links.filter(|link| link.to_string_lossy().starts_with("socket:")));
        }
        Holding {
            pss: self.pids.iter().map(pss).sum(),
            sockets: sockets.len() as u64,
        }
    }

    /// Does something for each of them.
    pub fn each(&self, work: impl FnMut(u32)) {
        self.pids.iter().copied().for_each(work);
    }

    /// Whether all of them still run.
    pub fn is_whole(&self) -> bool {
        let lives = |pid: &u32| {
            let stat = read(*pid, "stat");
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| !rest.starts_with('Z'))
        };
        self.pids.iter().all(lives)
    }
}

/// Kernel memory of a UDP socket with its file, in bytes, from the sizes of the kernel's objects;
/// `None` if they may not be read.
pub(super) fn socket_bytes() -> Option<u64> {
    object_sizes(&fs::read_to_string("/proc/slabinfo").ok()?)
}

fn object_sizes(slabinfo: &str) -> Option<u64> {
    let size = |name: &str| {
        let line = slabinfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().nth(2)?.parse::<u64>().ok()
    };
    let parts = ["UDP ", "sock_inode_cache ", "filp ", "dentry "];
    let udp = size(parts[0])?;
    // Kernels that merge caches of one size have no line for the smaller ones.
    Some(udp + parts[1..].iter().filter_map(|part| size(part)).sum::<u64>())
}

fn read(pid: u32, file: &str) -> String {
    fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

/// Each process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, parent(&read(pid, "stat"))?)))
        .collect()
}

/// Field 4; the second one may contain anything, in brackets.
fn parent(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Fields 14 and 15.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

fn pss(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 5 2 3 4 5 6 7 8 9 10 30 12 13";
        assert_eq!((parent(stat), ticks(stat)), (Some(5), Some(42)));
        assert_eq!(
            pss("Rss: 9 kB\nPss:      3 kB\nPss_Dirty: 1 kB\n"),
            Some(3072)
        );
    }

    #[test]
    fn sizes_of_kernel_objects_are_summed() {
        let slabs = "slabinfo - version: 2.1\nUDPv6 1 1 1500\nUDP 10 20 1300 24 8\n\
                     sock_inode_cache 1 1 800 1 1\nfilp 1 1 200 1 1\n";
        assert_eq!(object_sizes(slabs), Some(2300));
        assert_eq!(object_sizes("filp 1 1 200\n"), None);
    }

    #[test]
    fn this_process_is_a_tree() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0");
        let tree = Tree::of(&[std::process::id()]);
        let holding = tree.holding();
        assert!(tree.is_whole());
        assert!(holding.pss > 0 && holding.sockets >= u64::from(socket.is_ok()));
        assert!(
            !Tree {
                pids: vec![u32::MAX]
            }
            .is_whole()
        );
    }
}
