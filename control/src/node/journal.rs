//! Events and bindings on their way to the store.
//!
//! The node's task never waits for the disk: it hands over what is to be kept, and a task of its
//! own writes it, in order and in batches. While the store fails, writes are repeated; what does
//! not fit in the queue meanwhile is dropped and counted, and calls go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use patchbay_core::{Carried, ContactId, Event, Promised};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::views::StoredEvent;
use crate::registrar::Binding;
use crate::store::Store;

/// Entries that may wait to be written.
pub const MAX_JOURNAL: usize = 65_536;

/// Entries written together.
const BATCH: usize = 512;

/// How long the first entry of a batch waits for others.
const GATHER: Duration = Duration::from_millis(50);

/// First pause after a failed write; it doubles up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(50);

/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// Attempts for what is left when the node stops.
const LAST_ATTEMPTS: u32 = 3;

/// Something to keep.
#[derive(Debug)]
pub(super) enum Entry {
    Event(Event),
    Save(Binding),
    Remove(Binding),
    KeepCarried(Carried),
    ForgetCarried(ContactId),
    KeepCallBack(Box<Promised>),
    ForgetCallBack(ContactId),
    /// All before it is written.
    Written(oneshot::Sender<()>),
}

/// What was counted about the store.
#[derive(Debug, Default)]
pub(super) struct JournalCounters {
    pub(super) written: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) dropped: AtomicU64,
    /// The last write failed.
    pub(super) failing: AtomicBool,
}

/// The node's end of the journal.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    queue: mpsc::Sender<Entry>,
    pub(super) counters: Arc<JournalCounters>,
}

impl Journal {
    pub(super) fn keep(&self, entry: Entry) {
        if self.queue.try_send(entry).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Told when all that was to be kept before is in the store; an error if that is not known.
    pub(super) fn written(&self) -> oneshot::Receiver<()> {
        let (done, written) = oneshot::channel();
        self.keep(Entry::Written(done));
        written
    }
}

/// The writing end.
pub(super) struct JournalWriter {
    queue: mpsc::Receiver<Entry>,
    counters: Arc<JournalCounters>,
    store: Store,
    events: broadcast::Sender<Arc<StoredEvent>>,
    stop: CancellationToken,
}

/// Both ends. When `stop` is cancelled, writes are no longer repeated for ever.
pub(super) fn journal(
    store: Store,
    events: broadcast::Sender<Arc<StoredEvent>>,
    stop: CancellationToken,
) -> (Journal, JournalWriter) {
    let (sender, queue) = mpsc::channel(MAX_JOURNAL);
    let counters = Arc::<JournalCounters>::default();
    let writer = JournalWriter {
        queue,
        counters: Arc::clone(&counters),
        store,
        events,
        stop,
    };
    (
        Journal {
            queue: sender,
            counters,
        },
        writer,
    )
}

impl JournalWriter {
    /// Writes until the node's end is dropped and all is written.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut events = Vec::with_capacity(BATCH);
        while self.queue.recv_many(&mut batch, BATCH).await > 0 {
            self.gather(&mut batch).await;
            for entry in batch.drain(..) {
                match entry {
                    Entry::Event(event) => events.push(event),
                    other => self.write(other).await,
                }
            }
            self.write_events(&mut events).await;
        }
    }

    /// Writes one entry that is no event.
    async fn write(&self, entry: Entry) {
        match entry {
            Entry::Event(_) => {}
            Entry::Save(binding) => {
                let binding = &binding;
                self.repeat(|store| async move { store.save_binding(binding).await })
                    .await;
            }
            Entry::Remove(binding) => {
                let (agent, key) = (&binding.agent, &binding.key());
                self.repeat(|store| async move { store.remove_binding(agent, key).await })
                    .await;
            }
            Entry::KeepCarried(carried) => {
                let carried = &carried;
                self.repeat(|store| async move { store.save_carried(carried).await })
                    .await;
            }
            Entry::ForgetCarried(contact) => {
                self.repeat(|store| async move { store.remove_carried(contact).await })
                    .await;
            }
            Entry::KeepCallBack(promised) => {
                let promised = &promised;
                self.repeat(|store| async move { store.save_call_back(promised).await })
                    .await;
            }
            Entry::ForgetCallBack(contact) => {
                self.repeat(|store| async move { store.remove_call_back(contact).await })
                    .await;
            }
            Entry::Written(done) => {
                let _gone = done.send(());
            }
        }
    }

    /// Lets a batch fill for a moment: under load a commit for each event would cost more than
    /// all the rest of a call.
    async fn gather(&mut self, batch: &mut Vec<Entry>) {
        if batch.len() >= BATCH {
            return;
        }
        tokio::time::sleep(GATHER).await;
        while batch.len() < BATCH
            && let Ok(entry) = self.queue.try_recv()
        {
            batch.push(entry);
        }
    }

    async fn write_events(&self, events: &mut Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let count = events.len() as u64;
        let written: &[Event] = events;
        let last = self
            .repeat(|store| async move { store.append_events(written).await })
            .await;
        let first = last.map_or(0, |last| last + 1 - count);
        for (cursor, event) in (first..).zip(events.drain(..)) {
            // What was not stored is not told, and without subscribers nobody is.
            if last.is_none() || self.events.receiver_count() == 0 {
                continue;
            }
            let unix_ms = event.unix_ms;
            let stored = StoredEvent {
                cursor,
                unix_ms,
                event,
            };
            let _gone = self.events.send(Arc::new(stored));
        }
    }

    /// Repeats a write until it succeeds, or a few times when the node stops.
    async fn repeat<T, F>(&self, write: impl Fn(Store) -> F) -> Option<T>
    where
        F: Future<Output = Result<T, crate::store::StoreError>>,
    {
        let mut pause = MIN_PAUSE;
        let mut last_attempts = 0;
        loop {
            match write(self.store.clone()).await {
                Ok(value) => {
                    self.counters.written.fetch_add(1, Ordering::Relaxed);
                    if self.counters.failing.swap(false, Ordering::Relaxed) {
                        warn!("the store accepts writes again");
                    }
                    return Some(value);
                }
                Err(error) => {
                    self.counters.failures.fetch_add(1, Ordering::Relaxed);
                    if !self.counters.failing.swap(true, Ordering::Relaxed) {
                        error!(%error, "the store refuses a write; it is repeated");
                    }
                }
            }
            if self.stop.is_cancelled() {
                last_attempts += 1;
                if last_attempts >= LAST_ATTEMPTS {
                    self.counters.dropped.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled(), if !self.stop.is_cancelled() => {}
            }
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}
