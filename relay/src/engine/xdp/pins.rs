//! Tables and program kept in the BPF file system, so that they outlive this process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use patchbay_route::settled::layout;
use rustix::fs::{Mode as Permissions, mkdir, statfs};

use super::{DriverError, Mode, XdpConfig};

/// The kernel's number of the BPF file system (`BPF_FS_MAGIC`).
const BPF_FS: u64 = 0xcafe_4a11;
/// How names of directories of ours begin.
const PREFIX: &str = "patchbay-";

/// A directory for the tables of one layout and range of ports. Names have no dots, which the file
/// system refuses.
#[derive(Debug)]
pub struct Pins {
    directory: PathBuf,
}

impl Pins {
    /// Makes the directory, below one that belongs to this relay alone; what another version, or
    /// one with other ports, has left there goes, and with it what it sent on.
    ///
    /// # Errors
    /// [`DriverError::Pin`].
    pub fn prepare(parent: &Path, config: &XdpConfig) -> Result<Pins, DriverError> {
        let refused = |cause| DriverError::Pin {
            directory: parent.to_owned(),
            cause,
        };
        fs::create_dir_all(parent).map_err(refused)?;
        let kind = statfs(parent).map_err(|e| refused(e.into()))?.f_type;
        if u64::try_from(kind).is_ok_and(|kind| kind & 0xffff_ffff != BPF_FS) {
            return Err(refused(io::Error::other(
                "it is not in a BPF file system: mount one with `mount -t bpf bpf DIRECTORY`",
            )));
        }
        let (first, last) = (config.ports.start(), config.ports.end());
        let name = format!("{PREFIX}{:08x}-{first}-{last}", layout_number());
        for entry in fs::read_dir(parent).map_err(refused)?.flatten() {
            let other = entry.file_name();
            let other = other.to_string_lossy();
            if other.starts_with(PREFIX) && other != name {
                remove(&entry.path());
            }
        }
        let directory = parent.join(name);
        match mkdir(&directory, Permissions::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(Pins { directory }),
            Err(e) => Err(refused(e.into())),
        }
    }

    /// Where a table is kept.
    pub fn table(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Where it is kept that the program stands on a device.
    pub fn link(&self, mode: Mode, ifindex: u32) -> PathBuf {
        self.directory.join(format!("link-{mode}-{ifindex}"))
    }

    /// Forgets links other than these: the program leaves those devices.
    pub fn keep_links(&self, wanted: &[PathBuf]) {
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let is_link = entry.file_name().to_string_lossy().starts_with("link-");
            if is_link && !wanted.contains(&entry.path()) {
                // Nothing depends on it but the next start, which tries again.
                drop(fs::remove_file(entry.path()));
            }
        }
    }

    /// Leaves nothing behind.
    pub fn remove(&self) {
        remove(&self.directory);
    }
}

/// Removes a directory of ours; there are no directories in it.
fn remove(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        drop(fs::remove_file(entry.path()));
    }
    // What cannot be removed is tried again at the next start.
    drop(fs::remove_dir(directory));
}

/// A number that changes with the layout (FNV-1a).
fn layout_number() -> u32 {
    layout().iter().fold(0x811c_9dc5, |sum, word| {
        (sum ^ word).wrapping_mul(0x0100_0193)
    })
}
