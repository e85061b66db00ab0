//! Load from outside: packet generator, phones, reports.
