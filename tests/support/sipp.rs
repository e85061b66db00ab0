//! sipp (Debian: sip-tester) as a phone: callers and agents that this project did not write.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::media::Media;
use super::message::Sip;
use super::process::{Folder, Running};
use super::wait::until;
use super::{Centre, SOON};

/// A phone that is about to be started.
#[derive(Debug)]
pub struct Sipp {
    scenario: &'static str,
    local: SocketAddr,
    remote: Option<SocketAddr>,
    tcp: bool,
    service: String,
    hold: Duration,
    calls: u32,
    echo: bool,
    /// Where sipp's own media socket is.
    own_rtp: SocketAddr,
    /// Where its SDP wants the audio.
    rtp: SocketAddr,
    words: Vec<(&'static str, String)>,
    name: String,
}

impl Sipp {
    /// A caller at `ip` that will call the centre's address `support`.
    pub fn caller(scenario: &'static str, ip: IpAddr, centre: &Centre) -> Sipp {
        let local = SocketAddr::new(ip, centre.ports.next());
        let rtp = SocketAddr::new(ip, centre.ports.next());
        // sipp takes the port for video too, two above that for audio.
        let _video = centre.ports.next();
        let edge = if ip.is_ipv6() {
            centre.edge6
        } else {
            centre.edge
        };
        Sipp {
            scenario,
            local,
            remote: Some(edge),
            tcp: false,
            service: "support".to_owned(),
            hold: Duration::from_millis(500),
            calls: 1,
            echo: true,
            own_rtp: rtp,
            rtp,
            words: Vec::new(),
            name: "carla".to_owned(),
        }
    }

    /// A phone that registers `user` for `seconds`, and wants the answer `status`. Calls will come to
    /// `phone`, which is where the request comes from too.
    pub fn register(user: &str, password: &str, phone: SocketAddr, centre: &Centre) -> Sipp {
        let contact = format!("<sip:{user}@{phone};transport=[transport]>");
        Sipp::caller("register.xml", phone.ip(), centre)
            .at(phone)
            .calls_for(user)
            .word("contact", contact)
            .word("user", user)
            .word("password", password)
            .without_echo()
    }

    /// An agent's phone that listens at `local` and plays back what it hears.
    pub fn agent(scenario: &'static str, local: SocketAddr, centre: &Centre) -> Sipp {
        let mut phone = Sipp::caller(scenario, local.ip(), centre);
        phone.local = local;
        phone.remote = None;
        phone
    }

    /// A phone that sends requests to the centre from the address it listens at.
    #[must_use]
    pub fn at(mut self, local: SocketAddr) -> Sipp {
        self.local = local;
        self
    }

    /// What it sends goes to this proxy first.
    #[must_use]
    pub fn through(mut self, proxy: SocketAddr) -> Sipp {
        self.remote = Some(proxy);
        self
    }

    /// Over TCP in place of UDP.
    #[must_use]
    pub fn tcp(mut self) -> Sipp {
        self.tcp = true;
        self
    }

    /// The user part that is called.
    #[must_use]
    pub fn calls_for(mut self, service: &str) -> Sipp {
        self.service = service.to_owned();
        self
    }

    /// The caller's name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Sipp {
        self.name = name.to_owned();
        self
    }

    /// How long the scenario's pause lasts.
    #[must_use]
    pub fn hold(mut self, hold: Duration) -> Sipp {
        self.hold = hold;
        self
    }

    /// How many calls it makes or takes before it ends.
    #[must_use]
    pub fn calls(mut self, calls: u32) -> Sipp {
        self.calls = calls;
        self
    }

    /// Its audio is sent and received by the test itself.
    #[must_use]
    pub fn media(mut self, media: &Media) -> Sipp {
        self.rtp = media.address();
        self.echo = false;
        self
    }

    /// It has no audio at all.
    #[must_use]
    pub fn without_echo(mut self) -> Sipp {
        self.echo = false;
        self
    }

    /// Fills `{{name}}` in the scenario.
    #[must_use]
    pub fn word(mut self, name: &'static str, value: impl Into<String>) -> Sipp {
        self.words.push((name, value.into()));
        self
    }

    /// Starts it. An agent's phone listens when this returns.
    pub fn start(mut self) -> Phone {
        let folder = Folder::make();
        // A word that the test has given comes first.
        for (word, usual) in [
            ("header", "Subject: a call"),
            ("target", ""),
            ("formats", ""),
            ("lines", ""),
            ("early", ""),
            ("steps", ""),
            ("ok_header", "Subject: taken"),
        ] {
            self.words.push((word, usual.to_owned()));
        }
        let scenario = fill(self.scenario, &self.words);
        let file = folder.file("scenario.xml");
        std::fs::write(&file, scenario).expect("a scenario file");
        let mut command = Command::new("sipp");
        let ip = self.local.ip().to_string();
        let rtp_ip = self.rtp.ip().to_string();
        let (hold, calls) = (self.hold.as_millis().to_string(), self.calls.to_string());
        command
            .current_dir(folder.path())
            .arg("-sf")
            .arg(&file)
            .args(["-i", &ip, "-p", &self.local.port().to_string()])
            .args(["-mi", &rtp_ip, "-mp", &self.own_rtp.port().to_string()])
            .args(["-t", if self.tcp { "t1" } else { "u1" }])
            .args(["-m", &calls, "-l", &calls, "-d", &hold, "-s", &self.service])
            .args(["-key", "rtp_port", &self.rtp.port().to_string()])
            .args(["-key", "caller", &self.name])
            .args(["-nostdin", "-timeout", "100s", "-timeout_error"])
            .args(["-trace_err", "-error_file", "errors.log"])
            .args(["-trace_msg", "-message_file", "messages.log"])
            .args(["-cp", &control_port(self.local)]);
        if self.echo {
            command.arg("-rtp_echo");
        }
        if let Some(remote) = self.remote {
            command.arg(remote.to_string());
        }
        let name = format!("sipp {} at {}", self.scenario, self.local);
        let running = Running::start(&name, &mut command, &folder.file("screen.log"));
        let phone = Phone {
            name,
            running,
            folder,
            local: self.local,
        };
        if self.remote.is_none() {
            let (port, tcp) = (self.local.port(), self.tcp);
            until("an agent's phone listens", SOON, || {
                listens(port, tcp).then_some(())
            });
        }
        phone
    }
}

