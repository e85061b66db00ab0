//! Debian's Kamailio as a record-routing proxy, with rtpengine-daemon for the media.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::process::Process;
use super::{BesideError, System, Wanted, phone_uris};

/// How long each may take to start.
const START: Duration = Duration::from_secs(20);
/// How long to wait for an answer before asking again.
const LOOK: Duration = Duration::from_millis(50);
/// Processes that receive: with one core more of them only take turns, but each waits for
/// rtpengine's answer three times in a call, and others go on meanwhile.
const CHILDREN: usize = 4;
/// Shared memory, MiB: touched only as far as it is used.
const SHARED_MIB: &str = "1024";
/// Memory of each process, MiB.
const PRIVATE_MIB: &str = "16";
/// Media ports, enough for 5,500 calls. They stay below those that the kernel gives to everyone else:
/// rtpengine and kamailio both bind with `SO_REUSEADDR`, and a media port on kamailio's SIP port
/// takes all its messages away.
const MEDIA_PORTS: [&str; 2] = ["--port-min=10000", "--port-max=32000"];
/// A question of rtpengine's ng protocol, and what its answer has in it.
const PING: (&[u8], &[u8]) = (b"bench d7:command4:pinge", b"pong");

/// The programs, with the packages that bring them.
const PROGRAMS: [(&str, &str); 2] = [("kamailio", "kamailio"), ("rtpengine", "rtpengine-daemon")];

/// What each call goes through. The transaction module answers repeated requests, the media flags
/// are the usual ones of a relay between two plain phones.
const SCRIPT: &str = r#"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "rtpengine.so"

