//! Looking after the packet threads: the log says who died, and the calls that died with them
//! are ended.

use super::run::{Host, now};
use crate::engine::{Supervised, ThreadChange};
use std::time::Duration;

/// How often the packet threads are looked after. Two parties whose call has lost its media are
/// told within a second; looking costs a lock and a few loads.
pub(super) const SUPERVISE_EVERY: Duration = Duration::from_millis(100);

impl Host {
    /// Takes notice of packet threads that died or came back.
    pub(super) fn supervise(&mut self) {
        let now = now();
        let Supervised { changes, lost } = self.engine.supervise(now.instant);
        for change in &changes {
            match change {
                ThreadChange::Restarted { .. } => tracing::warn!("{change}"),
                ThreadChange::Died { .. } | ThreadChange::NotRestarted { .. } => {
                    tracing::error!("{change}");
                }
            }
        }
        if !lost.is_empty() {
            self.core.media_lost(&lost, now);
        }
    }
}
