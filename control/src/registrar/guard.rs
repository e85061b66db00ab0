//! The slow-down of those who guess passwords.
//!
//! Failures are counted in three ways: of an account at a source, of a source whatever the account,
//! and of an account at all sources that are new to it. Beyond the free ones each failure doubles
//! the time for which credentials are not looked at at all, so that an answer tells nothing.
//!
//! What follows from it:
//! - Who guesses from one address is slowed down, for one account and for many.
//! - Who guesses one account's password from many addresses is slowed down by the account. Phones of
//!   that account do not suffer where they have registered before: a *familiar* source is held only
//!   to what failed for this account at that very source.
//! - A phone whose password is wrong slows itself down, and after many failures new accounts at its
//!   source; those that have registered there do not suffer.
//! - Accounts that do not exist are counted as those that do.
//!
//! A source is an IPv4 address, or an IPv6 network of 64 bits, since one host has all of that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::limits::{
    FAMILIAR_S, FORGET_FAILURE_S, FREE_FAILURES, FREE_FAILURES_OF_ACCOUNT, FREE_FAILURES_OF_SOURCE,
    MAX_FAILURES, MAX_FAMILIAR, MAX_METERS, MAX_SLOW_DOWN_S,
};

/// Longest account name that is told from others; credentials name any.
const MAX_NAME_BYTES: usize = 64;

/// Whose failures were too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    /// Of this account at this source, or of this source.
    Source,
    /// Of this account.
    Account,
}

/// A network as failures are counted by it.
pub(super) type Network = u128;

/// IPv4 addresses one by one, IPv6 addresses by their first 64 bits.
pub(super) fn network(address: Option<IpAddr>) -> Network {
    match address.map(|address| address.to_canonical()) {
        None => 0,
        Some(IpAddr::V4(ip)) => u128::from(u32::from(ip)) | 1 << 64,
        Some(IpAddr::V6(ip)) => u128::from(ip) >> 64 | 1 << 65,
    }
}

#[derive(Debug, Clone, Copy)]
struct Meter {
    failures: u32,
    /// When failures were last forgotten or added, Unix seconds.
    since: u64,
    /// The last failure, Unix seconds.
    last: u64,
}

impl Meter {
    fn forget(&mut self, now: u64) {
        let over = now.saturating_sub(self.since) / FORGET_FAILURE_S;
        self.failures = self
            .failures
            .saturating_sub(u32::try_from(over).unwrap_or(u32::MAX));
        self.since += over * FORGET_FAILURE_S;
    }

    /// Until when nothing more is looked at, Unix seconds.
    fn held_until(&self, free: u32) -> u64 {
        let Some(beyond) = self.failures.checked_sub(free) else {
            return 0;
        };
        let seconds = 1_u64.checked_shl(beyond).unwrap_or(u64::MAX);
        self.last + seconds.min(MAX_SLOW_DOWN_S)
    }
}

/// Meters by key, the least recent forgotten first.
#[derive(Debug)]
struct Meters<K> {
    meters: BTreeMap<K, Meter>,
    order: BTreeSet<(u64, K)>,
    free: u32,
}

impl<K: Ord + Clone> Meters<K> {
    fn new(free: u32) -> Self {
        Self {
            meters: BTreeMap::new(),
            order: BTreeSet::new(),
            free,
        }
    }

    /// Seconds for which the key is held yet.
    fn held_s(&self, key: &K, now: u64) -> u64 {
        let Some(meter) = self.meters.get(key) else {
            return 0;
        };
        let mut meter = *meter;
        meter.forget(now);
        meter.held_until(self.free).saturating_sub(now)
    }

    fn failed(&mut self, key: K, now: u64) {
        let mut meter = match self.meters.get(&key) {
            Some(meter) => *meter,
            None => Meter {
                failures: 0,
                since: now,
                last: now,
            },
        };
        self.order.remove(&(meter.last, key.clone()));
        meter.forget(now);
        meter.failures = (meter.failures + 1).min(MAX_FAILURES);
        meter.last = now;
        self.order.insert((now, key.clone()));
        self.meters.insert(key, meter);
        while self.meters.len() > MAX_METERS {
            let Some((_, oldest)) = self.order.pop_first() else {
                return;
            };
            self.meters.remove(&oldest);
        }
    }

    fn clear(&mut self, key: &K) {
        if let Some(meter) = self.meters.remove(key) {
            self.order.remove(&(meter.last, key.clone()));
        }
    }
}

/// The failures, and who is familiar where; see the module.
#[derive(Debug)]
pub(super) struct Guard {
    pairs: Meters<(String, Network)>,
    sources: Meters<Network>,
    accounts: Meters<String>,
    familiar: BTreeMap<(String, Network), u64>,
    familiar_order: BTreeSet<(u64, String, Network)>,
}

impl Guard {
    pub fn new() -> Guard {
        Guard {
            pairs: Meters::new(FREE_FAILURES),
            sources: Meters::new(FREE_FAILURES_OF_SOURCE),
            accounts: Meters::new(FREE_FAILURES_OF_ACCOUNT),
            familiar: BTreeMap::new(),
            familiar_order: BTreeSet::new(),
        }
    }

