//! What the API takes at most.

use std::time::Duration;

/// Longest declaration, in bytes: as many agents, queues and rules as a centre may have.
pub const MAX_DECLARATION_BYTES: usize = 16 * 1024 * 1024;
/// Longest body of any other request, in bytes.
pub const MAX_BODY_BYTES: usize = 128 * 1024;
/// Connections at a time; further ones wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 1_024;
/// Event streams at a time; a further one is answered 503.
pub const MAX_STREAMS: usize = 256;
/// Events that one stream has in memory at most.
pub const STREAM_BATCH: usize = 256;
/// Pause between two signs of life on an event stream.
pub const STREAM_KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Longest message that a client may send on a WebSocket, in bytes: it has nothing to say but control
/// frames.
pub const MAX_SOCKET_MESSAGE_BYTES: usize = 4 * 1024;
/// Time for one request up to the head of its answer; then 503.
pub const REQUEST_TIME: Duration = Duration::from_secs(30);
/// The longest that a request may wait for a contact to stand otherwise.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// Headers that are given with a contact of somebody outside.
pub const MAX_GIVEN_HEADERS: usize = 64;
/// A connection on which nothing moves for this long is closed, also a stream that is not read.
pub const IDLE_TIME: Duration = Duration::from_secs(120);
/// Time for requests under way when the process is asked to stop.
pub const GRACE: Duration = Duration::from_secs(5);
/// Contacts on a page unless said otherwise.
pub const DEFAULT_PAGE: usize = 50;
/// Reports and records that are made at a time; a further one is answered 503.
pub const MAX_READINGS: usize = 4;
/// Events that one of them has in memory at a time.
pub const READING_PAGE: usize = 256;
/// Events after the end of its range that it reads for contacts that are not over by then; those that are not
/// over after that count as they stand.
pub const MAX_TAIL_EVENTS: usize = 250_000;
/// Longest range of a report or of records, in milliseconds: a leap year.
pub const MAX_RANGE_MS: u64 = 366 * 86_400_000;
/// Range of a report or of records unless said otherwise, in milliseconds: a day.
pub const DEFAULT_RANGE_MS: u64 = 86_400_000;
/// Step of a report by time unless said otherwise, in seconds.
pub const DEFAULT_STEP_S: u64 = 3_600;
/// An answer within so many seconds is in time unless said otherwise.
pub const DEFAULT_THRESHOLD_S: u64 = 20;
/// The longest threshold that can be asked for, in seconds.
pub const MAX_THRESHOLD_S: u64 = 86_400;
/// Entries of a list on a page, and as many unless said otherwise.
pub const MAX_LIST: usize = 1_000;
/// Tokens that are kept, revoked and expired ones included: one for each agent, and as many more. The oldest
/// that open nothing make room; while there are none, a further one is answered 409.
pub const MAX_TOKENS: usize = 40_000;
/// Queues that one token may be bound to.
pub const MAX_TOKEN_QUEUES: usize = 64;
/// Longest time until a token expires, in seconds: ten years.
pub const MAX_TOKEN_TIME_S: u64 = 10 * 366 * 86_400;
/// How long the old text of a rotated token counts unless said otherwise, in seconds.
pub const DEFAULT_ROTATE_GRACE_S: u64 = 3_600;
/// How long it may count at most, in seconds: a week.
pub const MAX_ROTATE_GRACE_S: u64 = 7 * 86_400;
/// How often it is written down when tokens were last used.
pub const TOKENS_USED_EVERY: Duration = Duration::from_secs(60);
/// Changes at a time; a further one is answered 503.
pub const MAX_CHANGES: usize = 1_024;
/// Requests a second of one token unless said otherwise.
pub const DEFAULT_TOKEN_RATE: u32 = 200;
/// Requests of a token at once, as seconds of its rate.
pub const TOKEN_BURST_S: u32 = 5;
/// What a request that a token may not make counts beside itself.
pub const REFUSAL_COST: u32 = 9;
/// Units a second of an address whose requests show no valid token.
pub const SOURCE_RATE: u32 = 10;
/// Units of such an address at once.
pub const SOURCE_BURST: u32 = 200;
/// Units that a request without a valid token counts.
pub const FAILURE_COST: u32 = 5;
/// Tokens, addresses, and pairs of them that requests are counted for; beyond that those of longest ago are
/// forgotten.
pub const MAX_METERED: usize = 32_768;
/// How long the first answer to a request with an Idempotency-Key is given again.
pub const ANSWER_KEPT: Duration = Duration::from_secs(86_400);
/// Answers that are kept for one token; further requests with a key are answered 429.
pub const MAX_ANSWERS: u64 = 10_000;
/// Longest body of an answer that is kept, in bytes; a longer one is given again without it.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Longest Idempotency-Key, in characters.
pub const MAX_KEY_CHARS: usize = 255;
