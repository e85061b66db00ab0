//! The product, started as its users start it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::api::Api;
use super::certificates::Authority;
use super::declaration::Declaration;
use super::parts::{
    command_of, launch, launch_relay, make_private_folder, read_word, run, terminate, write_secret,
};
use super::ports::Ports;
use super::process::{Folder, Running};
use super::second::Second;
use super::setup::Setup;
use super::wait::until;
use super::{AGENT, RELAY, RELAY6, SOON, peers};

/// The binary under test.
pub const PATCHBAY: &str = env!("CARGO_BIN_EXE_patchbay");
/// Lines of `[control]` for phones that know no digest but MD5.
pub const MD5_ONLY: &str = "digest = [\"md5\"]";
/// How long the product may take until it says that it is ready.
const START: Duration = Duration::from_secs(20);

/// The listeners of a relay that has a certificate.
#[derive(Debug)]
pub struct Doors {
    /// TLS.
    pub tls: SocketAddr,
    /// WebSocket.
    pub ws: SocketAddr,
    /// WebSocket over TLS.
    pub wss: SocketAddr,
    /// Who signed the relay's certificate.
    pub authority: Authority,
    /// The relay's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Addresses that it stands for.
    pub ips: Vec<IpAddr>,
}

/// A running centre.
#[derive(Debug)]
pub struct Centre {
    /// The process of control; that of both if they are one.
    pub control_process: Running,
    /// The process of the relay if it is one of its own.
    pub relay_process: Option<Running>,
    /// Where phones reach the centre.
    pub edge: SocketAddr,
    /// The same over IPv6.
    pub edge6: SocketAddr,
    /// Where relays reach control.
    pub control_sip: SocketAddr,
    /// The control API with its token.
    pub api: Api,
    /// The control API's address.
    pub api_address: SocketAddr,
    /// The relay's private API with its token.
    pub relay_api: Api,
    /// The relay's private API's address.
    pub relay_api_address: SocketAddr,
    /// Ports for this test's peers.
    pub ports: Ports,
    /// First and last media port of the relay.
    pub media_range: (u16, u16),
    /// Everything this test writes.
    pub folder: Folder,
    /// Where phones reach it securely.
    pub doors: Option<Doors>,
    /// The second relay.
    pub second: Option<Second>,
    secure_link: bool,
    hand_over: bool,
}

impl Centre {
    /// `patchbay up` with defaults; nothing is declared yet.
    pub fn start() -> Centre {
        Setup::default().start()
    }

