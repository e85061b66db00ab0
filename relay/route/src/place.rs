//! What keeps the places of callers who wait while control is started anew.
//!
//! Control tells the edge, in the header `P-Patchbay-Place` of a 100 to the caller's INVITE, all that its
//! next process has to know of the caller's place. The edge holds the call, and when the link breaks sends
//! its INVITE with that header to the next control node that connects. Nobody else ever sees it.

use core::time::Duration;

/// How long callers are kept whose control node is gone.
pub const KEPT_FOR: Duration = Duration::from_secs(30);

/// Longest value of the header; a place that needs more is not kept.
pub const MAX_PLACE_BYTES: usize = 4_096;

/// To how many control nodes in a row that say nothing of it an INVITE is sent again.
pub const MAX_TRIES: u8 = 3;

/// What the header says for a caller whose INVITE is sent again and who had no place yet.
pub const NO_PLACE: &str = "none";
