//! The tokens that open the API, in memory: each request asks here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio_util::sync::CancellationToken;

use super::limits::{MAX_TOKENS, TOKENS_USED_EVERY};
use super::problem::{Failure, Kind};
use super::token::Token;
use crate::access::{Digest, Ended, Grant, Permission, Presented, SECRET_BYTES, Written};
use crate::node::unix_ms;
use crate::store::{Store, StoreError, StoredGrant};

/// Who asks.
#[derive(Clone)]
pub struct Caller {
    /// What the token stands for.
    pub grant: Arc<Grant>,
    /// Ends what stays open for this token: when the API stops, or the token opens nothing any more.
    pub ended: CancellationToken,
}

impl Caller {
    /// Refuses who lacks a permission.
    ///
    /// # Errors
    /// [`Kind::Forbidden`], which names it.
    pub fn need(&self, permission: Permission) -> Result<(), Failure> {
        match self.grant.allows(permission) {
            true => Ok(()),
            false => Err(Failure::forbidden(permission, self.grant.role)),
        }
    }
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is none of ours.
    Unknown,
    /// It was one.
    Ended(Ended),
}

/// A token that was given out.
struct Held {
    number: u64,
    grant: Arc<Grant>,
    ended: CancellationToken,
    used: Arc<Used>,
}

/// When a token was last used, in milliseconds of Unix time; 0: never.
#[derive(Default)]
struct Used {
    now: AtomicU64,
    stored: AtomicU64,
}

/// All tokens.
pub struct Keyring {
    store: Store,
    bootstrap: Caller,
    held: RwLock<HashMap<String, Held>>,
    /// Held while one is changed: the store and the memory stay the same.
    changing: tokio::sync::Mutex<()>,
    stopping: CancellationToken,
}

