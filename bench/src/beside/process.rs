//! A process of a system under test: kept on its core, and ended with all that it has started.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpriority_process, kill_process, setpriority_process};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::BesideError;
use super::tree::Tree;
use crate::packets::systems::Tail;

/// How long a process may take to end when it is asked to.
const END: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(10);

/// The process.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: std::process::Child,
    tail: Tail,
}

impl Process {
    /// Starts it on a core. It is asked to end when the thread that calls this ends, so that none
    /// outlives a killed benchmark.
    pub fn start(
        name: &'static str,
        program: impl AsRef<std::ffi::OsStr>,
        core: usize,
        arguments: impl FnOnce(&mut Command),
    ) -> Result<Self, BesideError> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(program);
        arguments(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = on_core(core, || command.spawn());
        let mut child = child.map_err(|cause| BesideError::Start {
            system: name,
            why: cause.to_string(),
        })?;
        let tail = Tail::default();
        if let Some(errors) = child.stderr.take() {
            let followed = tail.follow(errors);
            followed.map_err(BesideError::system("starting a thread"))?;
        }
        Ok(Self { name, child, tail })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks `ready` until it says yes.
    pub fn wait_until(
        &mut self,
        patience: Duration,
        mut ready: impl FnMut() -> bool,
    ) -> Result<(), BesideError> {
        let started = Instant::now();
        while started.elapsed() < patience {
            if ready() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.failed(&format!("stopped at once ({status})")));
            }
        }
        Err(self.failed(&format!("was not ready in {} s", patience.as_secs())))
    }

    fn failed(&self, what: &str) -> BesideError {
        BesideError::Start {
            system: self.name,
            why: format!("{what}; it said: {}", self.tail.text()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let tree = Tree::of(&[self.child.id()]);
        signal(self.child.id(), Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < END {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(LOOK),
                Ok(Some(_)) | Err(_) => break,
            }
        }
        // What has outlived its parent is still named by the tree; what has ended needs no signal.
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            tree.each(|pid| signal(pid, Signal::KILL));
        }
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // A process that has ended already needs no signal.
        let _ = kill_process(pid, signal);
    }
}

/// Niceness of systems and dialler, all alike, so that what else runs on the machine waits.
const NICE: i32 = -20;

/// Runs `work` on that core only and before others: threads and processes that it starts have both,
/// too. Who may not go before others takes their turn, and the figures tell of them.
pub fn on_core<T>(core: usize, work: impl FnOnce() -> T) -> T {
    let thread = Some(rustix::thread::gettid());
    let nice = getpriority_process(thread).unwrap_or(0);
    let before = sched_getaffinity(None);
    let mut only = CpuSet::new();
    if core < CpuSet::MAX_CPU {
        only.set(core);
        let _ = sched_setaffinity(None, &only);
    }
    let _ = setpriority_process(thread, NICE);
    let done = work();
    let _ = setpriority_process(thread, nice);
    if let Ok(before) = before {
        let _ = sched_setaffinity(None, &before);
    }
    done
}
