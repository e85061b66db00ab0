//! Which transaction a message belongs to (RFC 3261 sections 17.1.3 and 17.2.3).

#![allow(
    deprecated,
    reason = "std's SipHash is the keyed hash that network-chosen keys need"
)]

use std::hash::{BuildHasher, SipHasher};
use std::net::IpAddr;

use hashbrown::HashTable;

use super::slab::Key;
use crate::error::HeaderError;
use crate::message::Message;
use crate::method::Method;
use crate::text::Text;
use crate::uri::Host;
use crate::via::{MAGIC_COOKIE, Via};

/// Hashes under a key of our own, so that nobody can choose branches that collide.
#[derive(Clone)]
pub(crate) struct Keyed(pub(crate) u64, pub(crate) u64);

impl BuildHasher for Keyed {
    type Hasher = SipHasher;
    fn build_hasher(&self) -> SipHasher {
        SipHasher::new_with_keys(self.0, self.1)
    }
}

/// Where transactions are, by what identifies them, which they hold themselves. Never iterated, so
/// that its order cannot matter.
pub(crate) struct Index {
    places: HashTable<Place>,
    hasher: Keyed,
}

struct Place {
    hash: u64,
    key: Key,
}

impl Index {
    pub(crate) fn new(hasher: Keyed) -> Index {
        Index {
            places: HashTable::new(),
            hasher,
        }
    }

    /// Where the transaction of `wanted` is; `of` says what identifies the one in a place.
    pub(crate) fn get<'a>(
        &self,
        wanted: &MatchKey,
        of: impl Fn(Key) -> Option<&'a MatchKey>,
    ) -> Option<Key> {
        let hash = self.hasher.hash_one(wanted);
        let found = self.places.find(hash, |place| {
            place.hash == hash && of(place.key) == Some(wanted)
        });
        found.map(|place| place.key)
    }

    /// A tag that is always the same for the same branch, and that nobody else can know.
    pub(crate) fn tag_of(&self, branch: &str) -> String {
        format!("{:016x}", self.hasher.hash_one(branch))
    }

    pub(crate) fn insert(&mut self, what: &MatchKey, key: Key) {
        let hash = self.hasher.hash_one(what);
        self.places
            .insert_unique(hash, Place { hash, key }, |place| place.hash);
    }

    pub(crate) fn remove(&mut self, what: &MatchKey, key: Key) {
        let hash = self.hasher.hash_one(what);
        if let Ok(place) = self.places.find_entry(hash, |place| place.key == key) {
            place.remove();
        }
    }
}

/// What identifies a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MatchKey {
    branch: Text,
    /// The sender as Via writes it: part of the key on the server side only, where others choose
    /// branches.
    sent_by: Option<(Host, Option<u16>)>,
    /// The true source, on the server side: phones behind different NATs share private addresses,
    /// and some of them share branches too.
    source: Option<IpAddr>,
    method: Method,
}

impl MatchKey {
    /// The key of a client transaction (section 17.1.3).
    pub(crate) fn client(branch: &str, method: Method) -> MatchKey {
        MatchKey {
            branch: branch.into(),
            sent_by: None,
            source: None,
            method,
        }
    }

    /// The key of the server transaction of a request (section 17.2.3). `method` is INVITE for its
    /// ACK and for the INVITE that a CANCEL looks for, otherwise the request's own.
    pub(crate) fn server(
        request: &Message,
        via: &Via,
        source: IpAddr,
        method: Method,
    ) -> Result<MatchKey, HeaderError> {
        let branch = match via.branch() {
            Some(branch) if has_cookie(branch) => branch.into(),
            _ => old_style(request, via)?,
        };
        Ok(MatchKey {
            branch,
            sent_by: Some((via.host.clone(), via.port)),
            source: Some(source),
            method,
        })
    }

    /// The key of the transaction of `method` with the same branch: the INVITE of a CANCEL, and the
    /// other way round.
    pub(crate) fn with_method(&self, method: Method) -> MatchKey {
        MatchKey {
            method,
            ..self.clone()
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
fn old_style(request: &Message, via: &Via) -> Result<Text, HeaderError> {
    let uri = request.uri().ok_or(HeaderError::Missing("Request-URI"))?;
    let from = request.from()?;
    let tag = from.tag().unwrap_or("");
    let (call_id, cseq) = (request.call_id()?, request.cseq()?.number);
    let branch = via.branch().unwrap_or("");
    // A line end stands in none of the parts, so that no two sets of parts look alike.
    Ok(Text::from(format!(
        "{uri}\n{tag}\n{call_id}\n{cseq}\n{branch}"
    )))
}
