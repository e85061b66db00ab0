//! Errors as problem documents (RFC 9457).

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::audited::Done;
use crate::access::{Permission, Role};
use crate::node::{ApplyError, EndError, ReportError, RouteError, StatusError, Stopped};
use crate::store::StoreError;

/// Media type of problem documents.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Seconds after which a request that was refused for now may succeed.
const RETRY_AFTER_S: &str = "2";

/// An error as the client sees it (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// Names the kind of problem: `urn:patchbay:problem:…`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, and what to do.
    pub detail: String,
    /// The permission that the token lacks, if that is what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// Every single fault of the body, if it has any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

/// One fault of a request's body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Fault {
    /// Where, such as `rule[2].then.queue`; indices count from 0.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    /// A fault at a place.
    pub fn new(
        path: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Fault {
        Fault {
            path: path.into(),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// A body of another form than documented.
    pub fn document(error: &serde_json::Error) -> Fault {
        Fault::new("", error.to_string(), super::body::SEE_DOCUMENT)
    }
}

impl From<patchbay_core::Problem> for Fault {
    fn from(problem: patchbay_core::Problem) -> Fault {
        Fault::new(problem.path, problem.message, problem.remedy)
    }
}

/// The kinds of problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Malformed,
    Invalid,
    TooLarge,
    UnsupportedMediaType,
    UpgradeRequired,
    Changed,
    Conflict,
    KeyReused,
    Gone,
    TooMany,
    Busy,
    Timeout,
    Stopping,
    Relay,
    Internal,
}

impl Kind {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Kind::Unauthorized => (
                S::UNAUTHORIZED,
                "unauthorized",
                "The bearer token is missing or wrong",
            ),
            Kind::Forbidden => (S::FORBIDDEN, "forbidden", "The token may not do this"),
            Kind::NotFound => (S::NOT_FOUND, "not-found", "There is no such thing"),
            Kind::MethodNotAllowed => (
                S::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This path has other methods",
            ),
            Kind::Malformed => (S::BAD_REQUEST, "malformed", "The request cannot be read"),
            Kind::Invalid => (
                S::UNPROCESSABLE_ENTITY,
                "invalid",
                "The content is not valid",
            ),
            Kind::TooLarge => (S::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Kind::UnsupportedMediaType => (
                S::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The media type is not understood",
            ),
            Kind::UpgradeRequired => (
                S::UPGRADE_REQUIRED,
                "upgrade-required",
                "WebSockets of this version are not spoken",
            ),
            Kind::Changed => (
                S::PRECONDITION_FAILED,
                "changed",
                "Something else changed it meanwhile",
            ),
            Kind::Conflict => (
                S::CONFLICT,
                "conflict",
                "This cannot be done as things stand",
            ),
            Kind::Gone => (S::GONE, "gone", "What was asked for is no longer kept"),
            Kind::KeyReused => (
                S::UNPROCESSABLE_ENTITY,
                "key-reused",
                "The Idempotency-Key belongs to another request",
            ),
            Kind::TooMany => (
                S::TOO_MANY_REQUESTS,
                "too-many-requests",
                "More requests came than are taken",
            ),
            Kind::Busy => (
                S::SERVICE_UNAVAILABLE,
                "busy",
                "As much is going on as is allowed",
            ),
            Kind::Timeout => (
                S::SERVICE_UNAVAILABLE,
                "timeout",
                "The answer took too long",
            ),
            Kind::Stopping => (
                S::SERVICE_UNAVAILABLE,
                "stopping",
                "The control node is stopping",
            ),
            Kind::Relay => (S::BAD_GATEWAY, "relay", "A relay did not do it"),
            Kind::Internal => (
                S::INTERNAL_SERVER_ERROR,
                "internal",
                "The control node failed",
            ),
        }
    }
}

/// A problem on its way to the client.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    detail: String,
    permission: Option<Permission>,
    retry_after_s: Option<u64>,
    errors: Vec<Fault>,
}

impl Failure {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Failure {
        Failure {
            kind,
            detail: detail.into(),
            permission: None,
            retry_after_s: None,
            errors: Vec::new(),
        }
    }

