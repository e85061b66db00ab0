//! The buffer server: SIP edge, sessions, routing table and packet engine.

pub mod engine;
