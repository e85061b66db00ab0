//! The best way for media that the configuration, the kernel and the privileges allow: settled flows
//! at devices, in their drivers or in the kernel's receive path; ports without sockets; sockets.

use super::clock::Clock;
use super::config::{EngineConfig, EngineKind, MediaSockets};
use super::device::Device;
use super::error::EngineError;
use super::path::MediaPath;
use super::steering::Steering;
use super::xdp::DriverError;

/// What an engine works with.
#[derive(Debug)]
pub struct Chosen {
    /// What steers the media ports, if they are.
    pub steering: Option<Steering>,
    /// What sends settled flows on, if anything does.
    pub device: Option<Device>,
    /// Which way that is, and why it is no better one.
    pub path: MediaPath,
}

/// Chooses, and sets it up.
///
/// # Errors
/// What is asked for by name cannot be had.
pub fn choose(config: &EngineConfig, clock: Clock) -> Result<Chosen, EngineError> {
    let chosen = steer(config)?;
    match config.kind {
        EngineKind::Uring => Ok(chosen),
        EngineKind::Xdp => at_devices(config, chosen, clock).map_err(|(_, why)| why),
        EngineKind::Auto if config.devices.is_empty() => Ok(chosen),
        EngineKind::Auto => Ok(at_devices(config, chosen, clock).unwrap_or_else(
            |(chosen, why)| Chosen {
                path: chosen.path.because(&why.to_string()),
                ..*chosen
            },
        )),
    }
}

/// Loads what steers media ports, if that is wanted and possible.
fn steer(config: &EngineConfig) -> Result<Chosen, EngineError> {
    let (steering, path) = match config.sockets {
        MediaSockets::PerPort => (None, MediaPath::PerPort { why: None }),
        MediaSockets::Steered => {
            let steering = Steering::start(&config.ports)?;
            (Some(steering), MediaPath::Steered { why: None })
        }
        MediaSockets::Auto => match Steering::start(&config.ports) {
            Ok(steering) => (Some(steering), MediaPath::Steered { why: None }),
            Err(why) => (None, MediaPath::per_port(&why)),
        },
    };
    Ok(Chosen {
        steering,
        device: None,
        path,
    })
}

/// Puts the program on the devices that the configuration names; or says why not, with what there
/// was before.
fn at_devices(
    config: &EngineConfig,
    chosen: Chosen,
    clock: Clock,
) -> Result<Chosen, (Box<Chosen>, EngineError)> {
    if chosen.steering.is_none() {
        let what = format!(
            "flows settle at devices only with steered ports; there is {}",
            chosen.path
        );
        return Err((Box::new(chosen), EngineError::Config { what }));
    }
    let mut not_kept = None;
    let started = Device::start(config, clock).or_else(|why| match why {
        // It is worth less, but it is worth something.
        DriverError::Pin { .. } => {
            not_kept = Some(why.to_string());
            let config = EngineConfig {
                keep: None,
                ..config.clone()
            };
            Device::start(&config, clock)
        }
        why => Err(why),
    });
    match started {
        Ok(device) => Ok(Chosen {
            path: MediaPath::AtDevices {
                devices: config.devices.clone(),
                mode: device.mode(),
                not_kept,
            },
            device: Some(device),
            ..chosen
        }),
        Err(why) => Err((Box::new(chosen), why.into())),
    }
}
