//! Media ports: pairs of an even port for RTP and the odd one above it for RTCP (RFC 3550
//! section 11), one pool for each local address.
//!
//! A pool hands out its pairs in turn, starting at a place that depends on the seed, so that a
//! port just given back is the last to be used again: late packets of an ended call do not
//! reach a new one.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

use patchbay_route::limits::MAX_LOCAL_IPS;

use super::device::DeviceFlows;
use super::error::OpenError;
use super::steering::Space;
use super::totals::PortsFree;

/// What binding a candidate pair of ports came to, if not to sockets.
#[derive(Debug)]
pub enum BindError {
    /// Somebody else has one of the two ports: try others.
    InUse,
    /// Trying others is of no use.
    Fatal(std::io::Error),
}

/// A pair of ports that is in use until given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The local address.
    pub local_ip: IpAddr,
    /// The even port.
    pub rtp: u16,
}

/// The pools of all local addresses.
#[derive(Debug)]
pub struct PortPool {
    first: u16,
    count: usize,
    seed: u64,
    pools: Vec<(IpAddr, Pool)>,
    /// Where the ports are closed that come back, if they are steered.
    space: Option<Arc<Space>>,
    /// Where they are forgotten, if there is a device.
    device: Option<Arc<DeviceFlows>>,
}

#[derive(Debug)]
struct Pool {
    /// One bit a port pair.
    used: Vec<u64>,
    next: usize,
    free: usize,
}

impl PortPool {
    /// Pools over that range; an odd first port and an even last one are left out.
    pub fn new(range: &RangeInclusive<u16>, seed: u64) -> PortPool {
        let (start, end) = (usize::from(*range.start()), usize::from(*range.end()));
        let first = start.next_multiple_of(2);
        let count = (end + 1).saturating_sub(first) / 2;
        PortPool {
            first: u16::try_from(first).unwrap_or(u16::MAX - 1),
            count,
            seed,
            pools: Vec::new(),
            space: None,
            device: None,
        }
    }

    /// The same for steered ports.
    pub fn steered(self, space: Arc<Space>, device: Option<Arc<DeviceFlows>>) -> PortPool {
        PortPool {
            space: Some(space),
            device,
            ..self
        }
    }

    /// Takes the next free pair that `bind` can bind.
    ///
    /// # Errors
    /// [`OpenError::PortsExhausted`] after all pairs were tried, [`OpenError::Socket`] at the
    /// first error that another port would meet as well. Nothing is taken then.
    pub fn lease<T>(
        &mut self,
        local_ip: IpAddr,
        mut bind: impl FnMut(u16) -> Result<T, BindError>,
    ) -> Result<(Lease, T), OpenError> {
        let (first, count) = (self.first, self.count);
        let device = self.device.clone();
        let is_left = |rtp| {
            device
                .as_ref()
                .is_some_and(|flows| speaks(flows, local_ip, rtp))
        };
        let pool = self.pool(local_ip)?;
        if pool.free == 0 {
            return Err(OpenError::PortsExhausted { local_ip });
        }
        for _ in 0..count {
            let index = pool.next;
            pool.next = (index + 1) % count;
            if pool.is_used(index) {
                continue;
            }
            let rtp = first + 2 * u16::try_from(index).unwrap_or(0);
            if is_left(rtp) {
                continue;
            }
            match bind(rtp) {
                Ok(bound) => {
                    pool.set_used(index, true);
                    return Ok((Lease { local_ip, rtp }, bound));
                }
                Err(BindError::InUse) => {}
                Err(BindError::Fatal(cause)) => return Err(OpenError::Socket { local_ip, cause }),
            }
        }
        Err(OpenError::PortsExhausted { local_ip })
    }

