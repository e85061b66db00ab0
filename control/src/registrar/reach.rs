//! Where an agent is reached: its devices, and for each the ways to it.

use std::collections::VecDeque;

use patchbay_sip::Uri;

use super::Registrar;
use super::binding::Binding;
use super::gruu::Named;

/// Where a device is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The device's URI.
    pub uri: String,
    /// The Path to it, first hop first.
    pub path: Vec<String>,
    /// [`Binding::key`], or the static URI.
    pub key: String,
}

/// A device with the ways to it. Only one way is tried at a time, the next when the flow of the one
/// before is gone (RFC 5626 section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The greatest q of its bindings, in thousandths.
    pub q_milli: u16,
    /// The ways to it, the best first; not empty.
    pub ways: VecDeque<Target>,
}

impl Device {
    /// What is always at an address.
    #[must_use]
    pub fn fixed(uri: &str) -> Device {
        Device {
            q_milli: 1000,
            ways: VecDeque::from([Target {
                uri: uri.to_owned(),
                path: Vec::new(),
                key: uri.to_owned(),
            }]),
        }
    }
}

impl Registrar {
    /// The devices of an agent, best first: the static URI, then registered devices by q, newest
    /// first.
    #[must_use]
    pub fn devices(&self, agent: &str) -> Vec<Device> {
        let fixed = self.fixed_uri(agent).map(Device::fixed);
        let registered = self.registered(agent, |_| true);
        fixed.into_iter().chain(registered).collect()
    }

    /// The device of an agent that a GRUU names, and whose it is; none if it is not registered.
    #[must_use]
    pub fn device_of(&self, uri: &Uri) -> Option<(String, Device)> {
        let (agent, instance) = self.named_by(uri)?;
        let of = |binding: &Binding| binding.instance.as_deref() == Some(instance.as_str());
        let device = self.registered(&agent, of).into_iter().next()?;
        Some((agent, device))
    }

    /// The agent and instance that a GRUU names; none for a URI that is no GRUU, or one of a device
    /// that is not registered and whose name does not tell whose it is.
    #[must_use]
    pub fn named_by(&self, uri: &Uri) -> Option<(String, String)> {
        match self.names.read(uri)? {
            Named::Public { agent, instance } => Some((agent, instance)),
            Named::Temporary { number } => {
                let binding = self.table.numbered(number)?;
                Some((binding.agent.clone(), binding.instance.clone()?))
            }
        }
    }

    fn registered(&self, agent: &str, wanted: impl Fn(&Binding) -> bool) -> Vec<Device> {
        let of_agent = self.table.of(agent).iter();
        let mut bindings: Vec<&Binding> = of_agent.filter(|b| wanted(b)).collect();
        bindings.sort_by_key(|b| std::cmp::Reverse((b.q_milli, b.updated_unix_ms)));
        let mut devices: Vec<(&str, Device)> = Vec::new();
        for binding in bindings {
            let way = way(binding);
            match devices.iter_mut().find(|(of, _)| *of == binding.device()) {
                Some((_, device)) => device.ways.push_back(way),
                None => devices.push((
                    binding.device(),
                    Device {
                        q_milli: binding.q_milli,
                        ways: VecDeque::from([way]),
                    },
                )),
            }
        }
        devices.into_iter().map(|(_, device)| device).collect()
    }
}

fn way(binding: &Binding) -> Target {
    Target {
        uri: binding.contact.clone(),
        path: binding.path.clone(),
        key: binding.key(),
    }
}
