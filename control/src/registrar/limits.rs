//! Every limit of the registrar, by name.

/// Shortest time that a binding may be asked for, in seconds; a shorter wish is answered 423.
pub const MIN_EXPIRES_S: u64 = 60;

/// Time of a binding that asks for none, in seconds.
pub const DEFAULT_EXPIRES_S: u64 = 3600;

/// Longest time of a binding, in seconds; a longer wish is shortened.
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
