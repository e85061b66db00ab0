//! The signalling of calls, as the relays saw it.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, BoxStream, StreamExt};
use patchbay_route::trace::{TraceAsk, TraceEnd, TraceFilter, TraceLine};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::body::Params;
use super::keyring::Caller;
use super::limits::MAX_STREAMS;
use super::pcap::{PCAP, PcapWriter};
use super::problem::{Failure, Kind, Problem};
use super::{Shared, schema};
use crate::access::Permission;
use crate::link::{LineReader, LinkError, RelayClient};

/// Media type of JSON lines.
const JSON_LINES: &str = "application/jsonl";
/// What is said of a relay that ends its trace because it leaves.
const STOPPING: &str = "it is stopping";

/// Which calls, and how much of them.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TraceParams {
    /// A Call-ID, of whichever side of a call; both sides are shown.
    call_id: Option<String>,
    /// The user part of From, or the whole address (`anna@example.com`).
    from: Option<String>,
    /// The same of To; or the agent that the call was offered to.
    to: Option<String>,
    /// The address at the other end.
    #[param(value_type = Option<String>)]
    source: Option<IpAddr>,
    /// A contact or a session.
    contact: Option<String>,
    /// Only messages of this method, and their answers.
    method: Option<String>,
    /// Only the call that began last, on each relay.
    #[serde(default)]
    #[param(required = false)]
    last: bool,
    /// Go on with what comes; otherwise what is kept is shown.
    #[serde(default)]
    #[param(required = false)]
    follow: bool,
    /// Show credentials, signatures and tokens as they are; needs the permission `trace:secrets`.
    #[serde(default)]
    #[param(required = false)]
    secrets: bool,
    /// End after so many messages of a relay; at most 100000, default 10000.
    messages: Option<u64>,
    /// End after so many bytes of messages of a relay; at most 268435456, default 16777216.
    bytes: Option<u64>,
    /// Follow for so many seconds; at most 3600, which is the default.
    seconds: Option<u64>,
    /// `jsonl` (default) or `pcap`.
    #[serde(default)]
    #[param(required = false, inline)]
    format: Format,
}

/// How messages are written down.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON lines.
    #[default]
    Jsonl,
    /// A capture for tcpdump, Wireshark and sngrep.
    Pcap,
}

impl TraceParams {
    fn ask(self) -> TraceAsk {
        TraceAsk {
            filter: TraceFilter {
                call_id: self.call_id,
                from: self.from,
                to: self.to,
                source: self.source,
                contact: self.contact,
                method: self.method,
                last: self.last,
            },
            follow: self.follow,
            secrets: self.secrets,
            messages: self.messages,
            bytes: self.bytes,
            seconds: self.seconds,
        }
    }
}

/// The SIP messages of calls, as the relays received and sent them.
///
/// Of a call both sides are shown, by whichever of them it is found. Each relay's messages come in
/// order; those of several come as they are read. An empty line says that the trace goes on.
#[utoipa::path(get, path = "/trace", tag = "trace", params(TraceParams),
    responses(
        (status = 200, description = "JSON lines, or a capture", content(
            (schema::TraceLine = "application/jsonl"),
            (Vec<u8> = "application/vnd.tcpdump.pcap"))),
        (status = 400, description = "The query cannot be read", body = Problem),
        (status = 503, description = "As many streams are open as may be", body = Problem)))]
