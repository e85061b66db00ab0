//! What each route needs: the one table by which requests are let through.

use axum::http::Method;

use crate::access::Permission as P;

/// Whose things an agent's token reaches on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// None of them.
    Nothing,
    /// The agent that the path names.
    Agent,
    /// The contact that the path names, while the agent has it.
    Contact,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// GET stands for HEAD as well.
    pub method: &'static str,
    /// As the router and the OpenAPI document have it.
    pub path: &'static str,
    /// What a token must have.
    pub needs: P,
    /// What an agent's token reaches without.
    pub own: Own,
    /// Whether it changes anything; then it may be repeated with a key.
    pub changes: bool,
    /// Whether what it changes is in the audit log.
    pub audited: bool,
}

const fn reads(path: &'static str, needs: P) -> Route {
    let (method, own) = ("GET", Own::Nothing);
    let (changes, audited) = (false, false);
    Route {
        method,
        path,
        needs,
        own,
        changes,
        audited,
    }
}

const fn changes(method: &'static str, path: &'static str, needs: P) -> Route {
    let (own, changes, audited) = (Own::Nothing, true, true);
    Route {
        method,
        path,
        needs,
        own,
        changes,
        audited,
    }
}

/// What happens to contacts has a story of its own, and would fill the audit log.
const fn traffic(path: &'static str) -> Route {
    Route {
        audited: false,
        ..changes("POST", path, P::ContactsRoute)
    }
}

const fn own(of: Own, route: Route) -> Route {
    Route { own: of, ..route }
}

/// All routes that need a token.
pub const ROUTES: [Route; 39] = [
    reads("/metrics", P::MetricsRead),
    reads("/api/v1/openapi.json", P::Document),
    reads("/api/v1/centre", P::CentreRead),
    changes("PUT", "/api/v1/centre", P::CentreWrite),
    reads("/api/v1/centre/versions", P::CentreRead),
    reads("/api/v1/centre/versions/{version}", P::CentreRead),
    reads("/api/v1/rules", P::CentreRead),
    Route {
        changes: false,
        ..changes("POST", "/api/v1/rules/explain", P::RulesExplain)
    },
    reads("/api/v1/agents", P::AgentsRead),
    own(Own::Agent, reads("/api/v1/agents/{id}", P::AgentsRead)),
    changes("PUT", "/api/v1/agents/{id}", P::CentreWrite),
    changes("DELETE", "/api/v1/agents/{id}", P::CentreWrite),
    own(
        Own::Agent,
        changes("POST", "/api/v1/agents/{id}/status", P::AgentsWrite),
    ),
    reads("/api/v1/queues", P::QueuesRead),
    reads("/api/v1/queues/{id}", P::QueuesRead),
    reads("/api/v1/links", P::QueuesRead),
    reads("/api/v1/contacts", P::ContactsRead),
    own(
        Own::Contact,
        reads("/api/v1/contacts/{id}", P::ContactsRead),
    ),
    changes("DELETE", "/api/v1/contacts/{id}", P::ContactsEnd),
    reads("/api/v1/contacts/{id}/timeline", P::ContactsRead),
    reads("/api/v1/callbacks", P::ContactsRoute),
    traffic("/api/v1/callbacks"),
    reads("/api/v1/callbacks/{id}", P::ContactsRoute),
    Route {
        audited: false,
        ..changes("DELETE", "/api/v1/callbacks/{id}", P::ContactsRoute)
    },
    traffic("/api/v1/route"),
    own(Own::Contact, reads("/api/v1/route/{id}", P::ContactsRoute)),
    own(Own::Contact, traffic("/api/v1/route/{id}")),
    reads("/api/v1/sessions", P::RelaysRead),
    reads("/api/v1/relays", P::RelaysRead),
    reads("/api/v1/events", P::EventsRead),
    reads("/api/v1/reports/{by}", P::ReportsRead),
    reads("/api/v1/records", P::RecordsRead),
    reads("/api/v1/trace", P::Trace),
    reads("/api/v1/tokens", P::Tokens),
    changes("POST", "/api/v1/tokens", P::Tokens),
    reads("/api/v1/tokens/{id}", P::Tokens),
    changes("DELETE", "/api/v1/tokens/{id}", P::Tokens),
    changes("POST", "/api/v1/tokens/{id}/rotate", P::Tokens),
    reads("/api/v1/audit", P::AuditRead),
];

/// The entry of a route; `None` lets nobody through but administrators, whom the router then tells that
/// the path has no such method.
pub fn of(method: &Method, path: &str) -> Option<&'static Route> {
    let method = match method.as_str() {
        "HEAD" => "GET",
        other => other,
    };
    ROUTES
        .iter()
        .find(|route| route.method == method && route.path == path)
}
