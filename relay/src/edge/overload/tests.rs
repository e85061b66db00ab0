#![allow(clippy::unwrap_used)]
use super::*;

const ROOM: usize = 4096;
const TABLE: (usize, usize) = (0, 524_288);

fn load(waiting: usize, each: Duration) -> Load {
    Load {
        handled: 256,
        took: each * 256,
        waiting,
        room: ROOM,
        unread: Duration::ZERO,
    }
}

/// Looks for a second while so many messages wait, each for 100 us, and gives the share.
fn share(overload: &mut Overload, start: Instant, waiting: usize) -> u32 {
    for look in 0..100 {
        let now = start + LOOK * look;
        overload.worked(load(waiting, Duration::from_micros(100)), now, 1);
    }
    overload.share()
}

#[test]
fn the_share_follows_the_wait() {
    let start = Instant::now();
    let mut overload = Overload::new(CallLimit::Auto);
    let shares =
        [(0, 0), (1, 400), (2, 600), (3, 800), (4, 2_000), (5, 500)].map(|(at, waiting)| {
            let begins = start + Duration::from_secs(at);
            share(&mut overload, begins, waiting)
        });
    // What a message costs is smoothed, and a part of a nanosecond is lost.
    assert_eq!(shares, [0, 0, 24, 49, 100, 12]);
    // Too few to tell: the machine may have stopped meanwhile.
    assert_eq!(share(&mut overload, start + Duration::from_secs(30), 63), 0);
}

#[test]
fn what_waits_in_a_socket_waits_too() {
    let start = Instant::now();
    let mut overload = Overload::new(CallLimit::Auto);
    let unread = |unread| Load {
        unread,
        ..load(0, Duration::ZERO)
    };
    overload.worked(unread(SHORT_WAIT), start, 1);
    assert_eq!(overload.share(), 0);
    overload.worked(unread((SHORT_WAIT + MAX_WAIT) / 2), start + LOOK, 1);
    assert_eq!(overload.share(), 50);
    overload.worked(unread(Duration::MAX), start + LOOK + LOOK / 2, 1);
    assert_eq!(overload.share(), 50, "it is looked at now and then");
    overload.worked(unread(Duration::MAX), start + 2 * LOOK, 1);
    assert_eq!(overload.share(), 100);
    // A full queue is a wait whatever a message costs: readers wait too.
    let mut overload = Overload::new(CallLimit::Auto);
    overload.worked(load(ROOM, Duration::ZERO), start, 1);
    assert_eq!(overload.share(), 100);
}

#[test]
fn who_has_nothing_to_do_refuses_nobody() {
    let start = Instant::now();
    let mut overload = Overload::new(CallLimit::Auto);
    assert_eq!(share(&mut overload, start, 2_000), 100);
    // Asking is enough to see it.
    let later = start + Duration::from_secs(60);
    assert!(!overload.refuses(TABLE, later, 7));
    assert_eq!(overload.share(), 0);
    assert_eq!(share(&mut overload, later, 2_000), 100);
    let asked = Load {
        handled: 0,
        ..load(0, Duration::ZERO)
    };
    overload.worked(asked, later + Duration::from_secs(60), 1);
    assert_eq!(overload.share(), 0);
}

#[test]
fn of_a_hundred_new_calls_the_share_is_refused() {
    let now = Instant::now();
    let mut overload = Overload::new(CallLimit::Auto);
    overload.share = 30;
    let refused = (0..1_000)
        .filter(|_| overload.refuses(TABLE, now, 1))
        .count();
    assert_eq!(refused, 300);
    let mut off = Overload::new(CallLimit::Off);
    assert!((0..10_000).all(|_| !off.refuses(TABLE, now, 1)));
    // A table that is nearly full is kept for what goes on.
    assert!(off.refuses((472_000, 524_288), now, 1));
}

#[test]
fn a_rate_is_kept_and_its_share_is_told() {
    let start = Instant::now();
    let mut overload = Overload::new(CallLimit::Rate(50));
    let mut taken = 0;
    // 200 calls a second for three seconds.
    for call in 0..600_u32 {
        let now = start + Duration::from_millis(5) * call;
        if !overload.refuses(TABLE, now, 1) {
            overload.taken(now);
            taken += 1;
        }
    }
    // 50 a second, and as many at once at the beginning.
    assert!((198..=202).contains(&taken), "{taken}");
    assert!(
        (70..=76).contains(&overload.share()),
        "{}",
        overload.share()
    );
    // Later, with nobody calling, it is over.
    let later = start + Duration::from_secs(10);
    assert!(!overload.refuses(TABLE, later, 1));
    assert_eq!(overload.share(), 0);
}

#[test]
fn a_neighbour_that_asks_is_told_in_its_via() {
    let now = Instant::now();
    let mut overload = Overload::new(CallLimit::Auto);
    overload.share = 20;
    overload.told_unix_ms = 1_282_321_615_782;
    let mut request = |via: &str| {
        let text = format!("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;{via}\r\n\r\n");
        let bytes = bytes::Bytes::from(text);
        let mut request = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => error.readable().unwrap().clone(),
        };
        let told = overload.tell(&mut request, now, 5);
        told.then(|| request.headers.get(HeaderName::Via).unwrap().to_owned())
    };
    assert_eq!(
        request("branch=z9hG4bK1;oc;oc-algo=\"loss,A\"").unwrap(),
        "SIP/2.0/UDP h;branch=z9hG4bK1;oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.782"
    );
    assert_eq!(request("branch=z9hG4bK;rport"), None);
    assert_eq!(request("branch=z9hG4bK;ocean=1"), None);
}
