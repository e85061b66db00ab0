//! The store's threads give way to signalling: a call's messages pass before rows are written or a
//! report is read, also where all share one core.

use std::fs;
use std::io;

use rustix::process::{Pid, getpriority_process, setpriority_process};

/// What the names of the store's threads begin with; the kernel keeps 15 characters of them.
const THREAD: &str = "store-";
/// Niceness above that of signalling (`sched(7)`): such a thread gets a quarter of a core that
/// another one wants all of, so that a batch is late under load, but never left.
const NICER: i32 = 5;

/// Name of the store's thread of this number.
pub fn name(number: u64) -> String {
    format!("{THREAD}{number}")
}

/// Lowers the priority of those of the store's threads that run, below that of the calling thread.
/// Where the kernel refuses, they stay as they are.
pub fn give_way() {
    if let Err(error) = lower() {
        tracing::debug!(%error, "the store's threads run at the priority of signalling");
    }
}

fn lower() -> io::Result<()> {
    // The kernel takes what is beyond its range for the end of it.
    let nice = getpriority_process(None)? + NICER;
    for thread in threads()? {
        setpriority_process(Some(thread), nice)?;
    }
    Ok(())
}

/// The store's threads in this process.
fn threads() -> io::Result<Vec<Pid>> {
    let mut found = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?;
        // Threads of others may end meanwhile.
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        let number = task.file_name().to_str().and_then(|name| name.parse().ok());
        if name.starts_with(THREAD) {
            found.extend(number.and_then(Pid::from_raw));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn the_threads_of_a_store_give_way() {
        let store = Store::in_memory().await.unwrap();
        let nice = |thread| getpriority_process(thread).unwrap();
        let expected = (nice(None) + NICER).min(19);
        let threads = threads().unwrap();
        assert!(!threads.is_empty());
        for thread in threads {
            assert_eq!(nice(Some(thread)), expected);
        }
        drop(store);
    }
}
