//! The store, one subject a file.

mod store_access;
mod store_bindings;
mod store_callers;
mod store_centre;
mod store_events;
mod store_files;
mod store_history;
mod store_records;
mod store_reports;
mod store_secret;
mod store_support;
