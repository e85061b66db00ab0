//! A relay's events after a cursor: over HTTP, or from the relay in the same process.

use std::sync::Arc;
use std::vec;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use patchbay_route::session::RelayEvent;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::Instant;

use super::client::LinkError;
use super::sse::SseReader;
use super::{MAX_SILENCE, transport_said};

/// The events after a cursor that are kept, and those to come; none where the cursor is none of the
/// relay's, or too old.
pub type Following = Option<(Vec<Arc<RelayEvent>>, broadcast::Receiver<Arc<RelayEvent>>)>;

/// Where the events of a relay in the same process are read.
#[derive(Clone)]
pub struct NearEvents(Arc<dyn Fn(u64) -> Following + Send + Sync>);

impl NearEvents {
    /// Read by `after`, which takes a cursor.
    pub fn new(after: impl Fn(u64) -> Following + Send + Sync + 'static) -> NearEvents {
        NearEvents(Arc::new(after))
    }

    /// The events after `cursor`.
    pub(super) fn after(&self, cursor: u64) -> Result<EventStream, LinkError> {
        // The status by which the relay's API says the same.
        let (kept, live) = self.0(cursor).ok_or(LinkError::Status(410))?;
        let kept = kept.into_iter();
        Ok(EventStream::Near { kept, live })
    }
}

impl std::fmt::Debug for NearEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NearEvents")
    }
}

/// A relay's events, one after the other.
pub enum EventStream {
    /// From a relay's private API.
    Far {
        /// What comes.
        chunks: BoxStream<'static, Result<Bytes, LinkError>>,
        /// Cuts it into events.
        reader: SseReader,
        /// When something came, keep-alives included.
        heard: Instant,
    },
    /// From the relay in the same process.
    Near {
        /// Those that had happened.
        kept: vec::IntoIter<Arc<RelayEvent>>,
        /// Those that happen.
        live: broadcast::Receiver<Arc<RelayEvent>>,
    },
}

impl EventStream {
    /// What comes as `chunks` from a relay's private API.
    pub(super) fn far(chunks: BoxStream<'static, Result<Bytes, LinkError>>) -> EventStream {
        EventStream::Far {
            chunks,
            reader: SseReader::default(),
            heard: Instant::now(),
        }
    }

    /// Waits for the next event. Nothing is lost when the waiting is given up.
    pub(super) async fn next(&mut self) -> Result<Arc<RelayEvent>, LinkError> {
        match self {
            EventStream::Near { kept, live } => match kept.next() {
                Some(event) => Ok(event),
                None => live.recv().await.map_err(|error| match error {
                    RecvError::Lagged(_) => unreadable("events were missed"),
                    RecvError::Closed => transport_said("the relay has stopped"),
                }),
            },
            EventStream::Far {
                chunks,
                reader,
                heard,
            } => loop {
                if let Some(data) = reader.next_data() {
                    return serde_json::from_str(&data)
                        .map(Arc::new)
                        .map_err(unreadable);
                }
                let chunk = tokio::time::timeout_at(*heard + MAX_SILENCE, chunks.next()).await;
                let chunk = chunk
                    .map_err(|_| transport_said("the event stream fell silent"))?
                    .ok_or_else(|| transport_said("the relay closed the event stream"))?;
                *heard = Instant::now();
                reader.push(&chunk?).map_err(unreadable)?;
            },
        }
    }
}

pub(super) fn unreadable(why: impl ToString) -> LinkError {
    LinkError::Unreadable(why.to_string())
}
