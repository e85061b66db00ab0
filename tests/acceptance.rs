//! The acceptance tests, one scenario a file: linked once, they build in a fraction of the time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

// Before all others, for its macro.
#[macro_use]
mod support;

mod agent_busy;
mod agent_does_not_answer;
mod agent_hangs_up;
mod agent_registers;
mod agent_unregisters;
mod answer_crosses_cancel;
mod api_access;
mod api_roles;
mod at_device;
mod baresip_agent;
mod baresip_transfers;
mod basic_call_tcp;
mod basic_call_udp;
mod behind_kamailio;
mod bench;
mod bench_target;
mod call_information;
mod caller_cancels_while_queued;
mod caller_cancels_while_ringing;
mod check_reports_everything;
mod control_killed;
mod demo;
mod device_names;
mod early_media;
mod expected_wait;
mod fax;
mod forged_transfer;
mod graceful_stop;
mod hold;
mod ipv6_caller_to_ipv4_agent;
mod large_requests;
mod lost_ack;
mod lost_media;
mod malformed_requests;
mod media_strangers;
mod methods_in_dialog;
mod moved_medium;
mod mutated_traffic;
mod named_agents;
mod no_agent;
mod no_usable_codec;
mod overflow;
mod overload;
mod phone_transfers;
mod ports_exhausted;
mod queue_limits;
mod queue_order;
mod races_in_call;
mod rare_requests;
mod relay_restarted;
mod reliable_provisional;
mod retransmitted_invite;
mod rules_and_calendars;
mod rules_and_skills;
mod rules_explained;
mod session_timers;
mod sip_trace;
mod stories_and_reports;
mod strategies;
mod systemd_units;
mod telephone_events;
mod termination_notice;
mod tls;
mod tls_agent;
mod topology_hidden;
mod torture;
mod transfer_forms;
mod two_devices_answer;
mod waiting_callers;
mod websocket_agent;