    /// Takes one given pair, if it is free and `bind` can bind it.
    ///
    /// # Errors
    /// [`OpenError::PortInUse`] if it is in use, by this engine or by somebody else;
    /// [`OpenError::PortForeign`] if it is none of this pool's. Nothing is taken then.
    pub fn lease_at<T>(
        &mut self,
        local: SocketAddr,
        bind: impl FnOnce(u16) -> Result<T, BindError>,
    ) -> Result<(Lease, T), OpenError> {
        let (local_ip, rtp) = (local.ip(), local.port());
        let (first, count) = (self.first, self.count);
        let index = usize::from(
            rtp.checked_sub(first)
                .ok_or(OpenError::PortForeign { local })?,
        );
        if index % 2 != 0 || index / 2 >= count {
            return Err(OpenError::PortForeign { local });
        }
        let pool = self.pool(local_ip)?;
        if pool.is_used(index / 2) {
            return Err(OpenError::PortInUse { local, ours: true });
        }
        match bind(rtp) {
            Ok(bound) => {
                pool.set_used(index / 2, true);
                Ok((Lease { local_ip, rtp }, bound))
            }
            Err(BindError::InUse) => Err(OpenError::PortInUse { local, ours: false }),
            Err(BindError::Fatal(cause)) => Err(OpenError::Socket { local_ip, cause }),
        }
    }

    /// Gives a pair back.
    pub fn release(&mut self, lease: Lease) {
        let index = usize::from(lease.rtp.saturating_sub(self.first)) / 2;
        if let Some((_, pool)) = self.pools.iter_mut().find(|(ip, _)| *ip == lease.local_ip) {
            pool.set_used(index, false);
        }
        // The packet thread has closed them already, unless it died.
        let Some(space) = &self.space else { return };
        for port in [lease.rtp, lease.rtp + 1] {
            let local = SocketAddr::new(lease.local_ip, port);
            if let Some(port) = space.port(local) {
                space.cell(&port).close();
            }
            if let Some(device) = &self.device {
                device.forget(local);
            }
        }
    }

    /// How many pairs are free, by local address.
    pub fn free(&self) -> Vec<PortsFree> {
        let one = |(ip, pool): &(IpAddr, Pool)| PortsFree {
            local_ip: *ip,
            free: pool.free,
            total: self.count,
        };
        self.pools.iter().map(one).collect()
    }

    /// Number of pairs of each address.
    pub fn total(&self) -> usize {
        self.count
    }

    fn pool(&mut self, ip: IpAddr) -> Result<&mut Pool, OpenError> {
        let at = match self.pools.iter().position(|(known, _)| *known == ip) {
            Some(at) => at,
            None if self.pools.len() >= MAX_LOCAL_IPS => {
                return Err(OpenError::TooManyLocalIps { local_ip: ip });
            }
            None => {
                let start =
                    mix(self.seed.wrapping_add(self.pools.len() as u64)) % self.count.max(1) as u64;
                let next = usize::try_from(start).unwrap_or(0);
                self.pools.push((
                    ip,
                    Pool {
                        used: vec![0; self.count.div_ceil(64)],
                        next,
                        free: self.count,
                    },
                ));
                self.pools.len() - 1
            }
        };
        self.pools
            .get_mut(at)
            .map(|(_, pool)| pool)
            .ok_or(OpenError::TooManyLocalIps { local_ip: ip })
    }
}

