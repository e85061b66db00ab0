//! Load from outside: packet generator, phones, reports.

pub mod calls;
pub mod phones;
pub mod report;
