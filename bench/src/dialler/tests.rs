#![allow(clippy::unwrap_used)]
use super::*;

/// Counts marks.
#[derive(Default)]
struct Marks(Vec<Mark>);

impl Watcher for Marks {
    fn at(&mut self, mark: Mark) {
        self.0.push(mark);
    }

    fn progress(&mut self, _: Progress) {}

    fn stops(&self) -> bool {
        false
    }
}

fn direct(sockets: &Sockets, extent: Extent) -> Load {
    Load {
        targets: sockets.phones(),
        uris: sockets
            .phones()
            .iter()
            .map(|phone| format!("sip:phone@{phone}"))
            .collect(),
        relayed: false,
        calls_per_s: 500.0,
        extent,
        run: 7,
    }
}

#[test]
fn callers_and_phones_agree_without_a_system_between_them() {
    let mut sockets = Sockets::open(2).unwrap();
    let millis = Duration::from_millis;
    let extent = Extent::Window {
        warm_up: millis(60),
        window: millis(200),
        hold: millis(20),
    };
    let load = direct(&sockets, extent);
    let mut marks = Marks::default();
    let tally = run(&mut sockets, &load, &mut marks).unwrap();
    assert_eq!(marks.0, [Mark::Begins, Mark::Ends]);
    assert_eq!(
        (tally.progress.failed, tally.foreign),
        (0, 0),
        "{:?}",
        tally.failures
    );
    assert!(tally.progress.placed > 50);
    assert_eq!(tally.progress.over, tally.progress.placed);
    assert_eq!(tally.setup.len(), tally.timed);
}

#[test]
fn calls_that_stand_are_hung_up_when_they_were_looked_at() {
    let mut sockets = Sockets::open(1).unwrap();
    let load = direct(&sockets, Extent::Standing(20));
    let mut marks = Marks::default();
    let tally = run(&mut sockets, &load, &mut marks).unwrap();
    assert_eq!(marks.0, [Mark::Standing]);
    let progress = tally.progress;
    assert_eq!(
        (progress.answered, progress.over, progress.failed),
        (20, 20, 0)
    );
    assert_eq!(tally.peak, 20);
}

#[test]
fn a_system_that_does_not_relay_media_is_found_out() {
    let mut sockets = Sockets::open(1).unwrap();
    let mut load = direct(&sockets, Extent::Standing(3));
    load.relayed = true;
    let tally = run(&mut sockets, &load, &mut Marks::default()).unwrap();
    let reasons: Vec<&str> = tally.failures.keys().map(String::as_str).collect();
    assert!(
        reasons.contains(&"an INVITE has no media port of the system"),
        "{reasons:?}"
    );
}