    /// Whether credentials of this account from this source are looked at; else for how many
    /// seconds they are not, and whose failures hold them.
    pub fn admit(&self, account: &str, source: Network, now: u64) -> Result<(), (Held, u64)> {
        let pair = (name(account), source);
        let mut held = vec![(self.pairs.held_s(&pair, now), Held::Source)];
        if !self.is_familiar(&pair, now) {
            held.push((self.sources.held_s(&source, now), Held::Source));
            held.push((self.accounts.held_s(&pair.0, now), Held::Account));
        }
        match held.into_iter().max_by_key(|(seconds, _)| *seconds) {
            Some((seconds, by)) if seconds > 0 => Err((by, seconds)),
            _ => Ok(()),
        }
    }

    /// Pairs of account and source that are remembered as familiar.
    pub fn familiar(&self) -> usize {
        self.familiar.len()
    }

    /// The password was wrong, or there is no such account.
    pub fn failed(&mut self, account: &str, source: Network, now: u64) {
        let pair = (name(account), source);
        if !self.is_familiar(&pair, now) {
            self.sources.failed(source, now);
            self.accounts.failed(pair.0.clone(), now);
        }
        self.pairs.failed(pair, now);
    }

    /// The password was right.
    pub fn succeeded(&mut self, account: &str, source: Network, now: u64) {
        let pair = (name(account), source);
        self.pairs.clear(&pair);
        if let Some(before) = self.familiar.insert(pair.clone(), now) {
            let (account, source) = pair.clone();
            self.familiar_order.remove(&(before, account, source));
        }
        self.familiar_order.insert((now, pair.0, pair.1));
        while self.familiar.len() > MAX_FAMILIAR {
            let Some((_, account, source)) = self.familiar_order.pop_first() else {
                return;
            };
            self.familiar.remove(&(account, source));
        }
    }

    fn is_familiar(&self, pair: &(String, Network), now: u64) -> bool {
        let last = self.familiar.get(pair);
        last.is_some_and(|last| last + FAMILIAR_S > now)
    }

    /// Entries of the tables of failures together.
    pub fn len(&self) -> usize {
        self.pairs.meters.len() + self.sources.meters.len() + self.accounts.meters.len()
    }
}

/// The account's name as far as it matters here.
fn name(account: &str) -> String {
    let mut end = account.len().min(MAX_NAME_BYTES);
    while !account.is_char_boundary(end) {
        end -= 1;
    }
    account.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn source(n: u8) -> Network {
        network(Some(IpAddr::from([192, 0, 2, n])))
    }

    /// Guesses once a second for so long; gives how many were looked at.
    fn guess(guard: &mut Guard, account: &str, source: Network, seconds: u64) -> u32 {
        let mut looked_at = 0;
        for now in 0..seconds {
            if guard.admit(account, source, now).is_ok() {
                guard.failed(account, source, now);
                looked_at += 1;
            }
        }
        looked_at
    }

    #[test]
    fn a_guesser_is_slowed_down_more_and_more_and_then_forgotten() {
        let mut guard = Guard::new();
        let looked_at = guess(&mut guard, "anna", source(1), 3_600);
        assert!((10..30).contains(&looked_at), "{looked_at} in an hour");
        let (by, seconds) = guard.admit("anna", source(1), 3_600).unwrap_err();
        assert_eq!(by, Held::Source);
        assert!(seconds <= MAX_SLOW_DOWN_S);
        let later = 3_600 + u64::from(MAX_FAILURES) * FORGET_FAILURE_S;
        assert_eq!(guard.admit("anna", source(1), later), Ok(()));
    }

    #[test]
    fn many_accounts_from_one_source_are_one_guesser() {
        let mut guard = Guard::new();
        let looked_at = (0..1_000_u64)
            .filter(|now| {
                let account = format!("user{now}");
                let admitted = guard.admit(&account, source(1), *now).is_ok();
                if admitted {
                    guard.failed(&account, source(1), *now);
                }
                admitted
            })
            .count();
        assert!(looked_at < 40, "{looked_at}");
        assert_eq!(guard.admit("anna", source(2), 1_000), Ok(()));
    }

    #[test]
    fn a_phone_elsewhere_and_one_next_door_are_not_locked_out() {
        let mut guard = Guard::new();
        guard.succeeded("anna", source(200), 0);
        guard.succeeded("bert", source(1), 0);
        // Each source guesses a few times, all of them one account.
        for n in 0..100 {
            for _ in 0..5 {
                if guard.admit("anna", source(n), 10).is_ok() {
                    guard.failed("anna", source(n), 10);
                }
            }
        }
        let (by, _) = guard.admit("anna", source(150), 10).unwrap_err();
        assert_eq!(by, Held::Account, "a source that is new to the account");
        assert_eq!(guard.admit("anna", source(200), 10), Ok(()));
        guess(&mut guard, "bert2", source(1), 600);
        assert_eq!(guard.admit("bert", source(1), 600), Ok(()));
    }

    #[test]
    fn an_ipv6_host_is_one_source_and_the_tables_are_bounded() {
        let v6 = |text: &str| network(Some(text.parse().unwrap()));
        assert_eq!(v6("2001:db8::1"), v6("2001:db8::ffff:1"));
        assert_ne!(v6("2001:db8::1"), v6("2001:db8:0:1::1"));
        assert_eq!(
            v6("::ffff:192.0.2.1"),
            source(1),
            "the same host over both listeners"
        );
        let mut guard = Guard::new();
        for n in 0..2 * MAX_METERS as u64 {
            guard.failed(&format!("user{n}"), u128::from(n), n);
        }
        assert_eq!(guard.len(), 3 * MAX_METERS);
    }
}