    /// Says when the request may be sent again, in seconds from now.
    pub fn retry_after(self, seconds: u64) -> Failure {
        Failure {
            retry_after_s: Some(seconds),
            ..self
        }
    }

    /// A token that lacks a permission.
    pub fn forbidden(permission: Permission, role: Role) -> Failure {
        let name = permission.as_str();
        let detail = format!(
            "this needs the permission `{name}`, which this token of the role `{}` has not; use \
             another token, or ask an administrator for one (patchbay token create)",
            role.as_str()
        );
        Failure {
            permission: Some(permission),
            ..Failure::new(Kind::Forbidden, detail)
        }
    }

    /// A body with faults, all of them listed.
    pub fn invalid(errors: Vec<Fault>) -> Failure {
        let detail = match errors.len() {
            1 => "there is one fault; nothing was changed".to_owned(),
            count => format!("there are {count} faults; nothing was changed"),
        };
        Failure {
            errors,
            ..Failure::new(Kind::Invalid, detail)
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        if let Some(permission) = self.permission {
            // RFC 6750 section 3.1.
            let challenge = format!(
                "Bearer realm=\"patchbay\", error=\"insufficient_scope\", scope=\"{}\"",
                permission.as_str()
            );
            let value = HeaderValue::try_from(challenge).ok()?;
            return Some((header::WWW_AUTHENTICATE, value));
        }
        if let Some(seconds) = self.retry_after_s {
            return Some((header::RETRY_AFTER, seconds.into()));
        }
        match self.kind {
            Kind::Unauthorized => Some((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"patchbay\""),
            )),
            Kind::UpgradeRequired => Some((
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            )),
            Kind::Busy | Kind::Timeout | Kind::Stopping => {
                Some((header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S)))
            }
            _ => None,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let header = self.header();
        let (status, name, title) = self.kind.parts();
        let permission = self.permission.map(|missing| missing.as_str().to_owned());
        let done = Done(match &permission {
            Some(missing) => format!("{name}: needs {missing}"),
            None => name.to_owned(),
        });
        let problem = Problem {
            kind: format!("urn:patchbay:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail,
            permission,
            errors: self.errors,
        };
        let mut response = (status, Extension(done), Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if let Some((name, value)) = header {
            headers.insert(name, value);
        }
        response
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Failure {
        Failure::new(Kind::Stopping, stopped.to_string())
    }
}

impl From<StoreError> for Failure {
    /// What the database says is for the log: it names files of the host.
    fn from(error: StoreError) -> Failure {
        tracing::error!(%error, "the store failed");
        Failure::new(
            Kind::Internal,
            "the store failed; the log of the control node says why",
        )
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Failure {
        match error {
            ApplyError::Invalid { problems } => {
                Failure::invalid(problems.into_iter().map(Fault::from).collect())
            }
            ApplyError::Store(error) => {
                tracing::error!(%error, "the declaration was not stored");
                let detail = "the declaration was not stored and is not in force; \
                              the log of the control node says why";
                Failure::new(Kind::Internal, detail)
            }
            ApplyError::Stopped(stopped) => stopped.into(),
        }
    }
}

impl From<StatusError> for Failure {
    fn from(error: StatusError) -> Failure {
        match error {
            StatusError::UnknownAgent(_) => Failure::new(Kind::NotFound, error.to_string()),
            StatusError::Stopped(stopped) => stopped.into(),
        }
    }
}

impl From<RouteError> for Failure {
    fn from(error: RouteError) -> Failure {
        let kind = match &error {
            RouteError::NotWritten => Kind::Internal,
            RouteError::Report(ReportError::Unknown(_)) => Kind::NotFound,
            RouteError::Report(_) => Kind::Conflict,
            RouteError::Stopped(stopped) => return (*stopped).into(),
        };
        Failure::new(kind, error.to_string())
    }
}

impl From<EndError> for Failure {
    fn from(error: EndError) -> Failure {
        match error {
            EndError::UnknownContact(_) => Failure::new(Kind::NotFound, error.to_string()),
            EndError::Relay(_) => Failure::new(Kind::Relay, error.to_string()),
            EndError::Stopped(stopped) => stopped.into(),
        }
    }
}
