//! Lines in, files out.
#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;

/// A directory of the test's own, deleted at its end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let path =
            std::env::temp_dir().join(format!("patchbay-journal-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Dir(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("sessions.jsonl")
    }

    fn aside(&self, n: u32) -> PathBuf {
        self.0.join(format!("sessions.jsonl.{n}"))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn lines_are_appended_in_order_and_kept_over_a_restart() {
    let dir = Dir::new("order");
    let mut expected = String::new();
    for start in [0, 500] {
        let journal = Journal::open(dir.file()).unwrap();
        for n in start..start + 500 {
            let line = format!(r#"{{"n":{n}}}"#);
            journal.append(line.clone().into_bytes()).unwrap();
            expected += &line;
            expected += "\n";
        }
        journal.shutdown();
        assert_eq!(
            journal.counts(),
            JournalCounts {
                written: 500,
                ..JournalCounts::default()
            }
        );
        assert_eq!(journal.append(b"{}".to_vec()), Err(JournalFull::Closed));
    }
    assert_eq!(fs::read_to_string(dir.file()).unwrap(), expected);
}

#[test]
fn a_line_is_on_disk_without_a_shutdown() {
    let dir = Dir::new("soon");
    let journal = Journal::open(dir.file()).unwrap();
    journal.append(b"{}".to_vec()).unwrap();
    while journal.counts().written == 0 {
        std::thread::yield_now();
    }
    assert_eq!(fs::read(dir.file()).unwrap(), b"{}\n");
}

#[test]
fn files_are_rotated_by_size_and_the_oldest_go() {
    let dir = Dir::new("rotate");
    let limits = JournalLimits {
        file_bytes: 100,
        kept_files: 2,
        ..JournalLimits::default()
    };
    for n in 0..7 {
        // One journal a line, so that each line is a batch of its own.
        let journal = Journal::open_with(dir.file(), limits).unwrap();
        journal.append(vec![b'a' + n; 59]).unwrap();
        journal.shutdown();
        assert_eq!(journal.counts().written, 1);
        assert_eq!(journal.counts().rotations, u64::from(n > 0));
    }
    for (path, letter) in [(dir.file(), 'g'), (dir.aside(1), 'f'), (dir.aside(2), 'e')] {
        assert_eq!(
            fs::read_to_string(path).unwrap(),
            format!("{}\n", letter.to_string().repeat(59))
        );
    }
    assert!(!dir.aside(3).exists());
}

#[test]
fn many_lines_at_once_are_rotated_too() {
    let dir = Dir::new("burst");
    let limits = JournalLimits {
        file_bytes: 1000,
        kept_files: 100,
        ..JournalLimits::default()
    };
    let journal = Journal::open_with(dir.file(), limits).unwrap();
    for n in 0..1000 {
        journal.append(format!("{n:09}").into_bytes()).unwrap();
    }
    journal.shutdown();
    let counts = journal.counts();
    assert_eq!((counts.written, counts.rotations), (1000, 9));
    let mut all = String::new();
    for n in (1..=9).rev() {
        assert_eq!(fs::metadata(dir.aside(n)).unwrap().len(), 1000);
        all += &fs::read_to_string(dir.aside(n)).unwrap();
    }
    all += &fs::read_to_string(dir.file()).unwrap();
    assert!(
        all.lines()
            .map(|line| line.parse::<u32>().unwrap())
            .eq(0..1000)
    );
}

#[test]
fn a_line_cut_off_by_a_crash_does_not_spoil_the_next() {
    let dir = Dir::new("torn");
    fs::write(dir.file(), b"{\"whole\":1}\n{\"torn\":").unwrap();
    let journal = Journal::open(dir.file()).unwrap();
    journal.append(b"{\"next\":1}".to_vec()).unwrap();
    drop(journal);
    let text = fs::read_to_string(dir.file()).unwrap();
    assert_eq!(text, "{\"whole\":1}\n{\"torn\":\n{\"next\":1}\n");
}

#[test]
fn what_does_not_fit_is_refused_and_counted() {
    let dir = Dir::new("refuse");
    let limits = JournalLimits {
        line_bytes: 4,
        ..JournalLimits::default()
    };
    let journal = Journal::open_with(dir.file(), limits).unwrap();
    assert_eq!(journal.append(b"12345".to_vec()), Err(JournalFull::Line));
    assert_eq!(journal.append(b"1\n2".to_vec()), Err(JournalFull::Line));
    assert_eq!(journal.append(b"1234".to_vec()), Ok(()));
    journal.shutdown();
    assert_eq!((journal.counts().refused, journal.counts().written), (2, 1));
}

#[test]
fn a_full_queue_refuses_and_everything_taken_is_written() {
    let dir = Dir::new("full");
    let limits = JournalLimits {
        queued_lines: 2,
        ..JournalLimits::default()
    };
    let journal = Journal::open_with(dir.file(), limits).unwrap();
    let taken = (0..10_000)
        .filter(|_| journal.append(vec![b'x'; 100]).is_ok())
        .count() as u64;
    journal.shutdown();
    let counts = journal.counts();
    assert_eq!((counts.written, counts.refused), (taken, 10_000 - taken));
    assert_eq!(fs::metadata(dir.file()).unwrap().len(), taken * 101);
}

#[test]
fn lines_that_the_disk_refuses_are_counted_as_lost() {
    // Every Linux has it, and a file of that name would prove nothing.
    assert!(Path::new("/dev/full").exists());
    let journal = Journal::open("/dev/full").unwrap();
    journal.append(b"{}".to_vec()).unwrap();
    journal.shutdown();
    assert_eq!((journal.counts().lost, journal.counts().written), (1, 0));
}

#[test]
fn a_place_that_cannot_be_is_named() {
    let error = Journal::open("/nowhere/at/all.jsonl").unwrap_err();
    assert!(
        error.to_string().contains("/nowhere/at/all.jsonl"),
        "{error}"
    );
}
