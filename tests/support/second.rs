//! A second relay beside that of a centre, on the same host and known by another address.

use std::net::SocketAddr;

use serde_json::Value;

use super::api::Api;
use super::parts::{launch, make_private_folder, read_word, write_secret};
use super::ports::Ports;
use super::process::{Folder, Running};
use super::wait::until;
use super::{RELAY, RELAY6, SOON};

/// Its ports for media: room for four calls.
const MEDIA_PORTS: u16 = 16;

/// A running relay.
#[derive(Debug)]
pub struct Second {
    /// Where phones reach it.
    pub edge: SocketAddr,
    /// Where its private API is.
    pub api_address: SocketAddr,
    /// First and last media port.
    pub media_range: (u16, u16),
    api: Api,
    _process: Running,
    _folder: Folder,
}

impl Second {
    /// Starts it: control listens at the port `control`, and media have ports from `first` on. It is
    /// ready when this returns.
    pub(super) fn start(
        ports: &Ports,
        api_address: SocketAddr,
        control: u16,
        first: u16,
    ) -> Second {
        let folder = Folder::make();
        let edge = SocketAddr::new(RELAY, ports.next());
        let control = SocketAddr::new(RELAY6, control);
        let media_range = (first, first + MEDIA_PORTS - 1);
        let config = format!(
            "[relay]\nlisten = [\"udp:{edge}\", \"tcp:{edge}\"]\ncontrol = [\"{control}\"]\n\
             api = \"{api_address}\"\nmedia_ports = \"{}-{}\"\nmax_sessions = {}\n",
            media_range.0,
            media_range.1,
            MEDIA_PORTS / 4,
        );
        std::fs::write(folder.file("patchbay.toml"), config).expect("a configuration file");
        let data = folder.file("data");
        make_private_folder(&data);
        write_secret(&data.join("link-secret"));
        let process = launch("relay", &folder, &[]);
        let secret = read_word(&data.join("link-secret"));
        let api = Api::new(api_address, Some(&secret));
        until("the second relay is ready", SOON, || {
            let answer = api.try_request("GET", "/readyz", None)?;
            (answer.status == 200).then_some(())
        });
        Second {
            edge,
            api_address,
            media_range,
            api,
            _process: process,
            _folder: folder,
        }
    }

    /// Its live sessions.
    pub fn sessions(&self) -> Vec<Value> {
        self.api.list("/relay/v1/sessions")
    }
}
