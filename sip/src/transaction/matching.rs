//! Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3).

#![allow(
    deprecated,
    reason = "std's SipHash is the keyed hash that network-chosen keys need"
)]

use std::borrow::Cow;
use std::hash::{Hasher, SipHasher};
use std::net::IpAddr;

use hashbrown::HashTable;
use smallvec::SmallVec;

use super::slab::Key;
use crate::error::HeaderError;
use crate::message::Message;
use crate::method::Method;
use crate::uri::Host;
use crate::via::{MAGIC_COOKIE, Via};

/// Hashes under a key of our own, so that nobody can choose branches that collide.
#[derive(Clone)]
pub(crate) struct Keyed(pub(crate) u64, pub(crate) u64);

impl Keyed {
    fn of(&self, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher::new_with_keys(self.0, self.1);
        hasher.write(bytes);
        hasher.finish()
    }
}

/// Room for nearly all names of transactions.
const USUAL_NAME_BYTES: usize = 128;

/// Tables that the index is made of: they grow one by one, none of them long enough to be a pause.
const SHARDS: usize = 64;

/// Where transactions are, by what identifies them, which they hold themselves. Never iterated, so
/// that its order cannot matter.
pub(crate) struct Index {
    shards: Vec<HashTable<Place>>,
    hashers: [Keyed; 2],
}

struct Place {
    hash: u64,
    key: Key,
}

impl Index {
    /// An empty index; `hashers` must be different and secret.
    pub(crate) fn new(hashers: [Keyed; 2]) -> Index {
        Index {
            // Room for the first entries, so that a table that is hardly used does not go on growing.
            shards: (0..SHARDS).map(|_| HashTable::with_capacity(3)).collect(),
            hashers,
        }
    }

    /// Where the transaction of `wanted` is; `of` says what identifies the one in a place.
    pub(crate) fn get(
        &self,
        wanted: &MatchKey,
        of: impl Fn(Key) -> Option<MatchKey>,
    ) -> Option<Key> {
        let found = self.shards.get(wanted.shard())?.find(wanted.hash, |place| {
            place.hash == wanted.hash && of(place.key) == Some(*wanted)
        });
        found.map(|place| place.key)
    }

    /// A tag that is always the same for the same branch, and that nobody else can know.
    pub(crate) fn tag_of(&self, branch: &str) -> String {
        format!("{:016x}", self.hashers[0].of(branch.as_bytes()))
    }

    pub(crate) fn insert(&mut self, what: MatchKey, key: Key) {
        let hash = what.hash;
        if let Some(shard) = self.shards.get_mut(what.shard()) {
            shard.insert_unique(hash, Place { hash, key }, |place| place.hash);
        }
    }

    pub(crate) fn remove(&mut self, what: MatchKey, key: Key) {
        if let Some(shard) = self.shards.get_mut(what.shard())
            && let Ok(place) = shard.find_entry(what.hash, |place| place.key == key)
        {
            place.remove();
        }
    }

    /// The key of a client transaction (section 17.1.3).
    pub(crate) fn client_key(&self, branch: &str, method: &Method) -> MatchKey {
        self.key(&Name {
            branch,
            sent_by: None,
            source: None,
            method,
        })
    }

    /// The key of the server transaction of a request (section 17.2.3). `method` is INVITE for its
    /// ACK and for the INVITE that a CANCEL looks for, otherwise the request's own.
    pub(crate) fn server_key(
        &self,
        request: &Message,
        via: &Via,
        source: IpAddr,
        method: &Method,
    ) -> Result<MatchKey, HeaderError> {
        let branch = match via.branch() {
            Some(branch) if has_cookie(branch) => Cow::Borrowed(branch),
            _ => Cow::Owned(old_style(request, via)?),
        };
        Ok(self.key(&Name {
            branch: &branch,
            sent_by: Some((&via.host, via.port)),
            source: Some(source),
            method,
        }))
    }

    fn key(&self, name: &Name<'_>) -> MatchKey {
        let written = name.written();
        let [one, other] = &self.hashers;
        MatchKey {
            hash: one.of(&written),
            more: other.of(&written),
        }
    }
}

/// What identifies a transaction, as 128 bits of a keyed hash of it: a transaction is found by what it
/// need not keep. That two share them by accident is as likely as to guess a branch of 128 bits, and
/// nobody without the keys can bring it about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MatchKey {
    hash: u64,
    more: u64,
}

impl MatchKey {
    fn shard(self) -> usize {
        // The remainder is below the number of tables, whatever the width of usize.
        (self.more % SHARDS as u64) as usize
    }
}

/// All that identifies a transaction.
struct Name<'a> {
    branch: &'a str,
    /// The sender as Via writes it: part of the key on the server side only, where others choose
    /// branches.
    sent_by: Option<(&'a Host, Option<u16>)>,
    /// The true source, on the server side: phones behind different NATs share private addresses,
    /// and some of them share branches too.
    source: Option<IpAddr>,
    method: &'a Method,
}

impl Name<'_> {
    /// The same as one row of bytes, since a hash of many small parts costs many times that of one. No two
    /// names are written alike: each part begins with what tells its length.
    fn written(&self) -> SmallVec<[u8; USUAL_NAME_BYTES]> {
        let mut out = SmallVec::new();
        for part in [self.branch, self.method.as_str()] {
            out.extend_from_slice(&part.len().to_le_bytes());
            out.extend_from_slice(part.as_bytes());
        }
        push_ip(&mut out, self.source);
        if let Some((host, port)) = self.sent_by {
            out.extend_from_slice(&port.unwrap_or_default().to_le_bytes());
            push_ip(&mut out, host.ip());
            if let Host::Name(name) = host {
                // Names compare without case.
                out.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
            }
        }
        out
    }
}

fn push_ip(out: &mut SmallVec<[u8; USUAL_NAME_BYTES]>, ip: Option<IpAddr>) {
    match ip {
        None => out.push(0),
        Some(IpAddr::V4(ip)) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
}

fn has_cookie(branch: &str) -> bool {
    branch.len() > MAGIC_COOKIE.len()
        && branch
            .get(..MAGIC_COOKIE.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE))
}

/// What identifies a transaction of an RFC 2543 element: Request-URI, From tag, Call-ID, CSeq number
/// and top Via. The To tag is left out: the ACK's is that of our answer, the INVITE's is absent.
fn old_style(request: &Message, via: &Via) -> Result<String, HeaderError> {
    let uri = request.uri().ok_or(HeaderError::Missing("Request-URI"))?;
    let from = request.from()?;
    let tag = from.tag().unwrap_or("");
    let (call_id, cseq) = (request.call_id()?, request.cseq()?.number);
    let branch = via.branch().unwrap_or("");
    // A line end stands in none of the parts, so that no two sets of parts look alike.
    Ok(format!("{uri}\n{tag}\n{call_id}\n{cseq}\n{branch}"))
}