request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
    if (has_totag()) {
        if (!loose_route()) {
            if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
            sl_send_reply("404", "Not Found"); exit;
        }
        if (is_method("BYE")) { rtpengine_delete(); }
        t_relay();
        exit;
    }
    t_check_trans();
    if (!is_method("INVITE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
    record_route();
    rtpengine_offer("replace-origin ICE=remove");
    t_on_reply("ANSWER");
    if (!t_relay()) { sl_reply_error(); }
}

onreply_route[ANSWER] {
    if (status =~ "200" && has_body("application/sdp")) {
        rtpengine_answer("replace-origin ICE=remove");
    }
}
"#;

/// What is missing here, with the command that installs it; `None` if all is there.
#[must_use]
pub fn missing() -> Option<String> {
    let missing = PROGRAMS
        .iter()
        .filter(|(program, _)| version(program).is_none());
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    (!packages.is_empty()).then(|| {
        let packages = packages.join(" ");
        format!(
            "--against kamailio needs programs that are not installed here: {packages}. On Debian: \
             sudo apt-get install --no-install-recommends {packages} (or: make bench-calls-against)"
        )
    })
}

/// Whether both programs are here.
#[must_use]
pub fn ready() -> bool {
    missing().is_none()
}

/// What a program says to `-v`, if it can be run.
fn version(program: &str) -> Option<String> {
    let flag = if program == "rtpengine" {
        "--version"
    } else {
        "-v"
    };
    let output = Command::new(program)
        .arg(flag)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let words = text.lines().next()?.split_ascii_whitespace();
    // `version: kamailio 5.6.3 (x86_64/linux)` and `Version: 10.5.3.5-1+deb12u1`.
    let is_version = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    words.into_iter().find(is_version).map(str::to_owned)
}

/// Both processes.
pub(super) struct Kamailio {
    kamailio: Process,
    rtpengine: Process,
    sip: SocketAddr,
    uris: Vec<String>,
    folder: PathBuf,
}

impl Kamailio {
    pub fn start(wanted: &Wanted) -> Result<Self, BesideError> {
        if let Some(missing) = missing() {
            return Err(BesideError::Missing(missing));
        }
        let (sip, ng) = free_ports().map_err(BesideError::system("free ports on loopback"))?;
        let rtpengine = start_rtpengine(wanted.core, ng)?;
        let folder = folder().map_err(BesideError::system("a directory for kamailio"))?;
        match start_kamailio(wanted.core, sip, ng, &folder) {
            Ok(kamailio) => Ok(Self {
                kamailio,
                rtpengine,
                sip,
                uris: phone_uris(&wanted.phones),
                folder,
            }),
            Err(error) => {
                remove(&folder);
                Err(error)
            }
        }
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

impl System for Kamailio {
    fn version(&self) -> String {
        let version = |program| version(program).unwrap_or_default();
        format!(
            "kamailio {}, rtpengine {}",
            version("kamailio"),
            version("rtpengine")
        )
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.kamailio.pid(), self.rtpengine.pid()]
    }

    fn targets(&self) -> Vec<SocketAddr> {
        vec![self.sip]
    }

    fn uris(&self) -> Vec<String> {
        self.uris.clone()
    }
}

fn start_rtpengine(core: usize, ng: SocketAddr) -> Result<Process, BesideError> {
    let mut rtpengine = Process::start("rtpengine", "rtpengine", core, |command| {
        command
            .arg("--interface=127.0.0.1")
            .arg(format!("--listen-ng={ng}"))
            .args(["--num-threads=1", "--config-file=none", "--table=-1"])
            .args(["--foreground", "--log-stderr", "--log-level=3"])
            .args(MEDIA_PORTS)
            // A deleted call is gone at once, not after the usual 30 s with all its sockets.
            .args(["--delete-delay=0", "--final-timeout=0"]);
    })?;
    rtpengine.wait_until(START, || asked(ng, PING.0, PING.1))?;
    Ok(rtpengine)
}

fn start_kamailio(
    core: usize,
    sip: SocketAddr,
    ng: SocketAddr,
    folder: &Path,
) -> Result<Process, BesideError> {
    let file = folder.join("kamailio.cfg");
    let written = std::fs::write(&file, config(sip, ng));
    written.map_err(BesideError::system("writing kamailio's configuration"))?;
    let mut kamailio = Process::start("kamailio", "kamailio", core, |command| {
        command
            .args(["-DD", "-E", "-x", "tlsf", "-X", "tlsf"])
            .args(["-m", SHARED_MIB, "-M", PRIVATE_MIB])
            .args(["-f".as_ref(), file.as_os_str()])
            .args(["-w".as_ref(), folder.as_os_str()])
            .args(["-Y".as_ref(), folder.as_os_str()]);
    })?;
    let options = format!(
        "OPTIONS sip:{sip} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKready\r\n\
         Max-Forwards: 70\r\nFrom: <sip:bench@bench>;tag=1\r\nTo: <sip:{sip}>\r\n\
         Call-ID: ready\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    kamailio.wait_until(START, || asked(sip, options.as_bytes(), b"200 OK"))?;
    Ok(kamailio)
}

fn config(sip: SocketAddr, ng: SocketAddr) -> String {
    format!(
        "#!KAMAILIO\ndebug=-1\nlog_stderror=yes\nfork=yes\nchildren={CHILDREN}\ndisable_tcp=yes\n\
         auto_aliases=no\ndns=no\nrev_dns=no\nlisten=udp:{sip}\n\
         {SCRIPT}\nmodparam(\"rtpengine\", \"rtpengine_sock\", \"udp:{ng}\")\n"
    )
}

/// Asks at an address, and whether the answer has `want` in it.
pub(super) fn asked(at: SocketAddr, question: &[u8], want: &[u8]) -> bool {
    let ask = || -> std::io::Result<bool> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect(at)?;
        socket.set_read_timeout(Some(LOOK))?;
        socket.send(question)?;
        let mut answer = [0; 2048];
        let length = socket.recv(&mut answer)?;
        let answer = answer.get(..length).unwrap_or_default();
        Ok(answer.windows(want.len()).any(|part| part == want))
    };
    match ask() {
        Ok(answered) => answered,
        Err(_) => {
            // A closed port refuses at once: that is no reason to ask all the time.
            std::thread::sleep(LOOK);
            false
        }
    }
}

/// Two UDP ports that are free now.
fn free_ports() -> std::io::Result<(SocketAddr, SocketAddr)> {
    let sip = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ng = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok((sip.local_addr()?, ng.local_addr()?))
}

/// A directory that nobody else has.
fn folder() -> std::io::Result<PathBuf> {
    let mut name = [0_u8; 8];
    getrandom::fill(&mut name).map_err(|_| std::io::ErrorKind::Other)?;
    let name = format!("patchbay-kamailio-{:016x}", u64::from_ne_bytes(name));
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir(&path)?;
    Ok(path)
}

fn remove(folder: &Path) {
    // What cannot be removed is in the temporary directory anyway.
    let _ = std::fs::remove_dir_all(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_both_addresses_and_relays_media() {
        let addresses = ("127.0.0.1:5070".parse(), "127.0.0.1:2223".parse());
        let (Ok(sip), Ok(ng)) = addresses else {
            panic!("addresses");
        };
        let config = config(sip, ng);
        for needed in [
            "listen=udp:127.0.0.1:5070\n",
            "\"udp:127.0.0.1:2223\"",
            "record_route()",
            "rtpengine_offer(",
            "rtpengine_answer(",
            "rtpengine_delete(",
        ] {
            assert!(config.contains(needed), "{needed} is not in {config}");
        }
    }

    #[test]
    fn a_program_that_is_not_there_has_no_version() {
        assert_eq!(version("no-such-program-here"), None);
    }
}
