//! Load from outside: packet generator, phones, reports.

pub mod beside;
pub mod calls;
pub mod dialler;
pub mod packets;
pub mod phones;
pub mod report;
pub mod select;
