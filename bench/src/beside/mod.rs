//! Calls through a whole centre beside what people run today, on one core each.
//!
//! A [`System`] is what is measured: ours, Kamailio with rtpengine, a bare forwarder of the same
//! messages, or nothing at all. [`plan`] says which loads in which order, the
//! [`crate::dialler`] is caller and phone, [`tree`] reads what all processes of a system used, and
//! [`report`] shows what came of it.

mod bed;
pub mod forward;
mod kamailio;
mod measure;
pub mod plan;
mod process;
pub mod report;
mod screen;
mod search;
mod summary;
mod tree;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use serde::Serialize;

pub use bed::{Bed, Cores, Start};
pub use kamailio::{missing, ready as kamailio_is_there};
pub use measure::{Footprint, Run};
pub use plan::{Outcome, Plan};
pub use process::on_core;
pub use report::Report;
pub use screen::Screen;
pub use summary::{Highest, Ratio, Ratios, Row};

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    /// An argument is out of its range.
    #[error("{0}")]
    Args(String),
    /// A program is not installed; the text says how to install it.
    #[error("{0}")]
    Missing(String),
    /// A socket, thread or file of the bench failed.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A system under test did not start.
    #[error("{system}: {why}")]
    Start {
        /// Which.
        system: &'static str,
        /// What it said.
        why: String,
    },
    /// Whoever started it stopped it.
    #[error("stopped")]
    Stopped,
}

impl BesideError {
    fn system(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |cause| Self::System { what, cause }
    }
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SystemKind {
    /// Ours.
    Patchbay,
    /// Debian's Kamailio as a record-routing proxy, with rtpengine-daemon.
    Kamailio,
    /// A forwarder of datagrams: the floor for anything that stands between two phones.
    Forwarder,
    /// Nothing: the phones call one another. What remains is the dialler's own time.
    Direct,
}

impl SystemKind {
    /// As it is written on the command line and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patchbay => "patchbay",
            Self::Kamailio => "kamailio",
            Self::Forwarder => "forwarder",
            Self::Direct => "direct",
        }
    }

    /// What it does for each call, and what it does not.
    #[must_use]
    pub const fn does(self) -> &'static str {
        match self {
            Self::Patchbay => {
                "one program: types the call by rules, queues it, selects an agent, is a back-to-back \
                 user agent with a dialog on each side, opens and closes a pair of media ports, and \
                 writes the call into its store"
            }
            Self::Kamailio => {
                "two programs: Kamailio forwards each message statefully by its request URI and \
                 record-routes; rtpengine has an offer, an answer and a delete for each call. No \
                 queue, no selection, no dialog state, no store"
            }
            Self::Forwarder => {
                "sends each datagram on to the other side, unread: no state, no media"
            }
            Self::Direct => "nothing: the phones call one another",
        }
    }

    /// Whether it puts itself between the media.
    #[must_use]
    pub const fn relays(self) -> bool {
        matches!(self, Self::Patchbay | Self::Kamailio)
    }
}

/// A system that runs. Dropping it ends all its processes.
pub trait System {
    /// Name and version.
    fn version(&self) -> String;
    /// Processes whose CPU time and memory are its; those they have started are its, too.
    fn processes(&self) -> Vec<u32>;
    /// Where callers send, in turn.
    fn targets(&self) -> Vec<SocketAddr>;
    /// The URIs that they call, in turn.
    fn uris(&self) -> Vec<String>;
}

/// What a system is started for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where callers send from.
    pub callers: Vec<SocketAddr>,
    /// Where phones answer.
    pub phones: Vec<SocketAddr>,
    /// Calls that talk at one time, at most.
    pub calls: usize,
    /// The core that all its threads have.
    pub core: usize,
}

/// The URIs of phones.
fn phone_uris(phones: &[SocketAddr]) -> Vec<String> {
    let uri = |phone: &SocketAddr| format!("sip:phone@{phone}");
    phones.iter().map(uri).collect()
}
