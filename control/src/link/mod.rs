//! Following the relays: which sessions live, which have ended.
//!
//! One task for each relay takes its list of sessions, then follows its event stream from the
//! list's cursor. Whatever breaks the stream (connection, gap, silence) leads to a new list, so a
//! missed event is never missed for long.
//!
//! A relay that was restarted may have taken its sessions over, and some of them may have ended
//! before its list was asked for. Its new process's events are taken from the first on, before the
//! list, so that these ends keep their causes.

mod book;
mod client;
mod lines;
mod secret;
mod sse;
mod stream;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use patchbay_route::session::{Capacity, RelayEvent, SessionList};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

pub use book::{MAX_DOOMED, Place, RELAY_LOST_AFTER, Relay, RelayBook, attempt_name};
pub use client::{LinkError, MAX_ANSWER_BYTES, RelayClient};
pub use lines::{LineReader, LineTooLong, MAX_TRACE_LINE_BYTES};
pub use secret::Secret;
pub use sse::{MAX_EVENT_BYTES, MAX_LINE_BYTES, SseError, SseReader};
pub use stream::{Following, NearEvents};
pub use tunnel::TunnelLink;

/// First pause after a failure; it doubles up to [`MAX_PAUSE`].
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// A stream that is silent for this long, keep-alive comments included, is taken for dead.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// How long the events of a relay's new process up to its list are waited for; then the list alone
/// counts.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Time between two questions for a relay's capacity.
const CAPACITY_EVERY: Duration = Duration::from_secs(5);

/// What the link to a relay reports; `relay` is the place in the configured list.
#[derive(Debug)]
pub enum LinkReport {
    /// The relay's sessions at `asked` (when the question was put) or later.
    List {
        /// Which relay.
        relay: usize,
        /// When the list was asked for.
        asked: Instant,
        /// The list.
        list: SessionList,
    },
    /// Something happened to a session.
    Event {
        /// Which relay.
        relay: usize,
        /// What happened.
        event: Arc<RelayEvent>,
    },
    /// The relay's capacity.
    Capacity {
        /// Which relay.
        relay: usize,
        /// As it said.
        capacity: Capacity,
    },
    /// The stream broke; attempts go on.
    Down {
        /// Which relay.
        relay: usize,
        /// One sentence.
        why: String,
    },
}

/// Follows one relay until `reports` is closed. A change of `relist` asks for the whole list again.
pub async fn follow(
    relay: usize,
    client: RelayClient,
    mut relist: watch::Receiver<u64>,
    reports: mpsc::Sender<LinkReport>,
) {
    let mut pause = MIN_PAUSE;
    let mut process = None;
    loop {
        let began = Instant::now();
        let why = match follow_once(relay, &client, &mut process, &mut relist, &reports).await {
            Ok(()) => return,
            Err(error) => error.to_string(),
        };
        if reports.send(LinkReport::Down { relay, why }).await.is_err() {
            return;
        }
        // A link that held for a while starts again with short pauses.
        if began.elapsed() > MAX_PAUSE {
            pause = MIN_PAUSE;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = reports.closed() => return,
        }
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// `Ok` when nobody listens to the reports any more. `process` is the relay's process that was
/// followed last.
async fn follow_once(
    relay: usize,
    client: &RelayClient,
    process: &mut Option<String>,
    relist: &mut watch::Receiver<u64>,
    reports: &mpsc::Sender<LinkReport>,
) -> Result<(), LinkError> {
    relist.mark_unchanged();
    let asked = Instant::now();
    let list = client.sessions().await?;
    let restarted = process.replace(list.instance.clone());
    let restarted = restarted.is_some_and(|before| before != list.instance);
    if restarted && !catch_up(relay, client, &list, reports).await? {
        return Ok(());
    }
    let instance = list.instance.clone();
    let mut cursor = list.cursor;
    let mut stream = client.events(cursor).await?;
    if reports
        .send(LinkReport::List { relay, asked, list })
        .await
        .is_err()
    {
        return Ok(());
    }
    let mut capacity = tokio::time::interval(CAPACITY_EVERY);
    capacity.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = reports.closed() => return Ok(()),
            _ = capacity.tick() => {
                let capacity = client.capacity().await?;
                if reports.send(LinkReport::Capacity { relay, capacity }).await.is_err() {
                    return Ok(());
                }
            }
            Ok(()) = relist.changed() => {
                // The cursor stays: events that the list reflects already do no harm.
                let asked = Instant::now();
                let list = client.sessions().await?;
                if list.instance != instance {
                    return Err(LinkError::Transport("the relay was restarted".to_owned()));
                }
                if reports.send(LinkReport::List { relay, asked, list }).await.is_err() {
                    return Ok(());
                }
            }
            event = stream.next() => {
                if !forward(relay, event?, &mut cursor, reports).await? {
                    return Ok(());
                }
            }
        }
    }
}

/// Tells what has happened in a relay's new process up to its list. Events that cannot be had in
/// time are left out: the list says what they came to. False when nobody listens any more.
async fn catch_up(
    relay: usize,
    client: &RelayClient,
    list: &SessionList,
    reports: &mpsc::Sender<LinkReport>,
) -> Result<bool, LinkError> {
    let Ok(mut stream) = client.events(0).await else {
        return Ok(true);
    };
    let mut cursor = 0;
    let latest = Instant::now() + CATCH_UP;
    while cursor < list.cursor {
        let Ok(Ok(event)) = tokio::time::timeout_at(latest, stream.next()).await else {
            return Ok(true);
        };
        if !forward(relay, event, &mut cursor, reports).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn transport_said(what: &str) -> LinkError {
    LinkError::Transport(what.to_owned())
}

/// Tells of an event unless it was told before. False when nobody listens any more.
async fn forward(
    relay: usize,
    event: Arc<RelayEvent>,
    cursor: &mut u64,
    reports: &mpsc::Sender<LinkReport>,
) -> Result<bool, LinkError> {
    if event.cursor <= *cursor {
        return Ok(true);
    }
    if event.cursor != *cursor + 1 {
        return Err(stream::unreadable("events are missing from the stream"));
    }
    *cursor = event.cursor;
    let report = LinkReport::Event { relay, event };
    Ok(reports.send(report).await.is_ok())
}