pub async fn trace(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Params(params): Params<TraceParams>,
) -> Result<Response, Failure> {
    if params.secrets {
        caller.need(Permission::TraceSecrets)?;
    }
    let permit = shared.streams.clone().try_acquire_owned().map_err(|_| {
        Failure::new(
            Kind::Busy,
            format!("{MAX_STREAMS} streams are open; close one"),
        )
    })?;
    let format = params.format;
    let ask = params.ask();
    let relays = shared.api.relays.iter();
    let relays = join_all(relays.map(|client| lines_of(client.clone(), ask.clone()))).await;
    let joined = Joined {
        relays: stream::select_all(relays),
        end: TraceEnd::Shown,
        ended: false,
        stopping: caller.ended,
        _permit: permit,
    };
    let lines = stream::unfold(joined, |mut joined| async {
        Some((joined.next().await?, joined))
    });
    let kind = match format {
        Format::Jsonl => JSON_LINES,
        Format::Pcap => PCAP,
    };
    let body = Body::from_stream(written(lines.boxed(), format));
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// The traces of all relays as one.
struct Joined {
    relays: stream::SelectAll<BoxStream<'static, Told>>,
    /// Why it will have ended.
    end: TraceEnd,
    ended: bool,
    stopping: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// A line, or word that there is none yet.
enum Told {
    Line(Box<TraceLine>),
    Alive,
}

impl Joined {
    async fn next(&mut self) -> Option<Told> {
        while !self.ended {
            let told = tokio::select! {
                () = self.stopping.cancelled() => {
                    self.end = TraceEnd::Stopping;
                    None
                }
                told = self.relays.next() => told,
            };
            let Some(told) = told else {
                self.ended = true;
                return Some(Told::Line(Box::new(TraceLine::End(self.end))));
            };
            match told {
                Told::Line(line) => match *line {
                    TraceLine::End(TraceEnd::Shown) => {}
                    TraceLine::End(why) => self.end = why,
                    line => return Some(Told::Line(Box::new(line))),
                },
                alive => return Some(alive),
            }
        }
        None
    }
}

/// What one relay shows; what hinders it is a line too.
async fn lines_of(client: RelayClient, ask: TraceAsk) -> BoxStream<'static, Told> {
    let relay = client.base().to_owned();
    let chunks = match client.trace(&ask).await {
        Ok(chunks) => chunks,
        Err(error) => {
            let line = unreachable(&relay, error.to_string());
            return stream::iter([line]).boxed();
        }
    };
    let reader = LineReader::default();
    let lines = chunks.scan((reader, false), move |(reader, broken), chunk| {
        let read = (!*broken).then(|| read(&relay, reader, chunk));
        let told = read.map(|read| match read {
            Ok(told) => told,
            Err(error) => {
                *broken = true;
                vec![unreachable(&relay, error.to_string())]
            }
        });
        std::future::ready(told)
    });
    lines.flat_map(stream::iter).boxed()
}

fn unreachable(relay: &str, error: String) -> Told {
    let relay = relay.to_owned();
    Told::Line(Box::new(TraceLine::Unreachable { relay, error }))
}

fn read(
    relay: &str,
    reader: &mut LineReader,
    chunk: Result<Bytes, LinkError>,
) -> Result<Vec<Told>, LinkError> {
    let unreadable = |error: String| LinkError::Unreadable(error);
    let lines = reader.push(&chunk?);
    let lines = lines.map_err(|error| unreadable(error.to_string()))?;
    let mut told = Vec::with_capacity(lines.len());
    for line in lines {
        let mut line: TraceLine =
            serde_json::from_slice(&line).map_err(|error| unreadable(error.to_string()))?;
        match &mut line {
            TraceLine::Message(message) => relay.clone_into(&mut message.relay),
            // The others may go on for long: whoever looks must not take its silence for peace.
            TraceLine::End(TraceEnd::Stopping) => {
                told.push(unreachable(relay, STOPPING.to_owned()))
            }
            _ => {}
        }
        told.push(Told::Line(Box::new(line)));
    }
    match told.is_empty() {
        true => Ok(vec![Told::Alive]),
        false => Ok(told),
    }
}

/// The lines in the format that was asked for.
fn written(
    lines: BoxStream<'static, Told>,
    format: Format,
) -> BoxStream<'static, Result<Bytes, Infallible>> {
    match format {
        Format::Jsonl => lines
            .map(|told| {
                let mut text = match told {
                    // Every line can be written as JSON.
                    Told::Line(line) => serde_json::to_vec(&*line).unwrap_or_default(),
                    Told::Alive => Vec::new(),
                };
                text.push(b'\n');
                Ok(Bytes::from(text))
            })
            .boxed(),
        Format::Pcap => {
            let head = stream::iter([Bytes::from(PcapWriter::head())]);
            let packets = lines.scan(PcapWriter::default(), |writer, told| {
                let packets = match told {
                    Told::Line(line) => match *line {
                        TraceLine::Message(message) => writer.message(&message),
                        _ => Vec::new(),
                    },
                    Told::Alive => Vec::new(),
                };
                std::future::ready(Some(Bytes::from(packets)))
            });
            let packets = packets.filter(|packets| std::future::ready(!packets.is_empty()));
            head.chain(packets).map(Ok).boxed()
        }
    }
}
