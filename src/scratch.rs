//! What a centre for a short time needs: a directory that nobody else has, and free ports.

use anyhow::{Context, Result, bail};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;

/// Ports are tried so often until one is free for both transports.
const PORT_TRIES: usize = 32;

/// A new directory below the system's temporary one.
///
/// # Errors
/// If it cannot be made.
pub fn directory(prefix: &str) -> Result<PathBuf> {
    let mut name = [0_u8; 8];
    getrandom::fill(&mut name).context("the system gives no random numbers")?;
    let name = format!("{prefix}-{:016x}", u64::from_ne_bytes(name));
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir(&path).with_context(|| format!("cannot create {}", path.display()))?;
    Ok(path)
}

/// TCP ports of loopback that are free now. Relay and control have to know each other's before
/// they start, so the choice cannot be left to the moment of binding.
///
/// # Errors
/// If there are none.
pub fn free_ports<const N: usize>() -> Result<[SocketAddr; N]> {
    let mut held = Vec::with_capacity(N);
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); N];
    for address in &mut addresses {
        let listener = TcpListener::bind(*address).context("no free port on loopback")?;
        *address = listener.local_addr()?;
        // All are held until the last one is known, so that they differ.
        held.push(listener);
    }
    Ok(addresses)
}

/// A port that is free for UDP and for TCP, so that one address serves both.
///
/// # Errors
/// If there is none.
pub fn free_for_both() -> Result<SocketAddr> {
    for _ in 0..PORT_TRIES {
        let [address] = free_ports()?;
        if UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port on loopback is free for both UDP and TCP")
}

/// UDP ports of loopback that are free now.
///
/// # Errors
/// If there are not that many.
pub fn free_udp_ports(count: usize) -> Result<Vec<SocketAddr>> {
    let sockets: Vec<UdpSocket> = (0..count)
        .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<Result<_, _>>()
        .context("no free port on loopback")?;
    let addresses = sockets.iter().map(UdpSocket::local_addr);
    Ok(addresses.collect::<Result<_, _>>()?)
}
