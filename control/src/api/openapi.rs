//! The OpenAPI document.

use axum::Json;
use axum::response::IntoResponse;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, OpenApi as Document, Ref, RefOr, Required, Response, ResponseBuilder,
    Schema,
};
use utoipa::{Modify, OpenApi};

use super::needs::{Own, ROUTES, Route};
use super::problem::PROBLEM_JSON;

const JSON: &str = "application/json";

const ABOUT: &str = "Declares the centre, shows what happens in it, and says why.\n\n\
    All paths but `/healthz` and `/readyz` need `Authorization: Bearer TOKEN`. The content of the file \
    `api-token` in the data directory of the control node opens everything; `POST /api/v1/tokens` \
    gives out tokens that open less. What an operation needs is in its description, and in its \
    `security` as scope. A role has permissions (`supervisor`), or a token has scopes (`integration`); \
    a token of the role `agent` reaches its own agent alone. Each token has a rate, told by `RateLimit` \
    and `RateLimit-Policy`; beyond it the answer is 429 with `Retry-After`. Changes take an \
    `Idempotency-Key`. Lists come in pages: the next is where \
    `Link` with `rel=\"next\"` says (RFC 8288). Errors are problem \
    documents (RFC 9457). Times are milliseconds of Unix time where their name says `unix_ms`, and \
    durations are in the unit that their name says.";

#[derive(OpenApi)]
#[openapi(
    info(title = "Patchbay control API", description = ABOUT),
    security(("token" = [])),
    modifiers(&Token),
    tags(
        (name = "declaration", description = "Queues, agents and rules as one declaration"),
        (name = "agents", description = "Who serves contacts"),
        (name = "queues", description = "Where contacts wait"),
        (name = "rules", description = "What an arriving contact is"),
        (name = "contacts", description = "Who is there, and who was"),
        (name = "route", description = "Agents for contacts that others carry"),
        (name = "relays", description = "The relays and the sessions on them"),
        (name = "trace", description = "The signalling of calls"),
        (name = "events", description = "Everything that happens"),
        (name = "reports", description = "How contacts and agents fared, and records of them"),
        (name = "tokens", description = "Who may, and who did"),
        (name = "process", description = "For those who run it")
    )
)]
struct Base;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let components = document.components.get_or_insert_with(Default::default);
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
    }
}

/// The document without its paths.
pub fn base() -> Document {
    let mut document = Base::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document
}

/// The whole document: the routes, and what each needs.
#[must_use]
pub fn document() -> Document {
    let mut document = super::documented().into_openapi();
    open_parts(&mut document);
    for route in &ROUTES {
        let Some(item) = document.paths.paths.get_mut(route.path) else {
            continue;
        };
        let operation = match route.method {
            "GET" => item.get.as_mut(),
            "POST" => item.post.as_mut(),
            "PUT" => item.put.as_mut(),
            _ => item.delete.as_mut(),
        };
        if let Some(operation) = operation {
            describe(operation, route);
        }
    }
    document
}

/// An object that is a part of a larger one stands beside fields that it does not know.
fn open_parts(document: &mut Document) {
    let Some(components) = document.components.as_mut() else {
        return;
    };
    let wholes = components
        .schemas
        .values()
        .filter_map(|schema| match schema {
            RefOr::T(Schema::AllOf(whole)) => Some(&whole.items),
            _ => None,
        });
    let parts = wholes.flatten().filter_map(|part| match part {
        RefOr::Ref(part) => part.ref_location.rsplit('/').next().map(str::to_owned),
        RefOr::T(_) => None,
    });
    for part in parts.collect::<Vec<_>>() {
        if let Some(RefOr::T(Schema::Object(part))) = components.schemas.get_mut(&part) {
            part.additional_properties = None;
        }
    }
}

/// What every operation may be answered by what lies before it.
const ALL_ANSWERS: [(&str, &str); 4] = [
    ("400", "The request cannot be read"),
    ("401", "No token, or none that opens anything"),
    ("403", "The token lacks what `permission` names"),
    ("429", "The token, or its address, sends too much"),
];
/// And what one with a body may.
const BODY_ANSWERS: [(&str, &str); 2] = [
    ("413", "The body is too large"),
    ("415", "The body is of another type"),
];
/// And what one that changes something may.
const CHANGE_ANSWERS: [(&str, &str); 2] = [
    ("409", "One with this Idempotency-Key is still under way"),
    ("422", "This Idempotency-Key was used for another request"),
];

fn describe(operation: &mut Operation, route: &Route) {
    let needs = route.needs.as_str();
    let own = match route.own {
        Own::Nothing => "",
        Own::Agent => " An agent's token may do it for its own agent.",
        Own::Contact => " An agent's token may do it while its agent has the contact.",
    };
    let needed = format!("Needs the permission `{needs}`.{own}");
    let description = match operation.description.take() {
        Some(before) if !before.is_empty() => format!("{before}\n\n{needed}"),
        _ => needed,
    };
    operation.description = Some(description);
    operation.security = Some(vec![SecurityRequirement::new("token", [needs])]);
    let mut answers = ALL_ANSWERS.to_vec();
    if operation.request_body.is_some() {
        answers.extend(BODY_ANSWERS);
    }
    if route.changes {
        answers.extend(CHANGE_ANSWERS);
        let parameters = operation.parameters.get_or_insert_default();
        parameters.push(idempotency_key().into());
    }
    for (status, description) in answers {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_owned())
            .or_insert_with(|| problem(description).into());
    }
    for response in operation.responses.responses.values_mut() {
        name_problems(response);
    }
}

/// Problem documents have a media type of their own (RFC 9457 section 3).
fn name_problems(response: &mut RefOr<Response>) {
    let RefOr::T(response) = response else {
        return;
    };
    let is_problem = |content: &RefOr<Content>| match content {
        RefOr::T(content) => match &content.schema {
            Some(RefOr::Ref(schema)) => schema.ref_location.ends_with("/Problem"),
            _ => false,
        },
        RefOr::Ref(_) => false,
    };
    if response.content.get(JSON).is_some_and(is_problem)
        && let Some(problem) = response.content.shift_remove(JSON)
    {
        response.content.insert(PROBLEM_JSON.to_owned(), problem);
    }
}

fn problem(description: &str) -> Response {
    let problem = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(problem)).build();
    ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_JSON, content)
        .build()
}

fn idempotency_key() -> Parameter {
    let about = "1 to 255 visible ASCII characters; a request that is sent again with the same key \
                 within 24 hours gets the first answer, and nothing is done twice";
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(r#"^("[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$"#));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(about))
        .schema(Some(text))
        .build()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "process",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
pub async fn get() -> impl IntoResponse {
    Json(document())
}
