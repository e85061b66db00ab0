//! The program at the device: in the kernel, over frames that are shown to it and real ones.

mod engine_xdp_same;
mod engine_xdp_support;
mod engine_xdp_table;