impl Keyring {
    /// The tokens of the store, and the one of the data directory. Streams end with `stopping`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn open(
        store: Store,
        bootstrap: &Token,
        stopping: CancellationToken,
    ) -> Result<Keyring, StoreError> {
        let held = store.tokens().await?.into_iter().map(|stored| {
            let used = stored.last_used_unix_ms.unwrap_or(0);
            let held = Held {
                number: stored.number,
                ended: stopping.child_token(),
                used: Arc::new(Used {
                    now: AtomicU64::new(used),
                    stored: AtomicU64::new(used),
                }),
                grant: Arc::new(stored.grant),
            };
            (held.grant.id.clone(), held)
        });
        let held = held.collect();
        let grant = Grant::bootstrap(Digest::of(bootstrap.expose()));
        Ok(Keyring {
            bootstrap: Caller {
                grant: Arc::new(grant),
                ended: stopping.clone(),
            },
            held: RwLock::new(held),
            store,
            changing: tokio::sync::Mutex::default(),
            stopping,
        })
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Held>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who shows this text.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn find(&self, text: &str, now: u64) -> Result<Caller, Refused> {
        let Some(shown) = Presented::read(text) else {
            let whole = Digest::of(text);
            let known = self.bootstrap.grant.digest.matches(&whole);
            return known
                .then(|| self.bootstrap.clone())
                .ok_or(Refused::Unknown);
        };
        // A file that was written by hand may hold a text of this form.
        if self.bootstrap.grant.is_shown(&shown, now) {
            return Ok(self.bootstrap.clone());
        }
        let all = self.read();
        let held = all.get(shown.id);
        let held = held.filter(|held| held.grant.is_shown(&shown, now));
        let held = held.ok_or(Refused::Unknown)?;
        if let Some(ended) = held.grant.ended(now) {
            return Err(Refused::Ended(ended));
        }
        held.used.now.store(now, Ordering::Relaxed);
        Ok(Caller {
            grant: Arc::clone(&held.grant),
            ended: held.ended.clone(),
        })
    }

    /// All tokens with their numbers, in no order.
    pub fn list(&self) -> Vec<StoredGrant> {
        self.read().values().map(Held::shown).collect()
    }

    /// One token.
    pub fn get(&self, id: &str) -> Option<StoredGrant> {
        self.read().get(id).map(Held::shown)
    }

    /// Gives a token out. `make` gets its new identifier and the digest of its text.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if there are as many as may be; if the store or the source of randomness fails.
    pub async fn create(
        &self,
        make: impl FnOnce(String, Digest) -> Grant,
    ) -> Result<(StoredGrant, String), Failure> {
        let _turn = self.changing.lock().await;
        self.make_room().await?;
        let id = Written::id(random()?);
        let written = Written::new(&id, random::<SECRET_BYTES>()?);
        let grant = make(id, written.digest);
        let stored = self.keep(grant, None).await?;
        Ok((stored, written.text))
    }

    /// Gives a token another text; the one before counts until `until`, in milliseconds of Unix time.
    /// `None`: there is no such token.
    ///
    /// # Errors
    /// [`Kind::Conflict`] if it opens nothing any more; if the store or the source of randomness fails.
    pub async fn rotate(
        &self,
        id: &str,
        until: u64,
    ) -> Result<Option<(StoredGrant, String)>, Failure> {
        let _turn = self.changing.lock().await;
        let Some(stored) = self.get(id) else {
            return Ok(None);
        };
        if stored.grant.ended(unix_ms()).is_some() {
            let detail = "this token was revoked or has expired; create another one";
            return Err(Failure::new(Kind::Conflict, detail));
        }
        let written = Written::new(id, random::<SECRET_BYTES>()?);
        let mut grant = stored.grant;
        grant.before = Some((grant.digest, until));
        grant.digest = written.digest;
        let stored = self.keep(grant, Some(id)).await?;
        Ok(Some((stored, written.text)))
    }

    /// Revokes a token; one that was revoked stays as it is. `None`: there is none.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn revoke(&self, id: &str, now: u64) -> Result<Option<StoredGrant>, Failure> {
        let _turn = self.changing.lock().await;
        let Some(stored) = self.get(id) else {
            return Ok(None);
        };
        if stored.grant.revoked_unix_ms.is_some() {
            return Ok(Some(stored));
        }
        let mut grant = stored.grant;
        grant.revoked_unix_ms = Some(now);
        Ok(Some(self.keep(grant, Some(id)).await?))
    }

    /// Stores a token and takes it into use. Streams that are open with the one before it end.
    async fn keep(&self, grant: Grant, before: Option<&str>) -> Result<StoredGrant, Failure> {
        let number = self.store.save_token(&grant).await?;
        let mut all = self.write();
        let old = before.and_then(|id| all.remove(id));
        let used = old.as_ref().map(|old| Arc::clone(&old.used));
        let held = Held {
            number,
            ended: self.stopping.child_token(),
            used: used.unwrap_or_default(),
            grant: Arc::new(grant),
        };
        let shown = held.shown();
        all.insert(held.grant.id.clone(), held);
        drop(all);
        if let Some(old) = old {
            old.ended.cancel();
        }
        Ok(shown)
    }

    /// Forgets the oldest tokens that open nothing while there are too many.
    async fn make_room(&self) -> Result<(), Failure> {
        while self.read().len() >= MAX_TOKENS {
            let now = unix_ms();
            let oldest = {
                let all = self.read();
                let over = all.values().filter(|held| held.grant.ended(now).is_some());
                over.min_by_key(|held| held.number)
                    .map(|held| held.grant.id.clone())
            };
            let Some(oldest) = oldest else {
                let detail = format!("there are {MAX_TOKENS} tokens; revoke those not needed");
                return Err(Failure::new(Kind::Conflict, detail));
            };
            self.store.remove_token(&oldest).await?;
            self.write().remove(&oldest);
        }
        Ok(())
    }

    /// Writes down when tokens were used, and ends what is open for those that have expired, once a
    /// minute and when the API stops.
    pub async fn look_after(&self) {
        let mut every = tokio::time::interval(TOKENS_USED_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let stopped = tokio::select! {
                () = self.stopping.cancelled() => true,
                _ = every.tick() => false,
            };
            self.look(unix_ms()).await;
            if stopped {
                return;
            }
        }
    }

    async fn look(&self, now: u64) {
        let used: Vec<(String, u64)> = {
            let all = self.read();
            let expired = all.values().filter(|held| held.grant.ended(now).is_some());
            expired.for_each(|held| held.ended.cancel());
            let news = all.values().filter_map(|held| {
                let used = held.used.now.load(Ordering::Relaxed);
                let before = held.used.stored.swap(used, Ordering::Relaxed);
                (used != before).then(|| (held.grant.id.clone(), used))
            });
            news.collect()
        };
        if used.is_empty() {
            return;
        }
        if let Err(error) = self.store.tokens_used(&used).await {
            tracing::error!(%error, "when tokens were used was not stored");
        }
    }
}

impl Held {
    fn shown(&self) -> StoredGrant {
        let used = self.used.now.load(Ordering::Relaxed);
        StoredGrant {
            number: self.number,
            last_used_unix_ms: (used > 0).then_some(used),
            grant: Grant::clone(&self.grant),
        }
    }
}

/// Bytes from the kernel.
pub fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the kernel gives no random bytes");
        Failure::new(
            Kind::Internal,
            "the kernel of the control node gives no random bytes",
        )
    })?;
    Ok(bytes)
}
