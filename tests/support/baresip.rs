//! baresip as an agent's phone: it registers with digest, answers by itself and sends real audio.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::process::{Folder, Running};
use super::sound;
use super::wait::until;
use super::{Centre, RELAY, SOON};

/// Pitch of the tone that it sends, in hertz.
pub const TONE_HZ: u32 = 440;

/// A running baresip.
#[derive(Debug)]
pub struct Baresip {
    running: Running,
    /// Where it takes commands.
    control: SocketAddr,
    folder: Folder,
}

impl Baresip {
    /// Starts a phone for `user`, which registers over `transport` (`udp`, `tcp`, `tls`) and answers every call.
    /// The relay host must be reachable at [`address`], where the phone is too.
    pub fn start(centre: &Centre, transport: &str, user: &str, password: &str) -> Baresip {
        let ip = address();
        let edge = match transport {
            "tls" => centre.doors().tls,
            _ => SocketAddr::new(ip, centre.edge.port()),
        };
        Baresip::start_at(ip, edge, centre, transport, [user, password])
    }

    /// The same at that address, with the relay host at `edge`.
    pub fn start_at(
        ip: IpAddr,
        edge: SocketAddr,
        centre: &Centre,
        transport: &str,
        [user, password]: [&str; 2],
    ) -> Baresip {
        let phone = Baresip::run(ip, edge, centre, transport, [user, password, "60"], &[]);
        phone.says("200 OK", SOON);
        phone
    }

    /// Starts a phone that calls the centre's address `support` at once, and registers nowhere.
    pub fn call(centre: &Centre, transport: &str, user: &str) -> Baresip {
        let edge = match transport {
            "tls" => centre.doors().tls,
            _ => SocketAddr::new(address(), centre.edge.port()),
        };
        let dial = format!("/dial sip:support@{edge};transport={transport}");
        let who = [user, "none", "0"];
        Baresip::run(address(), edge, centre, transport, who, &["-e", &dial])
    }

    fn run(
        ip: IpAddr,
        edge: SocketAddr,
        centre: &Centre,
        transport: &str,
        [user, password, interval]: [&str; 3],
        options: &[&str],
    ) -> Baresip {
        let folder = Folder::make();
        let local = SocketAddr::new(ip, centre.ports.next());
        let control = SocketAddr::new(RELAY, centre.ports.next());
        // Several pairs: it looks for one that is free, should somebody have taken a port of the block.
        let rtp: [u16; 4] = std::array::from_fn(|_| centre.ports.next());
        let authority = centre.doors.as_ref().map_or_else(String::new, |doors| {
            format!("sip_cafile {}", doors.authority.file.display())
        });
        let config = format!(
            "poll_method epoll\n\
             sip_listen {local}\n\
             call_local_timeout 60\n\
             rtp_ports {}-{}\n\
             snd_path {}\n\
             audio_source aufile,{}\n\
             audio_alert aufile,{}\n\
             {authority}\n\
             module_path {}\n\
             module g711.so\n\
             module aufile.so\n\
             module sndfile.so\n\
             module_tmp uuid.so\n\
             module_tmp account.so\n\
             module_app menu.so\n\
             module_app ctrl_tcp.so\n\
             ctrl_tcp_listen {control}\n",
            rtp[0],
            rtp[3] + 1,
            folder.path().display(),
            folder.file("tone.wav").display(),
            folder.file("tone.wav").display(),
            modules().display(),
        );
        let account = format!(
            "<sip:{user}@{edge};transport={transport}>;auth_user={user};auth_pass={password};answermode=auto;\
             regint={interval};audio_codecs=PCMU/8000/1,PCMA/8000/1;\
             outbound=\"sip:{edge};transport={transport}\"\n"
        );
        std::fs::write(folder.file("tone.wav"), sound::tone(TONE_HZ, 8000, 1, 20))
            .expect("a sound file");
        std::fs::write(folder.file("config"), config).expect("a configuration");
        std::fs::write(folder.file("accounts"), account).expect("an account");
        std::fs::write(folder.file("contacts"), "").expect("contacts");
        let mut command = Command::new("baresip");
        command
            .arg("-4")
            .arg("-v")
            .arg("-f")
            .arg(folder.path())
            .args(options);
        let running = Running::start("baresip", &mut command, &folder.file("log"));
        Baresip {
            running,
            control,
            folder,
        }
    }

    /// Does what its user asks for: one of its menu's long commands.
    pub fn command(&self, command: &str, parameter: &str) {
        let order = format!("{{\"command\":\"{command}\",\"params\":\"{parameter}\"}}");
        let mut stream = TcpStream::connect(self.control).expect("baresip takes commands");
        // A netstring each way.
        write!(stream, "{}:{order},", order.len()).expect("a command");
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        let mut answer = [0; 1024];
        let length = stream.read(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.contains("\"ok\":true"), "{command}: {answer}");
    }

    /// Waits until its log has a line with this text.
    pub fn says(&self, text: &str, limit: Duration) {
        until(&format!("baresip says {text:?}"), limit, || {
            self.running.log().contains(text).then_some(())
        });
    }

    /// Hangs up and unregisters, as its user would by closing it.
    pub fn close(&mut self) {
        self.running.signal("INT");
        self.running.wait(SOON);
    }

    /// What it heard: 16 bit samples, decoded by the phone and written by its `sndfile` module.
    pub fn heard(&self) -> Vec<i16> {
        const WAV_HEADER: usize = 44;
        let entries = std::fs::read_dir(self.folder.path()).expect("a folder");
        let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let mut dumps: Vec<_> = files
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        assert!(!dumps.is_empty(), "no recording of what it heard");
        // One for each call, named by the second of its begin.
        dumps.sort_unstable();
        let bytes = dumps.iter().flat_map(|dump| {
            let bytes = std::fs::read(dump).expect("a file");
            bytes.get(WAV_HEADER..).unwrap_or_default().to_vec()
        });
        let bytes: Vec<u8> = bytes.collect();
        bytes
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    }
}

/// Where it lives: baresip refuses loopback interfaces, so it uses the address that this host uses
/// towards others. Nothing is sent: connecting a UDP socket only asks the routing table.
pub fn address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a UDP port");
    socket
        .connect("1.1.1.1:53")
        .expect("a default route: baresip uses no loopback interface");
    socket.local_addr().expect("a bound socket").ip()
}

fn modules() -> PathBuf {
    let folders = [
        "/usr/lib/baresip/modules",
        "/usr/lib/x86_64-linux-gnu/baresip/modules",
        "/usr/local/lib/baresip/modules",
    ];
    let found = folders.iter().map(PathBuf::from).find(|f| f.is_dir());
    found.expect("baresip's modules")
}
