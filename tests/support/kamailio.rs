//! Kamailio (Debian: kamailio) as a proxy of others, before the centre or behind it.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use super::process::{Folder, Running};
use super::raw::Raw;
use super::wait::until;
use super::{Centre, SOON, STRANGER, peers};

/// Where it lives.
pub const KAMAILIO: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 5));

/// How long it may take to answer the first question, until it is asked again.
const LOOK: Duration = Duration::from_millis(200);

/// It stays in the way of every call by Record-Route. What it gets for `support` goes to the centre,
/// what it gets for its own `anna` to the phone of the agent. Calls for
/// `support-by-302` it takes where the centre says, and leaves the way. Everything else must name it in a Route,
/// as a registrar is told to do by the Path that it put into the REGISTER (RFC 3327).
const SCRIPT: &str = r#"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "path.so"
loadmodule "acc.so"
loadmodule "uac_redirect.so"

request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("CANCEL")) { if (t_check_trans()) { t_relay(); } exit; }
    # sipp sends all it has to where it called first.
    if (has_totag() && $tU == "support-by-302") { t_relay(); exit; }
    if (has_totag()) {
        if (!loose_route()) {
            if (is_method("ACK")) { if (t_check_trans()) { t_relay(); } exit; }
            sl_send_reply("404", "Not Here"); exit;
        }
        t_relay();
        exit;
    }
    t_check_trans();
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    if (is_method("REGISTER")) {
        add_path();
        $du = "sip:CENTRE;transport=WORD";
        t_relay();
        exit;
    }
    if (uri == myself && $rU == "support-by-302") {
        t_on_failure("ELSEWHERE");
        $ru = "sip:support@CENTRE;transport=WORD";
        t_relay();
        exit;
    }
    if (uri == myself) {
        record_route();
        if ($rU == "support") { $ru = "sip:support@CENTRE;transport=WORD"; } else { $du = "sip:AGENT"; }
        t_relay();
        exit;
    }
    if (!is_present_hf("Route")) { sl_send_reply("403", "Not By Me"); exit; }
    # Of a Route that ends here it says "no", and takes it away all the same.
    loose_route();
    record_route();
    t_relay();
}

failure_route[ELSEWHERE] {
    if (t_check_status("302")) { get_redirects("*"); t_relay(); }
}
"#;

/// How it speaks with the centre; the other parties are beyond it over UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// UDP, by the address for all.
    Udp,
    /// TCP.
    Tcp,
    /// TLS, with a certificate of the authority that the centre believes.
    Tls,
}

impl Side {
    /// In URIs.
    pub fn word(self) -> &'static str {
        match self {
            Side::Udp => "udp",
            Side::Tcp => "tcp",
            Side::Tls => "tls",
        }
    }
}

/// A running proxy.
#[derive(Debug)]
pub struct Kamailio {
    /// Where it listens, over UDP.
    pub at: SocketAddr,
    /// Where it listens for the centre.
    pub side: SocketAddr,
    running: Running,
    _folder: Folder,
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        // Killed, it would leave its workers behind, with its ports: told to end, it ends them first.
        if self.running.ended().is_none() {
            self.running.signal("TERM");
            self.running.wait(SOON);
        }
    }
}

impl Kamailio {
    /// Starts it; the phone of the agent is at `agent`. It answers when this returns.
    pub fn start(centre: &Centre, agent: SocketAddr, by: Side) -> Kamailio {
        let folder = Folder::make();
        let at = SocketAddr::new(KAMAILIO, centre.ports.next());
        let edge = match by {
            Side::Tls => centre.doors().tls,
            _ => centre.edge,
        };
        let side = match by {
            Side::Udp => at,
            _ => SocketAddr::new(KAMAILIO, centre.ports.next()),
        };
        // One worker: of two, one may pass the 487 on before the other has answered the CANCEL.
        let mut config = format!(
            "#!KAMAILIO\ndebug=1\nlog_stderror=yes\nfork=yes\nchildren=1\n\
             auto_aliases=no\ndns=no\nrev_dns=no\nlisten=udp:{at}\n"
        );
        match by {
            Side::Udp => config.push_str("disable_tcp=yes\n"),
            _ => {
                let word = by.word();
                writeln!(config, "tcp_children=2\nlisten={word}:{side}").expect("a line");
            }
        }
        if by == Side::Tls {
            let [certificate, key] = ["proxy.crt", "proxy.key"].map(|name| folder.file(name));
            centre
                .doors()
                .authority
                .issue(&[KAMAILIO], &certificate, &key);
            let (certificate, key) = (certificate.display(), key.display());
            write!(
                config,
                "enable_tls=yes\nloadmodule \"tls.so\"\n\
                 modparam(\"tls\", \"tls_method\", \"TLSv1.2+\")\n\
                 modparam(\"tls\", \"certificate\", \"{certificate}\")\n\
                 modparam(\"tls\", \"private_key\", \"{key}\")\n\
                 modparam(\"tls\", \"verify_certificate\", 0)\n\
                 modparam(\"tls\", \"require_certificate\", 0)\n"
            )
            .expect("lines");
        }
        config += &SCRIPT
            .replace("CENTRE", &edge.to_string())
            .replace("WORD", by.word())
            .replace("AGENT", &agent.to_string());
        let file = folder.file("kamailio.cfg");
        std::fs::write(&file, config).expect("a configuration");
        let mut command = Command::new(peers::find("kamailio").expect("kamailio"));
        command
            .args(["-DD", "-E", "-m", "64", "-M", "8"])
            .args(["-f".as_ref(), file.as_os_str()])
            .args(["-w".as_ref(), folder.path().as_os_str()])
            .args(["-Y".as_ref(), folder.path().as_os_str()]);
        let running = Running::start("kamailio", &mut command, &folder.file("log"));
        let asker = Raw::open(STRANGER, &centre.ports, at);
        until("kamailio answers", SOON, || {
            asker.try_send(asker.request("OPTIONS", &format!("sip:{at}"), "x", ""));
            asker.next(LOOK)
        });
        Kamailio {
            at,
            side,
            running,
            _folder: folder,
        }
    }
}