    /// Starts one of this kind.
    pub(super) fn start_with(setup: Setup) -> Centre {
        let folder = Folder::make();
        let ports = Ports::claim();
        let at = |port| SocketAddr::new(RELAY, port);
        let (edge, control_sip) = (at(ports.next()), at(ports.next()));
        let (api_address, relay_api_address) = (at(ports.next()), at(ports.next()));
        let edge6 = SocketAddr::new(RELAY6, edge.port());
        let media_range = ports.media(setup.media_ports);
        let also = setup.also_at.map(|ip| SocketAddr::new(ip, edge.port()));
        let mut listen: Vec<String> = [edge, edge6]
            .into_iter()
            .chain(also)
            .flat_map(|address| [format!("udp:{address}"), format!("tcp:{address}")])
            .collect();
        let mut relay_keys = setup.relay_keys.clone();
        let doors = setup.secure.then(|| {
            let ip = setup.also_at.unwrap_or(RELAY);
            let doors = make_doors(&folder, &ports, ip);
            listen.push(format!("tls:{}", doors.tls));
            listen.push(format!("ws:{}", doors.ws));
            listen.push(format!("wss:{}", doors.wss));
            relay_keys.push_str("\ntls_certificate = \"relay.crt\"\ntls_key = \"relay.key\"\n");
            doors
        });
        let (scheme, link) = match setup.secure_link {
            false => ("http", ""),
            true => {
                let authority = Authority::make(&folder, "link-ca");
                let [certificate, key] = ["link.crt", "link.key"].map(|name| folder.file(name));
                authority.issue(&[RELAY], &certificate, &key);
                let files = "certificate = \"link.crt\"\nkey = \"link.key\"\nca = \"link-ca.pem\"";
                ("https", files)
            }
        };
        let second_api = SocketAddr::new(RELAY6, ports.next());
        let mut relays = vec![format!("{scheme}://{relay_api_address}")];
        let mut control_listen = control_sip;
        if setup.second {
            relays.push(format!("{scheme}://{second_api}"));
            // One relay comes by IPv4, the other by IPv6.
            control_listen.set_ip(Ipv6Addr::UNSPECIFIED.into());
        }
        let config = format!(
            "[relay]\n\
             listen = {listen:?}\n\
             control = [\"{control_sip}\"]\n\
             api = \"{relay_api_address}\"\n\
             media_ports = \"{}-{}\"\n\
             max_sessions = {}\n\
             {}\n\
             [control]\n\
             sip = \"{control_listen}\"\n\
             api = \"{api_address}\"\n\
             relays = {relays:?}\n\
             {}\n\
             [link]\n\
             {link}\n",
            media_range.0,
            media_range.1,
            (setup.media_ports / 4).max(1),
            relay_keys,
            setup.control_keys,
        );
        std::fs::write(folder.file("patchbay.toml"), config).expect("a configuration file");
        let data = folder.file("data");
        make_private_folder(&data);
        write_secret(&data.join("link-secret"));

        let (mut control_process, relay_process) = if setup.apart {
            let relay = launch_relay(&folder, setup.hand_over);
            (launch("control", &folder, &[]), Some(relay))
        } else {
            let mut command = command_of("up", &folder, &[]);
            peers::hurry(&mut command, setup.haste);
            (run("up", &mut command, &folder), None)
        };
        let second = setup
            .second
            .then(|| Second::start(&ports, second_api, control_sip.port(), media_range.1 + 1));
        let secret = read_word(&data.join("link-secret"));
        let token_file = data.join("api-token");
        let token = until("control writes its API token", START, || {
            assert!(control_process.ended().is_none(), "it ended at once");
            std::fs::read_to_string(&token_file)
                .ok()
                .filter(|text| !text.trim().is_empty())
        });
        let centre = Centre {
            control_process,
            relay_process,
            edge,
            edge6,
            control_sip,
            api: Api::new(api_address, Some(token.trim())),
            api_address,
            relay_api: Api::new(relay_api_address, Some(&secret)),
            relay_api_address,
            ports,
            media_range,
            folder,
            doors,
            second,
            secure_link: setup.secure_link,
            hand_over: setup.hand_over,
        };
        centre.wait_ready();
        centre
    }

    /// Waits until both halves say that they are ready.
    pub fn wait_ready(&self) {
        for (name, api) in [("relay", &self.relay_api), ("control", &self.api)] {
            if name == "relay" && self.secure_link {
                // It answers those alone who show a certificate: control's word counts.
                continue;
            }
            until(&format!("{name} is ready"), START, || {
                let answer = api.try_request("GET", "/readyz", None)?;
                (answer.status == 200).then_some(())
            });
        }
    }

    /// Starts control again after it was killed.
    pub fn restart_control(&mut self) {
        self.control_process = launch("control", &self.folder, &[]);
        self.wait_ready();
    }

    /// Ends the process of the relay as a service manager does, and waits until it has gone.
    pub fn stop_relay(&mut self) {
        match &mut self.relay_process {
            Some(relay) => terminate(relay),
            None => terminate(&mut self.control_process),
        }
    }

    /// Starts the process of the relay again after it was stopped.
    pub fn start_relay(&mut self) {
        match &mut self.relay_process {
            Some(relay) => *relay = launch_relay(&self.folder, self.hand_over),
            None => self.control_process = launch("up", &self.folder, &[]),
        }
        self.wait_ready();
    }

