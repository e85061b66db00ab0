//! How many requests are taken: of each token, and of each address that shows none.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::limits::{
    FAILURE_COST, MAX_METERED, REFUSAL_COST, SOURCE_BURST, SOURCE_RATE, TOKEN_BURST_S,
};
use super::problem::{Failure, Kind};
use crate::access::{Buckets, Left, Rate, Recent, Wait};

/// Names of draft-ietf-httpapi-ratelimit-headers.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// Whose requests are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A token's.
    Token,
    /// Those of an address without a token that opens anything.
    Source,
}

impl Of {
    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Of::Token => "token",
            Of::Source => "source",
        }
    }
}

/// Too many requests.
#[derive(Clone, Copy, Debug)]
pub struct TooMany {
    /// Whose.
    pub of: Of,
    wait: Wait,
}

impl TooMany {
    /// How the one stands who sent them.
    pub fn left(&self) -> Left {
        Left {
            units: 0,
            full_in_ms: self.wait.ms,
        }
    }
}

impl From<TooMany> for Failure {
    fn from(too_many: TooMany) -> Failure {
        let seconds = too_many.wait.ms.div_ceil(1_000).max(1);
        let whose = match too_many.of {
            Of::Token => "this token has sent too many requests",
            Of::Source => "too many requests without a valid token came from this address",
        };
        let detail = format!("{whose}; send the next one in {seconds} s");
        Failure::new(Kind::TooMany, detail).retry_after(seconds)
    }
}

/// An address, or the network that one IPv6 host has for itself.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
        ip => ip,
    }
}

/// All buckets.
pub struct Rates {
    start: Instant,
    rate: Rate,
    tokens: Mutex<Buckets<String>>,
    sources: Mutex<Buckets<IpAddr>>,
    /// Tokens that were right when they came from an address.
    familiar: Mutex<Recent<(IpAddr, String), ()>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rates {
    /// Full buckets; each token has `per_s` requests a second.
    pub fn new(per_s: u32) -> Rates {
        let rate = Rate {
            per_s,
            burst: per_s.saturating_mul(TOKEN_BURST_S),
        };
        let sources = Rate {
            per_s: SOURCE_RATE,
            burst: SOURCE_BURST,
        };
        Rates {
            start: Instant::now(),
            rate,
            tokens: Mutex::new(Buckets::new(rate, MAX_METERED)),
            sources: Mutex::new(Buckets::new(sources, MAX_METERED)),
            familiar: Mutex::new(Recent::new(MAX_METERED)),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A request whose token was found, or not. While an address is slowed down, tokens that were not right
    /// from there before are not told from wrong ones, or a guesser would lose nothing by going on.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn shown(&self, address: IpAddr, token: Option<&str>) -> Result<(), TooMany> {
        let source = source_of(address);
        let pair = token.map(|token| (source, token.to_owned()));
        let is_familiar = pair
            .as_ref()
            .is_some_and(|pair| locked(&self.familiar).contains(pair));
        if is_familiar {
            return Ok(());
        }
        let now = self.now();
        let mut sources = locked(&self.sources);
        let slowed = sources.take(source, 0, now).is_err();
        if let Some(pair) = pair.filter(|_| !slowed) {
            locked(&self.familiar).entry(pair, || ());
            return Ok(());
        }
        sources.charge(source, FAILURE_COST, now);
        match sources.take(source, 0, now) {
            Err(wait) if slowed => Err(TooMany {
                of: Of::Source,
                wait,
            }),
            _ => Ok(()),
        }
    }

    /// A request of a token.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn token(&self, token: &str) -> Result<Left, TooMany> {
        let taken = locked(&self.tokens).take(token.to_owned(), 1, self.now());
        let of = Of::Token;
        taken.map_err(|wait| TooMany { of, wait })
    }

    /// A token asked for what it may not do: that is written to the disk, and counts for more.
    pub fn refused(&self, token: &str) {
        locked(&self.tokens).charge(token.to_owned(), REFUSAL_COST, self.now());
    }

    /// Says how a token stands.
    pub fn tell(&self, left: Left, headers: &mut HeaderMap) {
        let Rate { per_s, burst } = self.rate;
        let window = burst.div_ceil(per_s.max(1));
        let full_in = left.full_in_ms.div_ceil(1_000);
        let pairs = [
            (POLICY, format!("\"token\";q={burst};w={window}")),
            (STANDING, format!("\"token\";r={};t={full_in}", left.units)),
        ];
        for (name, text) in pairs {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_host_is_its_network_and_a_mapped_address_is_ipv4() {
        let of = |text: &str| text.parse().map(source_of).ok();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
