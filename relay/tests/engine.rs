//! The packet engine over real loopback sockets, one subject a file.

mod engine_both_ways;
mod engine_burst;
mod engine_close;
mod engine_dead_thread;
mod engine_exhaustion;
mod engine_move;
mod engine_multiplexed;
mod engine_nat;
mod engine_pinned;
mod engine_sizes;
mod engine_strangers;
mod engine_support;
mod engine_thousand;
mod engine_unreachable;
mod engine_v4_v6;