    /// `patchbay apply`, which must succeed.
    pub fn apply(&self, declaration: &Declaration) {
        let file = self.folder.file("centre.toml");
        std::fs::write(&file, declaration.to_string()).expect("a declaration");
        let output = Command::new(PATCHBAY)
            .arg("apply")
            .arg(&file)
            .args(["--api", &format!("http://{}", self.api_address)])
            .args(["--data".as_ref(), self.folder.file("data").as_os_str()])
            .output()
            .expect("patchbay starts");
        assert!(
            output.status.success(),
            "patchbay apply failed: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The secure listeners.
    pub fn doors(&self) -> &Doors {
        self.doors.as_ref().expect("a centre that is secure")
    }

    /// An address for the phone of an agent.
    pub fn agent_address(&self) -> SocketAddr {
        SocketAddr::new(AGENT, self.ports.next())
    }

    /// Declares the queue `support` and one agent, `anna`, whose phone is at the returned address.
    pub fn declare_anna(&self) -> SocketAddr {
        let address = self.agent_address();
        self.apply(&Declaration::new().at("anna", address));
        address
    }

    /// Live sessions of the relay.
    pub fn relay_sessions(&self) -> Vec<Value> {
        self.relay_api.list("/relay/v1/sessions")
    }

    /// One sample of the relay's metrics page.
    pub fn relay_metric(&self, name: &str) -> f64 {
        self.relay_api.metric(name)
    }

    /// Records of the calls that have ended, as the relay's journal has them.
    pub fn ended_sessions(&self) -> Vec<Value> {
        let journal = self.folder.file("data").join("sessions.jsonl");
        let text = std::fs::read_to_string(journal).unwrap_or_default();
        // The last line may be on its way.
        let whole = text.lines().map(serde_json::from_str);
        whole.filter_map(Result::ok).collect()
    }

    /// Live sessions as control knows them.
    pub fn sessions(&self) -> Vec<Value> {
        self.api.list("/api/v1/sessions")
    }

    /// Live contacts as control knows them: waiting, ringing or talking.
    pub fn contacts(&self) -> Vec<Value> {
        let contacts = self.api.get("/api/v1/contacts?state=live");
        contacts["live"].as_array().expect("live contacts").clone()
    }

    /// The story of the contact that came first, of those that live or of the past; none without any.
    pub fn story(&self) -> Option<String> {
        let all = self.api.get("/api/v1/contacts");
        let mut lists = ["live", "past"].iter();
        let first = lists.find_map(|list| all[list].as_array()?.last())?;
        let id = first["id"].as_str()?;
        let story = self.api.get(&format!("/api/v1/contacts/{id}/timeline"));
        Some(story.to_string())
    }

    /// One agent as control's API shows it.
    pub fn agent(&self, id: &str) -> Value {
        let agents = self.api.list("/api/v1/agents");
        let found = agents.iter().find(|agent| agent["id"] == id);
        found
            .unwrap_or_else(|| panic!("no agent {id} in {agents:?}"))
            .clone()
    }

    /// Waits until an agent talks to a caller.
    pub fn wait_in_call(&self, id: &str) {
        until(&format!("agent {id} is in a call"), SOON, || {
            (self.agent(id)["activity"] == "in_call").then_some(())
        });
    }

    /// Waits until an agent would get the next call.
    pub fn wait_available(&self, id: &str) {
        until(&format!("agent {id} is available"), SOON, || {
            (self.agent(id)["available"] == true).then_some(())
        });
    }

    /// Waits until the relay has no session left and all its media ports are free again.
    pub fn wait_empty(&self) {
        until("the relay has no session left", SOON, || {
            self.relay_sessions().is_empty().then_some(())
        });
        until("control has no session left", SOON, || {
            self.sessions().is_empty().then_some(())
        });
    }

    /// Asserts that the product still runs.
    pub fn assert_alive(&mut self) {
        assert!(self.control_process.ended().is_none(), "control has ended");
        if let Some(relay) = &mut self.relay_process {
            assert!(relay.ended().is_none(), "the relay has ended");
        }
        for api in [&self.api, &self.relay_api] {
            assert_eq!(api.request("GET", "/healthz", None).status, 200);
        }
    }
}

fn make_doors(folder: &Folder, ports: &Ports, ip: IpAddr) -> Doors {
    let authority = Authority::make(folder, "ca");
    let [certificate, key] = ["relay.crt", "relay.key"].map(|name| folder.file(name));
    let ips = vec![RELAY, ip];
    authority.issue(&ips, &certificate, &key);
    let at = || SocketAddr::new(ip, ports.next());
    Doors {
        tls: at(),
        ws: at(),
        wss: at(),
        authority,
        certificate,
        key,
        ips,
    }
}
