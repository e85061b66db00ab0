//! The packet engine with steered ports, over real loopback sockets: the same subjects as with a
//! socket for each port.

mod engine_asymmetric;
mod engine_at_device;
mod engine_bleed;
mod engine_both_ways;
mod engine_burst;
mod engine_churn;
mod engine_close;
mod engine_dead_thread;
mod engine_device_kept;
mod engine_dtmf;
mod engine_exhaustion;
mod engine_flood;
mod engine_forks;
mod engine_hairpin;
mod engine_handover;
mod engine_hold;
mod engine_move;
mod engine_multiplexed;
mod engine_nat;
mod engine_pinned;
mod engine_rebinding;
mod engine_rtcp;
mod engine_send_full;
mod engine_silence;
mod engine_sizes;
mod engine_spread;
mod engine_steering;
mod engine_steering_routes;
mod engine_strangers;
mod engine_stun_dtls;
mod engine_support;
mod engine_takeover;
mod engine_thousand;
mod engine_unreachable;
mod engine_v4_v6;
