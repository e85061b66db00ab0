//! A child process with a log, ended when the test is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::wait::until;

/// How much of a log is shown when something fails.
const TAIL_LINES: usize = 60;

/// A running program.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
    status: Option<ExitStatus>,
}

/// The product in a network namespace of its own, where that is allowed: its media ports, which
/// nobody holds by a socket when they are steered, are then nobody else's.
pub fn alone(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("unshare");
    let there = "ip link set lo up && exec \"$0\" \"$@\"";
    command.args(["--net", "--", "sh", "-c", there, program]);
    command
}

impl Running {
    /// Starts `command` with its output in `log`.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Running {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle of the log"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Running {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            status: None,
        }
    }

    /// Process identifier.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name: `TERM`, `INT`.
    pub fn signal(&self, signal: &str) {
        let command = format!("kill -s {signal} {}", self.pid());
        let status = Command::new("sh").args(["-c", &command]).status();
        assert!(status.expect("sh").success(), "{command}");
    }

    /// Ends it as a crash would: SIGKILL, no warning.
    pub fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.status = Some(self.child.wait().expect("wait"));
    }

    /// Its exit status if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("wait");
        }
        self.status
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        until(&what, limit, || self.ended())
    }

    /// All that it printed.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            // Only ever the process that was started here, by its handle.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines.len().saturating_sub(TAIL_LINES);
            eprintln!("---- end of the log of {} ----", self.name);
            eprintln!("{}", lines.get(tail..).unwrap_or_default().join("\n"));
        }
    }
}

/// A folder that goes away with the test that made it, unless the test fails.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes a new, empty folder.
    pub fn make() -> Folder {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("patchbay-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Folder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept for a look: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
