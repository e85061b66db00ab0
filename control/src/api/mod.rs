//! The HTTP API, version 1, and the status page.
//!
//! Everything but `/healthz`, `/readyz` and the files of the status page (which hold no data) needs
//! a bearer token, `/metrics` included: its figures tell a stranger how busy the centre is. What a token
//! may is in one table, [`needs`]; what it changes is in the audit log, and is done once however often it
//! is sent with one Idempotency-Key. Errors
//! are problem documents (RFC 9457). Nothing that a client sends makes more than its own request
//! fail, and nothing that it leaves unread is kept: see [`limits`].

mod access;
mod agents;
mod audit;
mod audited;
mod body;
mod call_backs;
mod centre;
mod contacts;
mod declaration;
mod events;
mod health;
mod keyring;
pub mod limits;
mod links;
mod listener;
mod metrics;
pub mod needs;
mod openapi;
mod page;
mod paging;
pub mod pcap;
mod problem;
mod queues;
mod rates;
mod reading;
mod records;
mod relays;
mod repeated;
mod reports;
mod route;
mod rules;
mod schema;
mod socket;
mod timeline;
mod token;
mod tokens;
mod trace;
mod versions;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use openapi::document;
pub use problem::{Fault, Problem};
pub use token::{TOKEN_FILE, Token};

use crate::link::RelayClient;
use crate::node::NodeHandle;
use crate::store::{DEFAULT_AUDIT_KEPT, Store, StoreError};
use keyring::Keyring;
use listener::Peer;
use metrics::Metrics;
use rates::Rates;
use repeated::UnderWay;

/// What the API serves from.
#[derive(Clone)]
pub struct Api {
    /// The running node.
    pub node: NodeHandle,
    /// The node's store.
    pub store: Store,
    /// The token that opens everything.
    pub token: Token,
    /// The relays, for their lists of sessions.
    pub relays: Vec<RelayClient>,
    /// What can be chosen.
    pub settings: Settings,
}

/// What can be chosen of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Entries of the audit log that are kept, 1 at least.
    pub audit_kept: u64,
    /// Requests a second that each token has, 1 at least.
    pub token_rate: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            audit_kept: DEFAULT_AUDIT_KEPT,
            token_rate: limits::DEFAULT_TOKEN_RATE,
        }
    }
}

/// What every handler can have.
#[derive(Clone)]
struct Shared {
    api: Api,
    metrics: Arc<Metrics>,
    keyring: Arc<Keyring>,
    rates: Arc<Rates>,
    under_way: UnderWay,
    changes: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    readings: Arc<Semaphore>,
    /// Held from reading the declaration until its successor is applied.
    editing: Arc<Mutex<()>>,
    /// The last event of the process before this one.
    born_after: u64,
    stopping: CancellationToken,
}

impl FromRef<Shared> for NodeHandle {
    fn from_ref(shared: &Shared) -> NodeHandle {
        shared.api.node.clone()
    }
}

impl FromRef<Shared> for Store {
    fn from_ref(shared: &Shared) -> Store {
        shared.api.store.clone()
    }
}

/// Serves the API until `shutdown` is ready; then streams are ended, requests under way get
/// [`limits::GRACE`] to finish, and the listener is closed.
///
/// # Errors
/// Never while it serves; only if the tokens cannot be read, or the listener cannot be used at all.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let stopping = CancellationToken::new();
    let shared = share(api, &stopping).await.map_err(std::io::Error::other)?;
    let counting = tokio::spawn(metrics::follow(shared.clone()));
    let keyring = Arc::clone(&shared.keyring);
    let looking = tokio::spawn(async move { keyring.look_after().await });
    let graceful = {
        let stopping = stopping.clone();
        async move {
            shutdown.await;
            stopping.cancel();
        }
    };
    let listener = listener::Guarded::new(listener);
    let service = router(shared).into_make_service_with_connect_info::<Peer>();
    let server = axum::serve(listener, service).with_graceful_shutdown(graceful);
    let overdue = async {
        stopping.cancelled().await;
        tokio::time::sleep(limits::GRACE).await;
    };
    let served = tokio::select! {
        served = server => served,
        () = overdue => Ok(()),
    };
    stopping.cancel();
    // They listen to `stopping`; their results are nothing.
    let _ended = (counting.await, looking.await);
    served
}

/// What handlers share until `stopping`.
async fn share(api: Api, stopping: &CancellationToken) -> Result<Shared, StoreError> {
    let keyring = Keyring::open(api.store.clone(), &api.token, stopping.clone()).await?;
    Ok(Shared {
        metrics: Arc::default(),
        keyring: Arc::new(keyring),
        rates: Arc::new(Rates::new(api.settings.token_rate)),
        under_way: UnderWay::default(),
        changes: Arc::new(Semaphore::new(limits::MAX_CHANGES)),
        streams: Arc::new(Semaphore::new(limits::MAX_STREAMS)),
        readings: Arc::new(Semaphore::new(limits::MAX_READINGS)),
        editing: Arc::default(),
        born_after: api.store.last_cursor().await,
        stopping: stopping.clone(),
        api,
    })
}

fn router(shared: Shared) -> Router {
    let (router, _) = documented().split_for_parts();
    router
        .merge(page::routes())
        .fallback(access::not_found)
        .method_not_allowed_fallback(access::method_not_allowed)
        .layer(from_fn(access::in_time))
        .layer(from_fn_with_state(shared.clone(), access::admit))
        .layer(from_fn_with_state(shared.clone(), metrics::count))
        .with_state(shared)
}

/// The routes that the OpenAPI document lists.
fn documented() -> OpenApiRouter<Shared> {
    let v1 = OpenApiRouter::new()
        .routes(routes!(centre::get, centre::put))
        .routes(routes!(versions::list))
        .routes(routes!(versions::get))
        .routes(routes!(agents::list))
        .routes(routes!(agents::get, agents::put, agents::delete))
        .routes(routes!(agents::set_status))
        .routes(routes!(queues::list))
        .routes(routes!(queues::get))
        .routes(routes!(links::get))
        .routes(routes!(rules::list))
        .routes(routes!(rules::explain))
        .routes(routes!(contacts::list))
        .routes(routes!(contacts::get, contacts::end))
        .routes(routes!(timeline::get))
        .routes(routes!(call_backs::list, call_backs::ask))
        .routes(routes!(call_backs::get, call_backs::withdraw))
        .routes(routes!(route::ask))
        .routes(routes!(route::get, route::report))
        .routes(routes!(relays::sessions))
        .routes(routes!(relays::relays))
        .routes(routes!(events::stream))
        .routes(routes!(reports::get))
        .routes(routes!(records::get))
        .routes(routes!(trace::trace))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::get, tokens::revoke))
        .routes(routes!(tokens::rotate))
        .routes(routes!(audit::list))
        .routes(routes!(openapi::get));
    OpenApiRouter::with_openapi(openapi::base())
        .nest("/api/v1", v1)
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::get))
}
