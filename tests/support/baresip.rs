//! baresip as an agent's phone: it registers with digest, answers by itself and sends real audio.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::process::{Folder, Running};
use super::wait::until;
use super::{Centre, SOON};

/// Pitch of the tone that it sends, in hertz.
pub const TONE_HZ: u32 = 440;

/// A running baresip.
#[derive(Debug)]
pub struct Baresip {
    running: Running,
    folder: Folder,
    /// Where its audio comes from: baresip refuses loopback interfaces, so it uses this host's own.
    pub media_ip: IpAddr,
}

impl Baresip {
    /// Starts a phone at `ip` for `user`, which registers at the centre and answers every call.
    pub fn start(centre: &Centre, ip: IpAddr, user: &str, password: &str) -> Baresip {
        let folder = Folder::make();
        let local = SocketAddr::new(ip, centre.ports.next());
        let rtp = centre.ports.next();
        let config = format!(
            "poll_method epoll\n\
             sip_listen {local}\n\
             call_local_timeout 60\n\
             rtp_ports {rtp}-{}\n\
             audio_player aufile,{}\n\
             audio_source ausine,{TONE_HZ}\n\
             audio_alert ausine,{TONE_HZ}\n\
             module_path {}\n\
             module g711.so\n\
             module ausine.so\n\
             module aufile.so\n\
             module_tmp uuid.so\n\
             module_tmp account.so\n\
             module_app menu.so\n",
            rtp + 1,
            folder.file("heard.wav").display(),
            modules().display(),
        );
        let account = format!(
            "<sip:{user}@{edge}>;auth_user={user};auth_pass={password};answermode=auto;\
             regint=60;audio_codecs=PCMU/8000/1,PCMA/8000/1;outbound=\"sip:{edge}\"\n",
            edge = centre.edge
        );
        std::fs::write(folder.file("config"), config).expect("a configuration");
        std::fs::write(folder.file("accounts"), account).expect("an account");
        std::fs::write(folder.file("contacts"), "").expect("contacts");
        let mut command = Command::new("baresip");
        command.arg("-4").arg("-v").arg("-f").arg(folder.path());
        let running = Running::start("baresip", &mut command, &folder.file("log"));
        let phone = Baresip {
            running,
            folder,
            media_ip: source_ip(),
        };
        phone.says("200 OK", SOON);
        phone
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

    /// What it heard: 16 bit samples.
    pub fn heard(&self) -> Vec<i16> {
        const WAV_HEADER: usize = 44;
        let bytes = std::fs::read(self.folder.file("heard.wav")).unwrap_or_default();
        let samples = bytes.get(WAV_HEADER..).unwrap_or_default();
        samples
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect()
    }
}

/// The address that this host uses towards others. Nothing is sent: connecting a UDP socket only
/// asks the routing table.
fn source_ip() -> IpAddr {
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
