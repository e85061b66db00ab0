//! Roles and what they may.

use serde::{Deserialize, Serialize};

use super::Permission;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    Admin,
    /// Sees everything but tokens and the audit log; sets agents' states, ends contacts, takes traces.
    Supervisor,
    /// One agent: its own state and its own contact.
    Agent,
    /// A program: what its scopes name.
    Integration,
}

impl Role {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Supervisor => "supervisor",
            Role::Agent => "agent",
            Role::Integration => "integration",
        }
    }

    /// Whether it has a permission without regard to whose the thing is; `scopes` count for programs.
    #[must_use]
    pub fn allows(self, permission: Permission, scopes: &[Permission]) -> bool {
        match self {
            Role::Admin => true,
            Role::Supervisor => !matches!(
                permission,
                Permission::AuditRead
                    | Permission::CentreWrite
                    | Permission::ContactsRoute
                    | Permission::Tokens
                    | Permission::TraceSecrets
            ),
            Role::Agent => false,
            Role::Integration => permission == Permission::Document || scopes.contains(&permission),
        }
    }
}
