//! What the kernel must have, found out before the first call, and the remedy if it has not.

use std::io;

use io_uring::{Probe, opcode};
use patchbay_route::flow::FLOWS;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::ring::builder;
use crate::engine::EngineError;

/// Checks that a ring of our kind can be made and knows the operations we need.
///
/// It does so on a thread of its own: a ring that goes away interrupts, a little later, a system
/// call of the thread that had it.
///
/// # Errors
/// [`EngineError::Feature`] names what is missing and what to do.
pub fn check() -> Result<(), EngineError> {
    let failed = || explain("io_uring probe", io::ErrorKind::Other.into());
    let spawned = std::thread::Builder::new()
        .name("probe".to_owned())
        .spawn(check_here);
    let thread = spawned.map_err(|e| explain("a thread", e))?;
    thread.join().map_err(|_| failed())?
}

fn check_here() -> Result<(), EngineError> {
    let ring = builder().build(8).map_err(|e| explain("io_uring", e))?;
    let mut probe = Probe::new();
    ring.submitter()
        .register_probe(&mut probe)
        .map_err(|e| explain("io_uring probe", e))?;
    let needed: [(u8, &'static str); 7] = [
        (opcode::RecvMsgMulti::CODE, "io_uring recvmsg"),
        (opcode::RecvMulti::CODE, "io_uring recv"),
        (opcode::Send::CODE, "io_uring send"),
        (opcode::Connect::CODE, "io_uring connect"),
        (opcode::Close::CODE, "io_uring close"),
        (opcode::PollAdd::CODE, "io_uring poll"),
        (opcode::AsyncCancel::CODE, "io_uring cancel"),
    ];
    for (code, feature) in needed {
        if !probe.is_supported(code) {
            return Err(explain(
                feature,
                io::Error::from_raw_os_error(libc::EOPNOTSUPP),
            ));
        }
    }
    Ok(())
}

/// Says what an error of the kernel means, and what to do.
pub fn explain(feature: &'static str, cause: io::Error) -> EngineError {
    let disabled =
        std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default();
    let remedy = remedy(cause.raw_os_error().unwrap_or(0), disabled.trim());
    EngineError::Feature {
        feature,
        remedy,
        cause,
    }
}

fn remedy(errno: i32, disabled: &str) -> String {
    let text = match (errno, disabled) {
        (libc::EPERM | libc::EACCES, "2") => {
            "io_uring is disabled by sysctl kernel.io_uring_disabled=2: set it to 0"
        }
        (libc::EPERM | libc::EACCES, "1") => {
            "io_uring is restricted by sysctl kernel.io_uring_disabled=1: set it to 0, or add the user to the group in kernel.io_uring_group"
        }
        (libc::EPERM | libc::EACCES, _) => {
            "a seccomp or security policy forbids io_uring: in a container, allow io_uring_setup, io_uring_enter and io_uring_register"
        }
        (libc::ENOSYS | libc::EINVAL | libc::EOPNOTSUPP, _) => {
            "the kernel is too old or built without io_uring: Linux 6.1 or newer is needed"
        }
        (libc::ENOMEM, _) => {
            "not enough memory, or locked memory is limited: raise RLIMIT_MEMLOCK (LimitMEMLOCK= in a systemd unit) to 64 MiB or more"
        }
        (libc::EMFILE | libc::ENFILE, _) => {
            "too few open files are allowed: raise RLIMIT_NOFILE (LimitNOFILE= in a systemd unit) or fs.file-max"
        }
        _ => "see the kernel's message",
    };
    text.to_owned()
}

/// Raises the number of open files to the most that is allowed, and tells how many pairs each
/// thread can then have: a ring's socket table may be as long as the process may have files.
/// The sockets themselves do not count as open files of the process.
///
/// # Errors
/// [`EngineError::Feature`] if it is not even enough for one pair.
pub fn pairs_that_fit(wanted: usize) -> Result<usize, EngineError> {
    let limit = getrlimit(Resource::Nofile);
    let mut files = limit.current;
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            files = limit.maximum;
        }
    }
    let fitting = fit(wanted, files.unwrap_or(u64::MAX));
    fitting.ok_or_else(|| explain("socket table", io::Error::from_raw_os_error(libc::EMFILE)))
}

fn fit(wanted: usize, files: u64) -> Option<usize> {
    let pairs = usize::try_from(files / FLOWS as u64).unwrap_or(usize::MAX);
    Some(wanted.min(pairs)).filter(|pairs| *pairs > 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_refusal_has_its_remedy() {
        assert!(remedy(libc::EPERM, "2").contains("kernel.io_uring_disabled=2: set it to 0"));
        assert!(remedy(libc::EPERM, "1").contains("io_uring_group"));
        assert!(remedy(libc::EPERM, "0").contains("seccomp"));
        assert!(remedy(libc::EPERM, "").contains("container"));
        assert!(remedy(libc::ENOSYS, "0").contains("Linux 6.1"));
        assert!(remedy(libc::EINVAL, "").contains("Linux 6.1"));
        assert!(remedy(libc::ENOMEM, "").contains("RLIMIT_MEMLOCK"));
        assert!(remedy(libc::EMFILE, "").contains("LimitNOFILE="));
    }

    #[test]
    fn open_files_bound_the_pairs() {
        assert_eq!(fit(10_000, 1_000_000), Some(10_000));
        assert_eq!(fit(10_000, 20_000), Some(5_000));
        assert_eq!(fit(10_000, 3), None);
        assert_eq!(fit(1, 4), Some(1));
    }

    #[test]
    fn this_kernel_will_do() {
        check().unwrap();
        assert_eq!(pairs_that_fit(10).unwrap(), 10);
    }
}
