//! `patchbay bench target`: a relay that obeys lines of JSON and passes packets between phones.

use crate::support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use support::centre::PATCHBAY;
use support::wait::until;

/// Nothing on loopback takes this long, whatever else the machine does.
const LIMIT: Duration = Duration::from_secs(20);

struct Target {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Target {
    fn start(system: &str, ips: [&str; 2]) -> Target {
        Target::with_room(system, ips, 4)
    }

    fn with_room(system: &str, ips: [&str; 2], calls: u64) -> Target {
        let calls = calls.to_string();
        let mut process = Command::new(PATCHBAY)
            .args(["bench", "target", "--system", system, "--calls", &calls])
            .args(["--engine", "uring", "--ips", &ips.join(",")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Target { process, answers }
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    fn ask(&mut self, ask: &Value) -> Value {
        writeln!(self.process.stdin.as_mut().unwrap(), "{ask}").unwrap();
        self.line()
    }

    fn hang_up(&mut self) {
        drop(self.process.stdin.take());
        let process = &mut self.process;
        let status = until("the target ends", LIMIT, || process.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A phone's sockets: RTP, and RTCP on the port above.
struct Phone([UdpSocket; 2]);

impl Phone {
    fn on(ip: &str) -> Phone {
        let pair = (10_000..u16::MAX).step_by(2).find_map(|port| {
            let rtp = UdpSocket::bind((ip, port)).ok()?;
            let rtcp = UdpSocket::bind((ip, port + 1)).ok()?;
            Some([rtp, rtcp])
        });
        let phone = Phone(pair.unwrap());
        for socket in &phone.0 {
            socket.set_read_timeout(Some(LIMIT)).unwrap();
        }
        phone
    }

    fn address(&self) -> String {
        self.0[0].local_addr().unwrap().to_string()
    }
}

/// An RTP packet, or a sender report, that nobody has sent yet.
fn packet(component: usize, sequence: u8) -> Vec<u8> {
    match component {
        0 => [vec![0x80, 0, 0, sequence], vec![7; 168]].concat(),
        _ => [vec![0x80, 200, 0, 6], vec![sequence; 24]].concat(),
    }
}

fn crosses(from: &Phone, to: &Phone, entry: SocketAddr, exit: SocketAddr, sequence: u8) {
    for component in 0..2 {
        let sent = packet(component, sequence);
        let above = |address: SocketAddr| {
            SocketAddr::new(
                address.ip(),
                address.port() + u16::try_from(component).unwrap(),
            )
        };
        from.0[component].send_to(&sent, above(entry)).unwrap();
        let mut heard = [0; 2048];
        let (length, source) = to.0[component].recv_from(&mut heard).unwrap();
        assert_eq!((&heard[..length], source), (&sent[..], above(exit)));
    }
}

/// Two calls: packets cross both ways, are counted, and no longer cross when all is closed.
fn passes_packets(system: &str, third: u8) {
    let ip = |host: u8| format!("127.0.{third}.{host}");
    let mut target = Target::start(system, [&ip(1), &ip(2)]);
    let ready = target.line();
    let name = ready["ready"]["name"].as_str().unwrap();
    assert!(name.starts_with(system), "{ready}");
    let phones = [0; 2].map(|_| [3, 4].map(|host| Phone::on(&ip(host))));
    let addresses: Vec<[String; 2]> = phones
        .iter()
        .map(|[caller, callee]| [caller.address(), callee.address()])
        .collect();
    let opened = target.ask(&json!({ "open": addresses }));
    let relay: Vec<[SocketAddr; 2]> = serde_json::from_value(opened["opened"].clone()).unwrap();
    assert_eq!(relay.len(), 2);
    for (([caller, callee], [a, b]), sequence) in phones.iter().zip(&relay).zip(1..) {
        crosses(caller, callee, *a, *b, sequence);
        crosses(callee, caller, *b, *a, sequence);
    }
    // The relay counts after it has sent.
    let losses = until("eight packets are counted", LIMIT, || {
        let losses = target.ask(&json!("losses"));
        (losses["losses"]["forwarded"] == 8).then_some(losses)
    });
    assert_eq!(losses["losses"]["received"], 8);
    assert_eq!(losses["losses"]["dropped"], json!({}));
    let churn = json!({ "churn": { "per_s": 1000, "phones": &addresses[..1] } });
    assert_eq!(target.ask(&churn), "done");
    assert_eq!(
        target.ask(&json!("allocations"))["allocations"].is_u64(),
        system == "patchbay"
    );
    assert_eq!(
        target.ask(&json!("forwarding"))["forwarding"].is_array(),
        system == "patchbay"
    );
    let churned = target.ask(&json!("stop_churn"));
    assert!(churned["churned"].is_u64(), "{churned}");
    assert_eq!(target.ask(&json!("close")), json!({ "closed": 2 }));
    until("the ports are free again", LIMIT, || {
        UdpSocket::bind(relay[0][0]).ok()
    });
    target.hang_up();
}

// F6
#[test]
fn ours_passes_packets() {
    passes_packets("patchbay", 81);
}

// F6
#[test]
fn the_bare_one_passes_packets() {
    passes_packets("bare", 82);
}

#[test]
fn one_without_room_for_its_calls_says_so_at_once() {
    // More than any kernel gives files for.
    let said = |system| Target::with_room(system, ["127.0.0.1", "127.0.0.2"], 1 << 40).line();
    let ours = said("patchbay");
    let why = ours["failed"].as_str().unwrap();
    assert!(why.contains("max_pairs"), "{ours}");
    let bare = said("bare");
    assert_eq!(bare["no_room"]["calls"], 1_u64 << 40, "{bare}");
    let limit = bare["no_room"]["limit"].as_str().unwrap();
    assert!(limit.contains("RLIMIT_NOFILE"), "{bare}");
}

#[test]
fn one_that_cannot_open_a_call_says_why() {
    for system in ["patchbay", "bare"] {
        // Documentation addresses (RFC 5737) are nobody's.
        let mut target = Target::start(system, ["192.0.2.1", "192.0.2.2"]);
        assert!(target.line()["ready"].is_object());
        let phones = json!([["192.0.2.3:4", "192.0.2.4:4"]]);
        let failed = target.ask(&json!({ "open": phones }));
        let why = failed["failed"].as_str().unwrap();
        assert!(why.contains("socket"), "{failed}");
        assert_eq!(target.ask(&json!("quit")), "done");
        target.hang_up();
    }
}
