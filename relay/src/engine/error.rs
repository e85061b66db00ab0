//! What can go wrong with the packet engine, and what to do about it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use super::steering::NotSteered;
use super::xdp::DriverError;

/// The engine cannot start.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A field of the configuration is out of its range.
    #[error("packet engine: {what}")]
    Config {
        /// The field, its value and its range.
        what: String,
    },
    /// The kernel lacks something, or forbids it.
    #[error("packet engine: {feature} is not available ({cause}): {remedy}")]
    Feature {
        /// What is missing.
        feature: &'static str,
        /// What to do.
        remedy: String,
        /// What the kernel said.
        cause: io::Error,
    },
    /// Media ports were to be steered and cannot be.
    #[error("packet engine: media ports cannot be steered: {0}; or use a socket for each port")]
    NotSteered(#[from] NotSteered),
    /// Settled flows were to be sent on at devices and cannot be.
    #[error("packet engine: {0}; or name no devices")]
    Device(#[from] DriverError),
    /// A thread could not be started.
    #[error("packet engine: thread {thread}: {what}: {cause}")]
    Thread {
        /// Its number.
        thread: usize,
        /// What it tried.
        what: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

/// A pair cannot be opened. Nothing is left behind: no socket, no port, no row.
#[derive(Debug, Error)]
pub enum OpenError {
    /// All port pairs of this local address are in use.
    #[error("no media ports are free on {local_ip}")]
    PortsExhausted {
        /// The address.
        local_ip: IpAddr,
    },
    /// As many pairs are open as fit.
    #[error("the table is full: {capacity} pairs")]
    TableFull {
        /// How many fit.
        capacity: usize,
    },
    /// The packet thread has too many commands waiting. Try again later.
    #[error("the packet thread is behind with its commands")]
    Busy,
    /// More local addresses than the engine keeps ports for.
    #[error("too many local addresses, {local_ip} is one too many")]
    TooManyLocalIps {
        /// The address.
        local_ip: IpAddr,
    },
    /// The port cannot be steered.
    #[error("media ports on {local_ip} cannot be steered: {cause}")]
    NotSteered {
        /// The address.
        local_ip: IpAddr,
        /// Why.
        cause: Box<NotSteered>,
    },
    /// A socket could not be made or bound, for another reason than its port being in use.
    #[error("socket on {local_ip}: {cause}")]
    Socket {
        /// The address.
        local_ip: IpAddr,
        /// What the kernel said.
        cause: io::Error,
    },
    /// A given port is in use.
    #[error("media port {local} is in use {}", if *ours { "by another call" } else { "by another program" })]
    PortInUse {
        /// The even port of the pair.
        local: SocketAddr,
        /// By this engine.
        ours: bool,
    },
    /// A given port is odd, or not among the media ports.
    #[error("{local} is no media port of this relay")]
    PortForeign {
        /// The port.
        local: SocketAddr,
    },
    /// What a pair that was handed over says of a side cannot be.
    #[error(transparent)]
    Remote(#[from] CommandError),
    /// No packet thread is alive, or the engine has been shut down.
    #[error("the packet engine is not running")]
    NotRunning,
}

/// A command to an open pair was not taken.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CommandError {
    /// The pair is not open: closed, or its packet thread died.
    #[error("no such pair is open")]
    UnknownPair,
    /// The packet thread has too many commands waiting. Try again later.
    #[error("the packet thread is behind with its commands")]
    Busy,
    /// The remote address is of another IP version than the side's local address.
    #[error("{remote} is of another IP version than the local address {local_ip}")]
    AddressFamily {
        /// The address asked for.
        remote: SocketAddr,
        /// The side's address.
        local_ip: IpAddr,
    },
    /// Media is never sent to a multicast or broadcast address.
    #[error("{remote} is not a unicast address")]
    NotUnicast {
        /// The address asked for.
        remote: SocketAddr,
    },
}
