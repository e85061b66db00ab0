//! A flood of new calls is refused at little cost, and the call in progress does not notice.

use crate::support;

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::message::Sip;
use support::raw::Raw;
use support::sipp::received;
use support::{CALL, CALLER, Centre, SOON, STRANGER, Setup, Sipp, have};

/// New calls a second that the relay takes.
const RATE: u32 = 50;
/// New calls a second that come, in bursts.
const FLOOD: u32 = 5_000;
const BURSTS: u32 = 100;

/// What the flood has heard.
#[derive(Debug, Default)]
struct Heard {
    sent: u64,
    turned_away: u64,
    without_retry_after: u64,
    taken: u64,
}

/// Sends new calls for somebody who is not there until `stop`, and counts the answers; `turned` is set
/// with the first one that was turned away.
fn flood(centre: &Centre, stop: &AtomicBool, turned: &AtomicBool) -> Heard {
    let socket = UdpSocket::bind((STRANGER, 0)).expect("a UDP port");
    socket.connect(centre.edge).expect("the centre's address");
    socket.set_nonblocking(true).expect("a mode");
    let me = socket.local_addr().expect("a bound socket");
    let mut heard = Heard::default();
    let began = Instant::now();
    let mut burst = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..FLOOD / BURSTS {
            heard.sent += 1;
            let number = heard.sent;
            let invite = format!(
                "INVITE sip:nobody@{edge} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {me};branch=z9hG4bKflood{number}\r\n\
                 Max-Forwards: 70\r\n\
                 From: <sip:flood@{me}>;tag=f{number}\r\n\
                 To: <sip:nobody@{edge}>\r\n\
                 Call-ID: flood{number}\r\n\
                 CSeq: 1 INVITE\r\n\
                 Contact: <sip:flood@{me}>\r\n\
                 Content-Length: 0\r\n\r\n",
                edge = centre.edge
            );
            // What the kernel does not take is lost, as a flood's messages are.
            let _ = socket.send(invite.as_bytes());
        }
        hear(&socket, &mut heard);
        turned.fetch_or(heard.turned_away > 0, Ordering::Relaxed);
        burst += 1;
        let next = began + Duration::from_secs(1) / BURSTS * burst;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    hear(&socket, &mut heard);
    heard
}

fn hear(socket: &UdpSocket, heard: &mut Heard) {
    let mut buffer = [0_u8; 4096];
    while let Ok(length) = socket.recv(&mut buffer) {
        let answer = Sip(String::from_utf8_lossy(&buffer[..length]).into_owned());
        match (answer.status(), answer.header("Retry-After")) {
            (Some(503), Some(_)) => heard.turned_away += 1,
            (Some(503), None) => heard.without_retry_after += 1,
            (Some(404), _) => heard.taken += 1,
            _ => {}
        }
    }
}

// A1 B6
#[test]
fn a_flood_of_new_calls_is_turned_away_and_the_call_in_progress_goes_on() {
    if !have(&["sipp"]) {
        return;
    }
    let setup = Setup::default().relay(&format!("max_calls_per_s = {RATE}"));
    let centre = setup.start();
    let anna = centre.declare_anna();
    let agent = Sipp::agent("agent_held.xml", anna, &centre).start();
    let mut caller = Sipp::caller("caller_holds.xml", CALLER, &centre)
        .hold(Duration::from_secs(1))
        .start();
    centre.wait_in_call("anna");

    let (stop, turned) = (AtomicBool::new(false), AtomicBool::new(false));
    let told = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&centre, &stop, &turned));
        let limit = Instant::now() + CALL;
        let share = neighbour_is_told(&centre);
        while caller.finished().is_none() && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
        (flooding.join().expect("the flood ends"), share)
    });
    let (heard, share) = told;
    // Held, taken back and ended, each exchange with its answer.
    let seen = caller.succeeds(SOON);
    agent.succeeds(SOON);
    let refusals = received(&seen).filter(|sip| sip.status() >= Some(300));
    assert_eq!(refusals.count(), 0, "nothing of the call was refused");
    assert!(heard.turned_away > heard.taken, "{heard:?}");
    assert!(heard.turned_away > 1_000, "{heard:?}");
    assert_eq!(heard.without_retry_after, 0, "{heard:?}");
    assert!(share > 0, "a neighbour is asked to keep calls back");
    let drops = centre
        .relay_api
        .metric("patchbay_relay_sip_drops_total{reason=\"overload\"}");
    assert!(drops >= heard.turned_away as f64, "{drops} {heard:?}");
    centre.wait_empty();
}

