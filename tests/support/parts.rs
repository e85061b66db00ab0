//! The product's processes: how they are started and ended, and the files that an operator makes first.

use std::path::PathBuf;
use std::process::Command;

use super::SOON;
use super::centre::PATCHBAY;
use super::process::{Folder, Running};

/// Ends a process as a service manager does.
pub fn terminate(process: &mut Running) {
    process.signal("TERM");
    let status = process.wait(SOON);
    assert!(status.success(), "it left with {status}");
}

/// Starts the relay.
pub fn launch_relay(folder: &Folder, hand_over: bool) -> Running {
    let options: &[&str] = if hand_over { &["--hand-over"] } else { &[] };
    launch("relay", folder, options)
}

/// Starts a part of the product with its files in this folder.
pub fn launch(part: &str, folder: &Folder, options: &[&str]) -> Running {
    run(part, &mut command_of(part, folder, options), folder)
}

/// Starts it by this command.
pub fn run(part: &str, command: &mut Command, folder: &Folder) -> Running {
    Running::start(part, command, &folder.file(&format!("{part}.log")))
}

/// The command of a part of the product.
pub fn command_of(part: &str, folder: &Folder, options: &[&str]) -> Command {
    let mut command = Command::new(PATCHBAY);
    command
        .arg(part)
        .args([
            "--config".as_ref(),
            folder.file("patchbay.toml").as_os_str(),
        ])
        .args(["--data".as_ref(), folder.file("data").as_os_str()])
        .args(options)
        .env("RUST_BACKTRACE", "1");
    command
}

/// A data folder.
pub fn make_private_folder(path: &PathBuf) {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700).create(path).expect("a data folder");
}

/// The secret that an operator puts on both hosts.
pub fn write_secret(path: &PathBuf) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .expect("a secret file");
    let secret = format!("{:064x}\n", u128::from(std::process::id()) * 7919 + 0xfeed);
    file.write_all(secret.as_bytes()).expect("a secret");
}

/// What a file says, in a word.
pub fn read_word(path: &PathBuf) -> String {
    let text = std::fs::read_to_string(path).expect("a readable file");
    text.trim().to_owned()
}
