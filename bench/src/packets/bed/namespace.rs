//! Network namespaces of this process's beds.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::on_cores;
use crate::packets::BenchError;

/// Where `ip netns` keeps them.
const FOLDER: &str = "/run/netns";
/// How all our namespaces' names begin; the process's id follows.
pub(super) const PREFIX: &str = "pb-bench-";

/// A named network namespace; it goes when this is dropped, and its devices with it.
#[derive(Debug)]
pub(in crate::packets) struct Namespace {
    name: String,
}

impl Namespace {
    pub fn new(name: String) -> Result<Self, BenchError> {
        run("ip", &["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.run("ip", &["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a command inside, with the namespace's own `/sys`.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<(), BenchError> {
        let mut all = vec!["netns", "exec", &self.name, program];
        all.extend(args);
        run("ip", &all)
    }

    /// A command that runs inside.
    pub fn command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]);
        command
    }

    /// Does something on a thread inside that keeps to those cores.
    pub fn inside<T: Send>(
        &self,
        cores: &[usize],
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, BenchError> {
        on_cores(cores, || self.enter().map(|()| work()))?
    }

    /// Moves the calling thread inside, for good.
    pub fn enter(&self) -> Result<(), BenchError> {
        let failed = BenchError::system("entering a network namespace");
        let file = File::open(Path::new(FOLDER).join(&self.name)).map_err(&failed)?;
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(|e| failed(e.into()))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing can be done if it fails; the next bed tries again once this process is gone.
        let _ = run("ip", &["netns", "del", &self.name]);
    }
}

/// Removes namespaces of processes that are gone.
pub(super) fn remove_leftovers() {
    let Ok(entries) = fs::read_dir(FOLDER) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let pid = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = run("ip", &["netns", "del", name]);
        }
    }
}

/// Runs a command to its end; what it says on its error output is the error.
pub(super) fn run(program: &str, args: &[&str]) -> Result<(), BenchError> {
    let failed = BenchError::system("building the bed");
    let named = |text: String| io::Error::other(format!("{program} {}: {text}", args.join(" ")));
    let output = Command::new(program).args(args).output();
    let output = output.map_err(|e| failed(named(e.to_string())))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(failed(named(text.trim().to_owned())))
}
