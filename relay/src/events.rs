//! The relay's event stream: the last events are kept so that a reader can come back.

use patchbay_route::session::{RelayEvent, SessionEvent};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::broadcast;

/// Events that are kept for readers who come back.
pub const MAX_KEPT_EVENTS: usize = 65_536;
/// Events that a slow reader may be behind before it must begin anew.
const MAX_BEHIND: usize = 8_192;

/// What a reader gets who asks for the events after a cursor.
pub enum Replay {
    /// The kept events after the cursor, then the live ones.
    From(Vec<Arc<RelayEvent>>, broadcast::Receiver<Arc<RelayEvent>>),
    /// Events after that cursor are gone, or it is none of ours: read the sessions anew.
    Gone,
}

struct Log {
    cursor: u64,
    kept: VecDeque<Arc<RelayEvent>>,
}

/// The stream; cheap to clone.
#[derive(Clone)]
pub struct Events {
    log: Arc<Mutex<Log>>,
    live: broadcast::Sender<Arc<RelayEvent>>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Events");
        shown
            .field("cursor", &self.cursor())
            .finish_non_exhaustive()
    }
}

impl Default for Events {
    fn default() -> Self {
        let (live, _) = broadcast::channel(MAX_BEHIND);
        let log = Log {
            cursor: 0,
            kept: VecDeque::new(),
        };
        Self {
            log: Arc::new(Mutex::new(log)),
            live,
        }
    }
}

impl Events {
    fn log(&self) -> MutexGuard<'_, Log> {
        // A panic while the lock was held leaves a log that is still in order.
        self.log
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The last event's cursor; 0 before the first.
    pub fn cursor(&self) -> u64 {
        self.log().cursor
    }

    /// Events that are kept.
    pub fn kept(&self) -> usize {
        self.log().kept.len()
    }

    /// Adds an event.
    pub fn add(&self, unix_ms: u64, event: SessionEvent) {
        let mut log = self.log();
        log.cursor += 1;
        let event = Arc::new(RelayEvent {
            cursor: log.cursor,
            unix_ms,
            event,
        });
        if log.kept.len() >= MAX_KEPT_EVENTS {
            log.kept.pop_front();
        }
        log.kept.push_back(Arc::clone(&event));
        // Nobody listens: the log keeps it.
        let _ = self.live.send(event);
    }

    /// The events after `cursor`.
    pub fn after(&self, cursor: u64) -> Replay {
        // The lock is held until the receiver stands, so that no event falls between.
        let log = self.log();
        let oldest = log
            .kept
            .front()
            .map_or(log.cursor + 1, |event| event.cursor);
        if cursor > log.cursor || cursor + 1 < oldest {
            return Replay::Gone;
        }
        let kept = log.kept.iter().filter(|event| event.cursor > cursor);
        Replay::From(kept.cloned().collect(), self.live.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_route::session::SessionRef;

    fn event(number: usize) -> SessionEvent {
        SessionEvent::Started(SessionRef {
            session: number.to_string(),
            contact: String::new(),
            offer: String::new(),
            agent: String::new(),
        })
    }

    #[test]
    fn a_reader_continues_where_it_was() {
        let events = Events::default();
        (0..10).for_each(|number| events.add(0, event(number)));
        let Replay::From(kept, mut live) = events.after(7) else {
            panic!("the events are kept");
        };
        let cursors: Vec<_> = kept.iter().map(|event| event.cursor).collect();
        assert_eq!(cursors, [8, 9, 10]);
        events.add(0, event(10));
        assert_eq!(live.try_recv().map(|event| event.cursor), Ok(11));
    }

    #[test]
    fn a_cursor_that_is_gone_or_unknown_is_said_to_be() {
        let events = Events::default();
        (0..MAX_KEPT_EVENTS + 5).for_each(|number| events.add(0, event(number)));
        assert!(matches!(events.after(3), Replay::Gone));
        assert!(matches!(events.after(5), Replay::From(..)));
        assert!(matches!(events.after(u64::MAX - 1), Replay::Gone));
    }
}
