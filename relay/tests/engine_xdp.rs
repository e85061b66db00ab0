//! The program at the device, over frames that are shown to it and over wires.

mod engine_xdp_attach;
mod engine_xdp_hearing;
mod engine_xdp_object;
mod engine_xdp_rules;
mod engine_xdp_same;
mod engine_xdp_support;
mod engine_xdp_table;
mod engine_xdp_wire;
