//! The routes of the relay API.

use super::{Command, Shared, auth, metrics, traces, tunnel};
use crate::edge::Gauges;
use crate::engine::ThreadHealth;
use crate::events::Replay;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt, stream};
use patchbay_route::session::{Capacity, RelayEvent, SessionList};
use patchbay_route::trace::TRACES_PATH;
use patchbay_route::transfer::TUNNEL_PATH;
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;

/// Under load, events of this time are told together.
const GATHER: Duration = Duration::from_millis(5);
/// Events told together.
const MAX_GATHERED: usize = 256;

/// The API: `/healthz` and `/readyz` are open, the rest needs the link secret.
pub fn router(shared: Shared) -> Router {
    let guarded = Router::new()
        .route("/relay/v1/sessions", get(sessions))
        .route("/relay/v1/sessions/{id}", delete(end_session))
        .route("/relay/v1/events", get(events))
        .route("/relay/v1/capacity", get(capacity))
        .route("/relay/v1/drain", post(drain).delete(undrain))
        .route(TUNNEL_PATH, post(tunnel::open))
        .route(TRACES_PATH, post(traces::open))
        .route("/metrics", get(show_metrics))
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            auth::require,
        ));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .merge(guarded)
        .with_state(shared)
}

/// The signalling task has ended: the host is going down.
pub(super) struct Stopping;

impl IntoResponse for Stopping {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, "the relay is stopping\n").into_response()
    }
}

pub(super) async fn ask<T>(
    shared: &Shared,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, Stopping> {
    let (answer, asked) = oneshot::channel();
    let sent = shared.commands.send(command(answer)).await;
    sent.map_err(|_| Stopping)?;
    asked.await.map_err(|_| Stopping)
}

async fn sessions(State(shared): State<Shared>) -> Result<Json<SessionList>, Stopping> {
    ask(&shared, Command::Sessions).await.map(Json)
}

async fn end_session(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Stopping> {
    let Ok(id) = id.parse() else {
        return Ok((StatusCode::BAD_REQUEST, "not a session id\n").into_response());
    };
    let known = ask(&shared, |answer| Command::End(id, answer)).await?;
    Ok(match known {
        true => StatusCode::NO_CONTENT.into_response(),
        false => (StatusCode::NOT_FOUND, "no such session\n").into_response(),
    })
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn events(State(shared): State<Shared>, Query(from): Query<After>) -> Response {
    match shared.events.after(from.after) {
        Replay::From(kept, live) => Sse::new(follow(kept, live))
            .keep_alive(KeepAlive::default())
            .into_response(),
        Replay::Gone => (
            StatusCode::GONE,
            "events after that cursor are gone: read /relay/v1/sessions and follow from its cursor\n",
        )
            .into_response(),
    }
}

/// The kept events, then the live ones; the stream ends when its reader has fallen behind.
fn follow(
    kept: Vec<Arc<RelayEvent>>,
    live: broadcast::Receiver<Arc<RelayEvent>>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let live = stream::unfold((live, None), |(mut live, told)| async move {
        let events = gathered(&mut live, told).await?;
        Some((stream::iter(events), (live, Some(Instant::now()))))
    });
    let all = stream::iter(kept).chain(live.flatten());
    all.map(|event| {
        let shown = Event::default().id(event.cursor.to_string());
        // Every event can be written as JSON.
        Ok(shown.json_data(&*event).unwrap_or_default())
    })
}

/// The next events: at once after a pause, those of [`GATHER`] together under load, when a write
/// for each would cost more than the event. None when the reader is too far behind.
async fn gathered(
    live: &mut broadcast::Receiver<Arc<RelayEvent>>,
    told: Option<Instant>,
) -> Option<Vec<Arc<RelayEvent>>> {
    let mut events = vec![live.recv().await.ok()?];
    if let Some(told) = told {
        tokio::time::sleep_until(told + GATHER).await;
    }
    while events.len() < MAX_GATHERED
        && let Ok(event) = live.try_recv()
    {
        events.push(event);
    }
    Some(events)
}

async fn capacity(State(shared): State<Shared>) -> Result<Json<Capacity>, Stopping> {
    let (gauges, draining) = numbers(&shared).await?;
    let totals = shared.engine.totals();
    let threads = shared.engine.health();
    Ok(Json(Capacity {
        instance: shared.instance.clone(),
        sessions: gauges.sessions as u64,
        max_sessions: shared.max_sessions as u64,
        ports_free: metrics::ports_free(&totals),
        threads: threads.len() as u64,
        threads_down: threads.iter().filter(|thread| !thread.alive).count() as u64,
        thread_restarts: threads.iter().map(|thread| thread.restarts).sum(),
        draining,
    }))
}

async fn numbers(shared: &Shared) -> Result<(Gauges, bool), Stopping> {
    let gauges = ask(shared, Command::Gauges).await?;
    let draining = gauges.draining;
    Ok((gauges, draining))
}

async fn drain(State(shared): State<Shared>) -> Result<StatusCode, Stopping> {
    set_draining(&shared, true).await
}

async fn undrain(State(shared): State<Shared>) -> Result<StatusCode, Stopping> {
    set_draining(&shared, false).await
}

async fn set_draining(shared: &Shared, draining: bool) -> Result<StatusCode, Stopping> {
    let sent = shared.commands.send(Command::Drain(draining)).await;
    sent.map(|()| StatusCode::NO_CONTENT).map_err(|_| Stopping)
}

/// Ready: control is connected, every packet thread lives, and new calls are taken.
async fn ready(State(shared): State<Shared>) -> Result<Response, Stopping> {
    let (gauges, draining) = numbers(&shared).await?;
    let mut missing = Vec::new();
    if gauges.control_links == 0 {
        missing.push("no control node is connected".to_owned());
    }
    if draining {
        missing.push("the host is draining".to_owned());
    }
    missing.extend(shared.engine.health().iter().filter_map(thread_missing));
    Ok(match missing.is_empty() {
        true => "ready\n".into_response(),
        false => {
            let text = format!("not ready: {}\n", missing.join("; "));
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    })
}

/// What a packet thread that is down means for whoever asks.
fn thread_missing(thread: &ThreadHealth) -> Option<String> {
    let number = thread.thread;
    match (thread.alive, thread.stays_down) {
        (true, _) => None,
        (false, false) => Some(format!(
            "packet thread {number} has died and is being restarted"
        )),
        (false, true) => Some(format!(
            "packet thread {number} has died too often and stays down: restart the relay"
        )),
    }
}

async fn show_metrics(State(shared): State<Shared>) -> Result<Response, Stopping> {
    let (gauges, _) = numbers(&shared).await?;
    let totals = shared.engine.totals();
    let text = metrics::text(&gauges, &totals, &shared.engine.health(), &shared);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(axum::http::header::CONTENT_TYPE, kind)], text).into_response())
}
