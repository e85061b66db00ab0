//! The control API, one subject a file.

mod api_access;
mod api_agents;
mod api_audit;
mod api_centre;
mod api_contacts;
mod api_events;
mod api_gauges;
mod api_openapi;
mod api_page;
mod api_pages;
mod api_process;
mod api_rates;
mod api_repeated;
mod api_reports;
mod api_roles;
mod api_route;
mod api_rules;
mod api_socket;
mod api_support;
mod api_timeline;
mod api_tokens;
mod api_trace;
mod api_versions;
mod store_support;
