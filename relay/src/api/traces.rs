//! Traces: the signalling of calls as JSON lines, for control and its operators.

use super::routes::{Stopping, ask};
use super::{Command, Shared};
use crate::trace::{Opened, Select, Shown, Told};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use patchbay_route::trace::{
    MAX_TRACE_BYTES, MAX_TRACE_MESSAGES, MAX_TRACE_TIME_S, TraceAsk, TraceEnd, TraceLine,
    USUAL_TRACE_BYTES, USUAL_TRACE_MESSAGES,
};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, MissedTickBehavior};

/// Lines that wait for the client to read them.
const MAX_LINES: usize = 64;
/// What was told meanwhile is looked at in one go.
const MAX_BATCH: usize = 64;
/// How often a trace that has nothing to show says that it goes on.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Shows what is kept, and follows if that is asked for.
pub(super) async fn open(
    State(shared): State<Shared>,
    Json(asked): Json<TraceAsk>,
) -> Result<Response, Stopping> {
    let Ok(permit) = shared.traces.clone().try_acquire_owned() else {
        let text = "as many traces are open as may be; end one\n";
        return Ok((StatusCode::SERVICE_UNAVAILABLE, text).into_response());
    };
    let follow = asked.follow;
    let opened = ask(&shared, |answer| Command::Trace(follow, answer)).await?;
    let (lines, body) = mpsc::channel(MAX_LINES);
    tokio::spawn(serve(asked, opened, lines, permit));
    let kind = [(header::CONTENT_TYPE, "application/jsonl")];
    let body = stream::unfold(body, |mut body| async move {
        let line: Bytes = body.recv().await?;
        Some((Ok::<_, Infallible>(line), body))
    });
    Ok((kind, Body::from_stream(body)).into_response())
}

/// A trace under way.
struct Trace {
    lines: mpsc::Sender<Bytes>,
    secrets: bool,
    messages: u64,
    bytes: u64,
}

/// How showing came to an end.
enum Stop {
    /// With a reason.
    End(TraceEnd),
    /// Nobody reads any more.
    Gone,
}

async fn serve(
    asked: TraceAsk,
    opened: Opened,
    lines: mpsc::Sender<Bytes>,
    _permit: OwnedSemaphorePermit,
) {
    let seconds = asked.seconds.unwrap_or(u64::MAX).min(MAX_TRACE_TIME_S);
    let until = Instant::now() + Duration::from_secs(seconds);
    let messages = asked.messages.unwrap_or(USUAL_TRACE_MESSAGES);
    let bytes = asked.bytes.unwrap_or(USUAL_TRACE_BYTES);
    let mut trace = Trace {
        lines,
        secrets: asked.secrets,
        messages: messages.min(MAX_TRACE_MESSAGES),
        bytes: bytes.min(MAX_TRACE_BYTES),
    };
    let Opened { kept, joints, live } = opened;
    // Reading a large ring takes a while, which signalling must not wait for.
    let read = tokio::task::spawn_blocking(move || {
        let mut select = Select::new(asked.filter);
        let shown = select.kept(kept, &joints);
        (select, shown)
    });
    let Ok((select, shown)) = read.await else {
        return;
    };
    let stop = match trace.show_kept(shown, live.is_some()).await {
        Err(stop) => stop,
        Ok(()) => match live {
            None => Stop::End(TraceEnd::Shown),
            Some(live) => trace.follow(select, live, until).await,
        },
    };
    if let Stop::End(why) = stop {
        // Nobody reads any more: nobody is to be told.
        let _ = trace.say(&TraceLine::End(why)).await;
    }
}

impl Trace {
    /// What is kept: of more than may be shown the newest, and half as much if more is to come.
    async fn show_kept(&mut self, mut shown: Vec<Shown>, more: bool) -> Result<(), Stop> {
        let share = if more { 2 } else { 1 };
        let (mut messages, mut bytes) = (self.messages / share, self.bytes / share);
        let fitting = shown.iter().rev().take_while(|one| {
            let length = one.seen.bytes.len() as u64;
            let fits = messages > 0 && bytes >= length;
            messages = messages.saturating_sub(1);
            bytes = bytes.saturating_sub(length);
            fits
        });
        let left_out = shown.len() - fitting.count();
        if left_out > 0 {
            shown.drain(..left_out);
            self.say(&TraceLine::Lost(left_out as u64)).await?;
        }
        self.show(shown).await
    }

    async fn show(&mut self, shown: Vec<Shown>) -> Result<(), Stop> {
        for one in shown {
            let length = one.seen.bytes.len() as u64;
            if self.messages == 0 {
                return Err(Stop::End(TraceEnd::Messages));
            }
            if self.bytes < length {
                return Err(Stop::End(TraceEnd::Bytes));
            }
            self.messages -= 1;
            self.bytes -= length;
            let told = one.told(self.secrets);
            self.say(&TraceLine::Message(told)).await?;
        }
        Ok(())
    }

    async fn say(&self, line: &TraceLine) -> Result<(), Stop> {
        // Every line can be written as JSON.
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        let sent = self.lines.send(text.into()).await;
        sent.map_err(|_| Stop::Gone)
    }

    async fn follow(
        &mut self,
        mut select: Select,
        mut live: mpsc::Receiver<Told>,
        until: Instant,
    ) -> Stop {
        let mut alive = tokio::time::interval(KEEP_ALIVE);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return Stop::End(TraceEnd::Time),
                () = self.lines.closed() => return Stop::Gone,
                _ = alive.tick() => {
                    if self.lines.send(Bytes::from_static(b"\n")).await.is_err() {
                        return Stop::Gone;
                    }
                }
                count = live.recv_many(&mut batch, MAX_BATCH) => {
                    if count == 0 {
                        return Stop::End(TraceEnd::Stopping);
                    }
                    for told in batch.drain(..) {
                        if let Err(stop) = self.told(&mut select, told).await {
                            return stop;
                        }
                    }
                }
            }
        }
    }

    async fn told(&mut self, select: &mut Select, told: Told) -> Result<(), Stop> {
        match told {
            Told::Lost(count) => self.say(&TraceLine::Lost(count)).await,
            Told::Joint(joint) => self.show(select.joined(&joint)).await,
            Told::Message(seen) => {
                let shown = select.message(seen);
                let shown = shown.map_err(|_| Stop::End(TraceEnd::Calls))?;
                self.show(shown).await
            }
        }
    }
}
