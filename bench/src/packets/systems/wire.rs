//! What the benchmark and a relay's process say to each other: JSON, a message a line, by the
//! process's standard input and output. Each question has one answer, in order.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::packets::vocabulary::{Guest, Phones};

/// Longest line, in bytes, without its end: room for [`MAX_CALLS_A_LINE`] calls of IPv6
/// addresses, and for a histogram.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// Calls of one line; more calls need several.
pub const MAX_CALLS_A_LINE: usize = 256;

/// What the benchmark asks of a relay's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Open calls between phones at those addresses. [`Answer::Opened`].
    Open(Vec<Phones>),
    /// Close all calls. [`Answer::Closed`].
    Close,
    /// Open and close calls from now on, until [`Ask::StopChurn`]. [`Answer::Done`].
    Churn {
        /// Calls opened a second; as many are closed.
        per_s: u32,
        /// Their phones, in turn.
        phones: Vec<Phones>,
    },
    /// [`Answer::Guests`].
    Guests,
    /// [`Answer::Churned`].
    StopChurn,
    /// [`Answer::Losses`].
    Losses,
    /// [`Answer::Allocations`].
    Allocations,
    /// [`Answer::Forwarding`].
    Forwarding,
    /// [`Answer::DeviceMemory`].
    DeviceMemory,
    /// End. [`Answer::Done`].
    Quit,
}

/// What a relay's process answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// The first line, unasked: it runs.
    Ready {
        /// Name and version.
        name: String,
        /// Its engine.
        engine: String,
    },
    /// Where caller and callee of each call are to send RTP to.
    Opened(Vec<[SocketAddr; 2]>),
    /// So many calls were closed.
    Closed(usize),
    /// It is done.
    Done,
    /// Calls of the churn that are to carry media, and were opened since this was last asked; at most
    /// [`MAX_CALLS_A_LINE`] / 2.
    Guests(Vec<Guest>),
    /// So many calls were opened and closed.
    Churned(u64),
    /// What it counted so far, if it says.
    Losses(Option<Counts>),
    /// Heap allocations of its packet threads so far, if they are counted.
    Allocations(Option<u64>),
    /// Its measure of forwarding time: nanoseconds, and how often.
    Forwarding(Option<Vec<(u64, u64)>>),
    /// Bytes that it has taken for its flows at devices, if it says.
    DeviceMemory(Option<u64>),
    /// It could not; why.
    Failed(String),
    /// It has no room for so many calls, and is about to end.
    NoRoom {
        /// Calls that it was to have room for.
        calls: usize,
        /// What the limit is, and how to raise it.
        limit: String,
    },
}

/// Counters of a relay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Packets that reached it.
    pub received: u64,
    /// Packets that it sent on.
    pub forwarded: u64,
    /// Packets that it did not, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// Why a line is no message.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side is gone, or a pipe failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// More than [`MAX_LINE_BYTES`].
    #[error("a line of more than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// Cut off in the middle of a line.
    #[error("a line without an end")]
    Unfinished,
    /// Not a message.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// Reads a message; `None` when the other side has closed its end.
///
/// # Errors
/// [`WireError`]; after one of the first three nothing more can be read.
pub fn read<T: DeserializeOwned>(input: &mut impl BufRead) -> Result<Option<T>, WireError> {
    let mut line = Vec::new();
    let most = MAX_LINE_BYTES as u64 + 1;
    input.take(most).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        let too_long = line.len() >= MAX_LINE_BYTES;
        return Err(if too_long {
            WireError::TooLong
        } else {
            WireError::Unfinished
        });
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

/// Writes a message.
///
/// # Errors
/// [`WireError::TooLong`] before anything is written, or what the pipe says.
pub fn write(output: &mut impl Write, message: &impl Serialize) -> Result<(), WireError> {
    let mut line = serde_json::to_vec(message)?;
    if line.len() > MAX_LINE_BYTES {
        return Err(WireError::TooLong);
    }
    line.push(b'\n');
    output.write_all(&line)?;
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_pass_as_lines() {
        let phones: Phones = [
            "127.0.0.2:10000".parse().unwrap(),
            "[::1]:65535".parse().unwrap(),
        ];
        let mut line = Vec::new();
        write(&mut line, &Ask::Open(vec![phones])).unwrap();
        write(&mut line, &Ask::Quit).unwrap();
        assert_eq!(
            String::from_utf8(line.clone()).unwrap(),
            "{\"open\":[[\"127.0.0.2:10000\",\"[::1]:65535\"]]}\n\"quit\"\n"
        );
        let mut input = line.as_slice();
        assert_eq!(read(&mut input).unwrap(), Some(Ask::Open(vec![phones])));
        assert_eq!(read(&mut input).unwrap(), Some(Ask::Quit));
        assert_eq!(read::<Ask>(&mut input).unwrap(), None);
    }

    #[test]
    fn the_largest_messages_fit() {
        let widest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        let phones: Phones = [widest.parse().unwrap(); 2];
        let open = Ask::Open(vec![phones; MAX_CALLS_A_LINE]);
        write(&mut io::sink(), &open).unwrap();
        write(
            &mut io::sink(),
            &Answer::Forwarding(Some(vec![(1 << 36, u64::from(u32::MAX)); 1024])),
        )
        .unwrap();
    }

    #[test]
    fn long_cut_and_senseless_lines_are_refused() {
        let long = vec![b' '; MAX_LINE_BYTES + 1];
        let outcome = read::<Ask>(&mut long.as_slice());
        assert!(matches!(outcome, Err(WireError::TooLong)), "{outcome:?}");
        let outcome = read::<Ask>(&mut &b"\"quit\""[..]);
        assert!(matches!(outcome, Err(WireError::Unfinished)), "{outcome:?}");
        for senseless in [
            "\n",
            "{}\n",
            "\"explode\"\n",
            "{\"open\":[[\"x\",\"y\"]]}\n",
        ] {
            let outcome = read::<Ask>(&mut senseless.as_bytes());
            assert!(matches!(outcome, Err(WireError::Json(_))), "{outcome:?}");
        }
        let outcome = write(&mut io::sink(), &Answer::Failed("x".repeat(MAX_LINE_BYTES)));
        assert!(matches!(outcome, Err(WireError::TooLong)), "{outcome:?}");
    }
}