impl Pool {
    fn is_used(&self, index: usize) -> bool {
        self.used
            .get(index / 64)
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    fn set_used(&mut self, index: usize, used: bool) {
        if self.is_used(index) == used {
            return;
        }
        if let Some(word) = self.used.get_mut(index / 64) {
            *word ^= 1 << (index % 64);
            self.free = if used { self.free - 1 } else { self.free + 1 };
        }
    }
}

/// Whether a process before this one has left a settled flow at one of two ports, whose call nobody
/// has claimed.
fn speaks(flows: &DeviceFlows, local_ip: IpAddr, rtp: u16) -> bool {
    let ports = [rtp, rtp + 1];
    ports
        .into_iter()
        .any(|port| flows.way((local_ip, port).into()).is_some())
}

/// Spreads a seed over all bits (the finishing step of splitmix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const IP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn take(pool: &mut PortPool) -> Result<Lease, OpenError> {
        pool.lease(IP, Ok).map(|(lease, rtp)| {
            assert_eq!(lease.rtp, rtp);
            lease
        })
    }

    #[test]
    fn every_even_port_is_given_once_until_it_comes_back() {
        let mut pool = PortPool::new(&(2001..=2010), 7);
        let mut got: Vec<u16> = (0..4).map(|_| take(&mut pool).unwrap().rtp).collect();
        assert!(matches!(
            take(&mut pool),
            Err(OpenError::PortsExhausted { .. })
        ));
        let released = got[1];
        pool.release(Lease {
            local_ip: IP,
            rtp: released,
        });
        pool.release(Lease {
            local_ip: IP,
            rtp: released,
        });
        assert_eq!(pool.free()[0].free, 1);
        assert_eq!(take(&mut pool).unwrap().rtp, released);
        got.sort_unstable();
        assert_eq!(got, [2002, 2004, 2006, 2008]);
    }

    #[test]
    fn ports_of_others_are_passed_over_and_not_lost() {
        let mut pool = PortPool::new(&(4000..=4007), 1);
        let busy = |rtp| {
            if rtp == 4002 {
                Err(BindError::InUse)
            } else {
                Ok(rtp)
            }
        };
        let mut got: Vec<u16> = (0..3).map(|_| pool.lease(IP, busy).unwrap().1).collect();
        got.sort_unstable();
        assert_eq!(got, [4000, 4004, 4006]);
        assert!(matches!(
            pool.lease(IP, busy),
            Err(OpenError::PortsExhausted { .. })
        ));
        assert_eq!(take(&mut pool).unwrap().rtp, 4002);
    }

    #[test]
    fn a_given_pair_is_taken_if_it_is_free() {
        let mut pool = PortPool::new(&(4000..=4005), 1);
        let at = |port| SocketAddr::new(IP, port);
        assert_eq!(pool.lease_at(at(4002), Ok).unwrap().0.rtp, 4002);
        assert!(matches!(
            pool.lease_at(at(4002), Ok),
            Err(OpenError::PortInUse { ours: true, .. })
        ));
        for port in [3998, 4001, 4006] {
            let refused = pool.lease_at(at(port), Ok);
            assert!(matches!(refused, Err(OpenError::PortForeign { .. })));
        }
        let busy = |_| Err::<(), _>(BindError::InUse);
        assert!(matches!(
            pool.lease_at(at(4004), busy),
            Err(OpenError::PortInUse { ours: false, .. })
        ));
        assert_eq!(pool.free()[0].free, 2);
        let rest: Vec<u16> = (0..2).map(|_| take(&mut pool).unwrap().rtp).collect();
        assert!(!rest.contains(&4002));
    }

    #[test]
    fn a_fatal_error_takes_nothing() {
        let mut pool = PortPool::new(&(4000..=4007), 1);
        let fail = |_| Err::<(), _>(BindError::Fatal(std::io::Error::from_raw_os_error(24)));
        assert!(matches!(
            pool.lease(IP, fail),
            Err(OpenError::Socket { .. })
        ));
        assert_eq!(
            pool.free()[0],
            PortsFree {
                local_ip: IP,
                free: 4,
                total: 4
            }
        );
    }

    #[test]
    fn addresses_have_pools_of_their_own_and_a_limit() {
        let mut pool = PortPool::new(&(65534..=65535), 3);
        for i in 0..MAX_LOCAL_IPS {
            let ip = IpAddr::from([10, 0, 0, u8::try_from(i).unwrap()]);
            assert_eq!(pool.lease(ip, Ok).unwrap().1, 65534);
        }
        assert!(matches!(
            pool.lease(IP, Ok),
            Err(OpenError::TooManyLocalIps { .. })
        ));
        assert_eq!(pool.total(), 1);
    }

    #[test]
    fn the_start_depends_on_the_seed() {
        let first = |seed| {
            take(&mut PortPool::new(&(20_000..=59_999), seed))
                .unwrap()
                .rtp
        };
        assert_eq!(first(1), first(1));
        assert!((2..20).any(|seed| first(seed) != first(1)));
    }
}
