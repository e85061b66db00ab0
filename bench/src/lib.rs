//! Load from outside: packet generator, phones, reports.

pub mod calls;
pub mod packets;
pub mod phones;
pub mod report;
