//! The event stream: from any cursor on, without a gap and without a repetition.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use patchbay_core::Event;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::body::Params;
use super::keyring::Caller;
use super::limits::{MAX_STREAMS, STREAM_BATCH, STREAM_KEEP_ALIVE};
use super::problem::{Failure, Kind, Problem};
use super::{Shared, schema, socket};
use crate::node::{Gauges, NodeHandle, StoredEvent, news, unix_ms};
use crate::store::Store;

/// An event as clients see it: one flat object.
#[derive(Serialize)]
pub struct Told {
    cursor: u64,
    #[serde(flatten)]
    event: Event,
}

impl From<StoredEvent> for Told {
    fn from(stored: StoredEvent) -> Told {
        Told {
            cursor: stored.cursor,
            event: stored.event,
        }
    }
}

/// Where to begin.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamParams {
    /// Events with a higher cursor; 0: all that are kept. Default: those from now on.
    after: Option<u64>,
    /// Without `after`: so many of the last events first.
    recent: Option<u64>,
    /// `true`: `queue_gauge` events too, when one has changed, at most once a second for a queue, and all
    /// of them at first. They are not kept, and have the cursor of the event before.
    gauges: Option<bool>,
}

/// The events as they happen (server-sent events); each message's `id` is its cursor.
///
/// A Last-Event-ID header says where to go on, and wins over `after`. Nothing is left out and
/// nothing comes twice, however slowly the stream is read. A request that opens a WebSocket (RFC 6455)
/// gets the same events, a text frame each; pages, which cannot send the token otherwise, offer the
/// subprotocols `patchbay.v1` and `bearer.TOKEN`.
#[utoipa::path(get, path = "/events", tag = "events",
    params(StreamParams, ("Last-Event-ID" = Option<u64>, Header, description = "The last cursor seen")),
    responses(
        (status = 101, description = "A WebSocket: each text frame is one event"),
        (status = 200, description = "Never ends by itself; `data` is one event",
            body = schema::EventMessage, content_type = "text/event-stream"),
        (status = 400, description = "The query or the handshake cannot be read", body = Problem),
        (status = 410, description = "Events after this cursor were removed, or never were", body = Problem),
        (status = 426, description = "A WebSocket of another version than 13", body = Problem),
        (status = 503, description = "As many streams are open as may be", body = Problem)))]
pub async fn stream(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<StreamParams>,
    mut request: Request,
) -> Result<Response, Failure> {
    let handshake = socket::wanted(&mut request)?;
    let reader = open(&shared, &caller, &params, request.headers()).await?;
    if let Some(handshake) = handshake {
        return Ok(handshake.accept(reader));
    }
    let batches = reader.batches();
    let messages = batches.flat_map(|batch| stream::iter(batch.into_iter().filter_map(message)));
    let messages = messages.map(Ok::<_, Infallible>);
    Ok(Sse::new(messages)
        .keep_alive(KeepAlive::new().interval(STREAM_KEEP_ALIVE))
        .into_response())
}

/// A reader that begins where it is asked to.
async fn open(
    shared: &Shared,
    caller: &Caller,
    params: &StreamParams,
    headers: &HeaderMap,
) -> Result<Reader, Failure> {
    let permit = shared.streams.clone().try_acquire_owned().map_err(|_| {
        Failure::new(
            Kind::Busy,
            format!("{MAX_STREAMS} streams are open; close one"),
        )
    })?;
    // Subscribed before the store is asked, so that nothing falls between the two.
    let receiver = shared.api.node.subscribe();
    let store = shared.api.store.clone();
    let last = match last_event_id(headers)?.or(params.after) {
        Some(cursor) => still_there(&store, cursor).await?,
        None => {
            let recent = params.recent.unwrap_or(0);
            let from = store.last_cursor().await.saturating_sub(recent);
            from.max(store.pruned_to().await)
        }
    };
    Ok(Reader {
        store,
        receiver,
        last,
        replaying: true,
        ended: caller.ended.clone(),
        gauges: params
            .gauges
            .unwrap_or(false)
            .then(|| Watched::new(&shared.api.node)),
        expires: caller.grant.expires_unix_ms.map(instant),
        _permit: permit,
    })
}

fn instant(at_unix_ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(at_unix_ms.saturating_sub(unix_ms()))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let cursor = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let wrong = || Failure::new(Kind::Malformed, "Last-Event-ID is not a cursor");
    cursor.map(Some).ok_or_else(wrong)
}

