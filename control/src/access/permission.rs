//! What a request may need.

use serde::{Deserialize, Serialize};

/// A permission. Those of [`Permission::scopes`] can be given to a token one by one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
pub enum Permission {
    /// See agents with their declarations and devices.
    #[serde(rename = "agents:read")]
    AgentsRead,
    /// Set agents' states.
    #[serde(rename = "agents:write")]
    AgentsWrite,
    /// Read who changed what.
    #[serde(rename = "audit:read")]
    AuditRead,
    /// See the declaration, its versions and its rules.
    #[serde(rename = "centre:read")]
    CentreRead,
    /// Declare queues, agents and rules.
    #[serde(rename = "centre:write")]
    CentreWrite,
    /// End contacts.
    #[serde(rename = "contacts:end")]
    ContactsEnd,
    /// See contacts and their stories.
    #[serde(rename = "contacts:read")]
    ContactsRead,
    /// Ask for agents, and tell what becomes of contacts that are carried outside.
    #[serde(rename = "contacts:route")]
    ContactsRoute,
    /// Read the OpenAPI document.
    #[serde(rename = "document")]
    Document,
    /// Follow the events.
    #[serde(rename = "events:read")]
    EventsRead,
    /// Read the metrics.
    #[serde(rename = "metrics:read")]
    MetricsRead,
    /// See queues and who waits in them.
    #[serde(rename = "queues:read")]
    QueuesRead,
    /// Read the records of contacts.
    #[serde(rename = "records:read")]
    RecordsRead,
    /// See relays and the sessions on them.
    #[serde(rename = "relays:read")]
    RelaysRead,
    /// Read reports.
    #[serde(rename = "reports:read")]
    ReportsRead,
    /// Try out rules.
    #[serde(rename = "rules:explain")]
    RulesExplain,
    /// Give out, see, rotate and revoke tokens.
    #[serde(rename = "tokens")]
    Tokens,
    /// See the signalling of calls, secrets struck out.
    #[serde(rename = "trace")]
    Trace,
    /// See the secrets in it as well.
    #[serde(rename = "trace:secrets")]
    TraceSecrets,
}

/// Those that a token can have one by one. Tokens would make more of themselves, and what a trace strikes
/// out opens other doors; everybody with scopes may read the document.
pub(super) const SCOPES: [Permission; 16] = [
    Permission::AgentsRead,
    Permission::AgentsWrite,
    Permission::AuditRead,
    Permission::CentreRead,
    Permission::CentreWrite,
    Permission::ContactsEnd,
    Permission::ContactsRead,
    Permission::ContactsRoute,
    Permission::EventsRead,
    Permission::MetricsRead,
    Permission::QueuesRead,
    Permission::RecordsRead,
    Permission::RelaysRead,
    Permission::ReportsRead,
    Permission::RulesExplain,
    Permission::Trace,
];

impl Permission {
    /// The permissions that a token of the role `integration` may have, by name.
    #[must_use]
    pub fn scopes() -> &'static [Permission] {
        &SCOPES
    }

    /// Its name, as scopes and problem documents have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Permission::AgentsRead => "agents:read",
            Permission::AgentsWrite => "agents:write",
            Permission::AuditRead => "audit:read",
            Permission::CentreRead => "centre:read",
            Permission::CentreWrite => "centre:write",
            Permission::ContactsEnd => "contacts:end",
            Permission::ContactsRead => "contacts:read",
            Permission::ContactsRoute => "contacts:route",
            Permission::Document => "document",
            Permission::EventsRead => "events:read",
            Permission::MetricsRead => "metrics:read",
            Permission::QueuesRead => "queues:read",
            Permission::RecordsRead => "records:read",
            Permission::RelaysRead => "relays:read",
            Permission::ReportsRead => "reports:read",
            Permission::RulesExplain => "rules:explain",
            Permission::Tokens => "tokens",
            Permission::Trace => "trace",
            Permission::TraceSecrets => "trace:secrets",
        }
    }

    /// The scope of this name.
    #[must_use]
    pub fn scope(name: &str) -> Option<Permission> {
        let mut scopes = SCOPES.into_iter();
        scopes.find(|scope| scope.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_has_one_name_everywhere() {
        for scope in SCOPES {
            assert_eq!(Permission::scope(scope.as_str()), Some(scope));
            assert_eq!(
                serde_json::to_value(scope).unwrap_or_default(),
                serde_json::json!(scope.as_str())
            );
        }
        for no_scope in ["tokens", "trace:secrets", "document", "", "Trace"] {
            assert_eq!(Permission::scope(no_scope), None, "{no_scope}");
        }
    }
}
