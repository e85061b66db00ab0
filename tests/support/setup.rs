//! How a centre is set up before it starts.

use std::net::IpAddr;

use super::centre::Centre;
use super::ports::Ports;

/// How a centre is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(super) apart: bool,
    pub(super) hand_over: bool,
    pub(super) media_ports: u16,
    pub(super) also_at: Option<IpAddr>,
    pub(super) secure: bool,
    pub(super) secure_link: bool,
    pub(super) relay_keys: String,
    pub(super) control_keys: String,
    pub(super) haste: Option<u32>,
    pub(super) second: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            apart: false,
            hand_over: false,
            media_ports: Ports::most_media(),
            also_at: None,
            secure: false,
            secure_link: false,
            relay_keys: String::new(),
            control_keys: String::new(),
            haste: None,
            second: false,
        }
    }
}

impl Setup {
    /// Relay and control as two processes.
    #[must_use]
    pub fn apart(mut self) -> Setup {
        self.apart = true;
        self
    }

    /// The relay hands its calls over when it is told to stop.
    #[must_use]
    pub fn hand_over(mut self) -> Setup {
        self.hand_over = true;
        self
    }

    /// How many ports the relay has for media.
    #[must_use]
    pub fn media_ports(mut self, count: u16) -> Setup {
        self.media_ports = count;
        self
    }

    /// The relay host has this address too.
    #[must_use]
    pub fn also_at(mut self, ip: IpAddr) -> Setup {
        self.also_at = Some(ip);
        self
    }

    /// The relay has a certificate, and listens on TLS and for WebSockets too: at its further address
    /// if it has one.
    #[must_use]
    pub fn secure(mut self) -> Setup {
        self.secure = true;
        self
    }

    /// Relay and control show each other certificates.
    #[must_use]
    pub fn secure_link(mut self) -> Setup {
        self.secure_link = true;
        self
    }

    /// Further lines of `[relay]`.
    #[must_use]
    pub fn relay(mut self, lines: &str) -> Setup {
        self.relay_keys = lines.to_owned();
        self
    }

    /// Further lines of `[control]`.
    #[must_use]
    pub fn control(mut self, lines: &str) -> Setup {
        self.control_keys = lines.to_owned();
        self
    }

    /// Its clocks run so many times as fast as those of everybody else, for what takes minutes by its RFC.
    #[must_use]
    pub fn hurry(mut self, times: u32) -> Setup {
        self.haste = Some(times);
        self
    }

    /// There is a second relay, in a process of its own, known by another address.
    #[must_use]
    pub fn second(mut self) -> Setup {
        self.second = true;
        self
    }

    /// Starts it; nothing is declared yet.
    pub fn start(self) -> Centre {
        Centre::start_with(self)
    }
}
