//! The relay host and its phones, each in a network namespace of their own, with a wire between them.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::process::Folder;

/// The relay host's address on the wire.
pub const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 88, 0, 1));
/// The caller's, beyond it.
pub const CARLA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 88, 0, 2));
/// The agent's.
pub const ANNA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 88, 0, 3));
/// The relay host's device.
pub const DEVICE: &str = "here";

/// Two network namespaces, joined. This test's thread, and what it starts, is in that of the relay
/// host. They go when this does.
#[derive(Debug)]
pub struct Beyond {
    name: String,
    bpf: Option<Folder>,
}

impl Beyond {
    /// Joins them.
    pub fn join() -> Beyond {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("patchbay-test-{}-{number}", std::process::id());
        let beyond = Beyond { name, bpf: None };
        let (here, there) = (beyond.of("here"), beyond.of("there"));
        for words in [
            format!("netns add {here}"),
            format!("netns add {there}"),
            format!("-n {here} link set lo up"),
            format!("-n {there} link set lo up"),
            format!("-n {here} link add {DEVICE} type veth peer name there netns {there}"),
            format!("-n {here} address add {HERE}/24 dev {DEVICE}"),
            format!("-n {here} link set {DEVICE} up"),
            format!("-n {there} address add {CARLA}/24 dev there"),
            format!("-n {there} address add {ANNA}/24 dev there"),
            format!("-n {there} link set there up"),
        ] {
            run("ip", &words);
        }
        enter(&here);
        beyond
    }

    /// Does something where the phones are.
    pub fn there<T>(&self, what: impl FnOnce() -> T) -> T {
        enter(&self.of("there"));
        let done = what();
        enter(&self.of("here"));
        done
    }

    /// A BPF file system, in which a relay's settled flows outlive it.
    pub fn bpf(&mut self) -> PathBuf {
        let folder = Folder::make();
        run("mount", &format!("-t bpf bpf {}", folder.path().display()));
        let directory = folder.file("relay");
        self.bpf = Some(folder);
        directory
    }

    fn of(&self, end: &str) -> String {
        format!("{}-{end}", self.name)
    }
}

impl Drop for Beyond {
    fn drop(&mut self) {
        if let Some(folder) = &self.bpf {
            let _ = Command::new("umount").arg("-l").arg(folder.path()).status();
        }
        for end in ["here", "there"] {
            let _ = Command::new("ip")
                .args(["netns", "del", &self.of(end)])
                .status();
        }
    }
}

fn enter(name: &str) {
    let file = File::open(Path::new("/run/netns").join(name)).expect("a network namespace");
    let network = Some(LinkNameSpaceType::Network);
    move_into_link_name_space(file.as_fd(), network).expect("to enter it");
}

fn run(program: &str, words: &str) {
    let status = Command::new(program).args(words.split(' ')).status();
    assert!(status.expect("a program").success(), "{program} {words}");
}
