//! Load from outside: packet generator, phones, reports.

pub mod phones;
