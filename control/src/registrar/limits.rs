//! Every limit of the registrar, by name.

/// Shortest time that a binding may be asked for, in seconds, unless the configuration says
/// otherwise; a shorter wish is answered 423.
pub const MIN_EXPIRES_S: u64 = 60;

/// Time of a binding that asks for none, in seconds.
pub const DEFAULT_EXPIRES_S: u64 = 3600;

/// Longest time of a binding, in seconds, unless the configuration says otherwise; a longer wish
/// is shortened.
pub const MAX_EXPIRES_S: u64 = 7200;

/// Bindings of one agent at the same time.
pub const MAX_BINDINGS_PER_AGENT: usize = 10;

/// Longest Contact URI, and longest Path of all hops together, in bytes. Both are carried,
/// escaped, in the transfer's Request-URI.
pub const MAX_CONTACT_BYTES: usize = 512;

/// Hops of one Path.
pub const MAX_PATHS: usize = 8;

/// Longest User-Agent kept, in characters.
pub const MAX_USER_AGENT: usize = 128;

/// Longest instance identifier (`+sip.instance`, RFC 5626 section 4.1) that counts as one, in
/// bytes.
pub const MAX_INSTANCE_BYTES: usize = 128;

/// How often a phone is asked to keep a UDP flow alive, in seconds: address translators forget one
/// after 30 s and more (RFC 5626 section 4.4.2).
pub const FLOW_TIMER_UDP_S: u64 = 25;

/// How often a phone is asked to keep a connection alive, in seconds (RFC 5626 section 4.4.1).
pub const FLOW_TIMER_CONNECTION_S: u64 = 120;

/// Wrong passwords for one account from one source that cost nothing.
pub const FREE_FAILURES: u32 = 5;

/// Wrong passwords from one source, whatever the account, that cost nothing: several phones may
/// stand behind one translator.
pub const FREE_FAILURES_OF_SOURCE: u32 = 20;

/// Wrong passwords for one account, from all sources that are new to it, that cost nothing.
pub const FREE_FAILURES_OF_ACCOUNT: u32 = 20;

/// Each failure beyond the free ones doubles the time for which no further credentials are looked
/// at, from 1 s up to this, in seconds.
pub const MAX_SLOW_DOWN_S: u64 = 300;

/// One failure is forgotten after this, in seconds.
pub const FORGET_FAILURE_S: u64 = 600;

/// Failures that are remembered at most, so that what is owed is bounded as well.
pub const MAX_FAILURES: u32 = 64;

/// Entries of each table of failures; beyond that the one that failed least recently is forgotten.
pub const MAX_METERS: usize = 16_384;

/// Pairs of account and source that registered with success; beyond that the one that did so least
/// recently is forgotten.
pub const MAX_FAMILIAR: usize = 100_000;

/// How long a source stays familiar to an account after it last registered, in seconds.
pub const FAMILIAR_S: u64 = 7 * 86_400;