/// Refuses a cursor after which the stream would not be whole.
async fn still_there(store: &Store, cursor: u64) -> Result<u64, Failure> {
    let (oldest, last) = (store.pruned_to().await, store.last_cursor().await);
    let detail = match cursor {
        0 => return Ok(oldest),
        cursor if cursor > last => format!("the last event is {last}: was the database restored?"),
        cursor if cursor < oldest => format!("events up to {oldest} were removed"),
        cursor => return Ok(cursor),
    };
    let detail = format!("{detail}; read the state again, and go on from after={last}");
    Err(Failure::new(Kind::Gone, detail))
}

/// Gauges have no cursor of their own: whoever goes on from theirs misses nothing.
fn numbered(cursor: u64, gauges: Vec<Event>) -> Vec<Arc<StoredEvent>> {
    let numbered = gauges.into_iter().map(|event| {
        let unix_ms = event.unix_ms;
        Arc::new(StoredEvent {
            cursor,
            unix_ms,
            event,
        })
    });
    numbered.collect()
}

fn message(stored: Arc<StoredEvent>) -> Option<Message> {
    let id = stored.cursor.to_string();
    let told = Told::from(Arc::unwrap_or_clone(stored));
    Message::default().id(id).json_data(told).ok()
}

/// The gauges that a stream has told.
struct Watched {
    told: Gauges,
    now: watch::Receiver<Gauges>,
}

impl Watched {
    fn new(node: &NodeHandle) -> Watched {
        let told = Gauges::default();
        let now = node.gauges();
        Watched { told, now }
    }

    /// Those that have changed since the last time; waits for the next ones. None once the node stops.
    async fn next(&mut self) -> Option<Vec<Event>> {
        loop {
            let now = self.now.borrow_and_update().clone();
            let news = news(&self.told, &now);
            self.told = now;
            if !news.is_empty() {
                return Some(news);
            }
            self.now.changed().await.ok()?;
        }
    }
}

/// What a reader waited for.
enum Heard {
    Event(Result<Arc<StoredEvent>, RecvError>),
    Gauges(Vec<Event>),
    /// The token may open nothing any more.
    Over,
}

/// Reads the store up to its end, then the live events. A reader that falls behind these goes back
/// to the store, so that a slow client costs a batch of memory, however slow it is.
pub struct Reader {
    store: Store,
    receiver: Receiver<Arc<StoredEvent>>,
    last: u64,
    replaying: bool,
    ended: CancellationToken,
    /// When the token expires.
    expires: Option<Instant>,
    gauges: Option<Watched>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// Ends when the API does, or the token opens nothing any more.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// The events in batches. A read that has begun is finished whoever else is waited for: one that is
    /// cut off would take its connection to the store with it.
    pub fn batches(self) -> impl Stream<Item = Vec<Arc<StoredEvent>>> {
        stream::unfold(self, |mut reader| async {
            let batch = reader.next().await?;
            Some((batch, reader))
        })
    }

    /// Waits for what is not in the store yet.
    async fn hear(&mut self) -> Heard {
        let expiry = async {
            match self.expires {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let gauges = async {
            match &mut self.gauges {
                Some(watched) => watched.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.ended.cancelled() => Heard::Over,
            () = expiry => Heard::Over,
            Some(news) = gauges => Heard::Gauges(news),
            received = self.receiver.recv() => Heard::Event(received),
        }
    }

    async fn next(&mut self) -> Option<Vec<Arc<StoredEvent>>> {
        loop {
            // Whoever reads old events may read for long.
            if self.ended.is_cancelled() || self.expires.is_some_and(|at| at <= Instant::now()) {
                self.ended.cancel();
                return None;
            }
            if self.replaying {
                // What was removed before it was read would be a gap; the client is told when it
                // comes back.
                if self.store.pruned_to().await > self.last {
                    return None;
                }
                match self.store.events_after(self.last, STREAM_BATCH).await {
                    Ok(batch) if batch.is_empty() => self.replaying = false,
                    Ok(batch) => {
                        self.last = batch.last().map_or(self.last, |event| event.cursor);
                        return Some(batch.into_iter().map(Arc::new).collect());
                    }
                    Err(error) => {
                        tracing::error!(%error, "an event stream ends");
                        return None;
                    }
                }
            }
            let received = match self.hear().await {
                Heard::Event(received) => received,
                Heard::Gauges(news) => return Some(numbered(self.last, news)),
                Heard::Over => continue,
            };
            match received {
                Ok(event) if event.cursor <= self.last => {}
                Ok(event) if event.cursor == self.last + 1 => {
                    self.last = event.cursor;
                    return Some(vec![event]);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => self.replaying = true,
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