/// A running sipp.
#[derive(Debug)]
pub struct Phone {
    name: String,
    running: Running,
    folder: Folder,
    /// Where its SIP comes from.
    pub local: SocketAddr,
}

impl Phone {
    /// Waits for its end; panics with what it saw unless every call went as the scenario says.
    pub fn succeeds(mut self, limit: Duration) -> Vec<Seen> {
        let status = self.running.wait(limit);
        let seen = self.messages();
        assert!(
            status.success(),
            "{} failed ({status}): {}\n{}",
            self.name,
            self.errors(),
            shown(&seen)
        );
        seen
    }

    /// Whether its calls went as the scenario says; `None` as long as it runs.
    pub fn finished(&mut self) -> Option<bool> {
        self.running.ended().map(|status| status.success())
    }

    /// Whether it has ended.
    pub fn ended(&mut self) -> bool {
        self.running.ended().is_some()
    }

    /// Messages so far.
    pub fn messages(&self) -> Vec<Seen> {
        let bytes = std::fs::read(self.folder.file("messages.log")).unwrap_or_default();
        read_messages(&String::from_utf8_lossy(&bytes))
    }

    /// Waits for a received message.
    pub fn receives(&self, what: &str, limit: Duration, wanted: impl Fn(&Sip) -> bool) -> Sip {
        let what = format!("{} receives {what}", self.name);
        until(&what, limit, || {
            let seen = self.messages();
            let mut received = seen.into_iter().filter(|seen| !seen.sent);
            received.find(|seen| wanted(&seen.sip)).map(|seen| seen.sip)
        })
    }

    /// Waits for the answer to its INVITE.
    pub fn answered(&self) -> Sip {
        self.receives("200 to its INVITE", super::CALL, |sip| {
            sip.is_answer(200, "INVITE")
        })
    }

    /// Ends it without a word, as a phone whose battery is empty.
    pub fn vanish(&mut self) {
        self.running.kill();
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.file("errors.log")).unwrap_or_default()
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "{}: {}\n{}",
                self.name,
                self.errors(),
                shown(&self.messages())
            );
        }
    }
}

/// A message of a phone's log.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Sent by the phone, or received.
    pub sent: bool,
    /// The message.
    pub sip: Sip,
}

/// The received ones.
pub fn received(seen: &[Seen]) -> impl Iterator<Item = &Sip> {
    seen.iter().filter(|seen| !seen.sent).map(|seen| &seen.sip)
}

fn shown(seen: &[Seen]) -> String {
    let line = |seen: &Seen| {
        let arrow = if seen.sent { "-->" } else { "<--" };
        format!("{arrow} {}", seen.sip.0.trim_end())
    };
    seen.iter().map(line).collect::<Vec<_>>().join("\n\n")
}

/// The log has a dashed line with the time before each message, then one that tells the direction.
fn read_messages(log: &str) -> Vec<Seen> {
    log.split("-----------------------------------------------")
        .filter_map(|part| {
            let (head, rest) = part.split_once("bytes")?;
            let sent = head.contains("message sent");
            let text = rest.split_once("\n\n").map(|(_, text)| text)?;
            let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
            let text = text.trim_start();
            (!text.is_empty()).then(|| Seen {
                sent,
                sip: Sip(text.to_owned()),
            })
        })
        .collect()
}

/// Reads a scenario, puts its parts in, and fills the words.
fn fill(name: &str, words: &[(&str, String)]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let read = |file: PathBuf| {
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let mut text = read(folder.join(name));
    while let Some((before, rest)) = text.split_once("{{include ") {
        let (part, after) = rest.split_once("}}").expect("an include ends with }}");
        let part = read(folder.join(part.trim()));
        text = format!("{before}{}{after}", part.trim_end());
    }
    for (word, value) in words {
        text = text.replace(&format!("{{{{{word}}}}}"), value);
    }
    assert!(
        !text.contains("{{"),
        "a word of {name} is not filled:\n{text}"
    );
    text
}

/// sipp listens for keystrokes on a UDP port; one that follows from its own address is not taken twice.
fn control_port(local: SocketAddr) -> String {
    (local.port() + 1).to_string()
}

/// Whether some socket is bound to the port, as the kernel lists it.
fn listens(port: u16, tcp: bool) -> bool {
    let tables = if tcp {
        ["tcp", "tcp6"]
    } else {
        ["udp", "udp6"]
    };
    let wanted = format!(":{port:04X}");
    tables.iter().any(|table| {
        let text =
            std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
        let mut rows = text.lines().skip(1);
        rows.any(|row| {
            let mut fields = row.split_whitespace();
            let local = fields.nth(1).unwrap_or_default();
            // State 0A of TCP is LISTEN; UDP has no such thing.
            local.ends_with(&wanted) && (!tcp || fields.nth(1) == Some("0A"))
        })
    })
}