/// A neighbour that says `oc` hears what share of its calls to keep back (RFC 7339): in the end, one
/// that is not nothing.
fn neighbour_is_told(centre: &Centre) -> u32 {
    let neighbour = Raw::open(CALLER, &centre.ports, centre.edge);
    support::until("the neighbour is told", SOON, || {
        let uri = format!("sip:{}", centre.edge);
        let options = neighbour.request("OPTIONS", &uri, "centre", "");
        neighbour.send(options.replacen(";rport", ";rport;oc;oc-algo=\"loss\"", 1));
        let answer = neighbour.next(Duration::from_secs(1))?;
        let via = answer.header("Via")?.to_owned();
        let share = via.split(";oc=").nth(1)?.split(';').next()?.parse().ok()?;
        for param in ["oc-algo=\"loss\"", "oc-validity=", "oc-seq="] {
            assert!(via.contains(param), "{param} in {via}");
        }
        (share > 0).then_some(share)
    })
}

/// How long a starved process waits for its turn, and how long that is.
const STARVED: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(4)];

/// Gives a process the CPU for a moment now and then until `enough`.
fn starve(pid: u32, enough: &AtomicBool) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.expect("a process");
    let signal = |signal| kill_process(pid, signal).expect("our own process");
    while !enough.load(Ordering::Relaxed) {
        signal(Signal::STOP);
        std::thread::sleep(STARVED[0]);
        signal(Signal::CONT);
        std::thread::sleep(STARVED[1]);
    }
}

// A1 B6
#[test]
fn a_relay_that_falls_behind_turns_some_calls_away_and_the_call_in_progress_goes_on() {
    if !have(&["sipp"]) {
        return;
    }
    // What is usual, said for the reader.
    let setup = Setup::default().apart().relay("max_calls_per_s = \"auto\"");
    let centre = setup.start();
    let anna = centre.declare_anna();
    let agent = Sipp::agent("agent_held.xml", anna, &centre).start();
    let caller = Sipp::caller("caller_holds.xml", CALLER, &centre)
        .hold(Duration::from_secs(1))
        .start();
    centre.wait_in_call("anna");
    let overload = "patchbay_relay_sip_drops_total{reason=\"overload\"}";
    assert_eq!(centre.relay_api.metric(overload), 0.0);

    let relay = centre.relay_process.as_ref().expect("a relay").pid();
    let (stop, turned) = (AtomicBool::new(false), AtomicBool::new(false));
    let heard = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(&centre, &stop, &turned));
        let starving = scope.spawn(|| starve(relay, &turned));
        let limit = Instant::now() + CALL;
        while !turned.load(Ordering::Relaxed) && Instant::now() < limit {
            std::thread::sleep(Duration::from_millis(20));
        }
        let was_turned = turned.swap(true, Ordering::Relaxed);
        starving.join().expect("the relay has the CPU again");
        stop.store(true, Ordering::Relaxed);
        let heard = flooding.join().expect("the flood ends");
        assert!(was_turned, "nobody was turned away: {heard:?}");
        heard
    });
    assert_eq!(heard.without_retry_after, 0, "{heard:?}");
    // Held, taken back and ended, each exchange with its answer.
    let seen = caller.succeeds(CALL);
    agent.succeeds(SOON);
    let refusals = received(&seen).filter(|sip| sip.status() >= Some(300));
    assert_eq!(refusals.count(), 0, "nothing of the call was refused");
    assert!(centre.relay_api.metric(overload) > 0.0);
    // When it has caught up it takes calls as before.
    let late = Raw::open(STRANGER, &centre.ports, centre.edge);
    support::until("a new call is taken", SOON, || {
        let call = late.invite("nobody", &support::raw::sdp(anna, "0", ""));
        late.send(call);
        late.all(Duration::from_millis(200))
            .iter()
            .any(|answer| answer.status() == Some(404))
            .then_some(())
    });
    centre.wait_empty();
}
