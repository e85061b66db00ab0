//! F7, B7: the packet engine with settled flows sent on at a device, with phones in another network
//! namespace beyond it: the same cases as over loopback. Each asserts, when its engine goes, that
//! packets were sent on at the device, or says why none were.
//!
//! Not here are:
//! - `engine_pinned`, `engine_spread`: which core and which packet thread has what, for those that
//!   pass by packet threads;
//! - `engine_send_full`: buffers of sockets that are full; what a device sends on is in none;
//! - `engine_steering`, `engine_steering_routes`: what steered ports are, without a device; what the
//!   routing table says at a device is in `engine_xdp_wire`;
//! - `engine_marks`: at a device it is `engine_marks_at_device`;
//! - `engine_at_device`, `engine_device_choice`, `engine_device_kept`, and `engine_hearing_at_device` and
//!   `engine_marks_at_device`: about the device alone, and joined to other networks by themselves, so
//!   they are in `engine_steered`.

mod engine_asymmetric;
mod engine_bleed;
mod engine_both_ways;
mod engine_burst;
mod engine_churn;
mod engine_close;
mod engine_dead_thread;
mod engine_dtmf;
mod engine_exhaustion;
mod engine_flood;
mod engine_forks;
mod engine_hairpin;
mod engine_handover;
mod engine_hearing;
mod engine_hold;
mod engine_move;
mod engine_multiplexed;
mod engine_nat;
mod engine_rebinding;
mod engine_rtcp;
mod engine_silence;
mod engine_sizes;
mod engine_strangers;
mod engine_stun_dtls;
mod engine_support;
mod engine_takeover;
mod engine_thousand;
mod engine_unreachable;
mod engine_v4_v6;
