//! The resolver: DNS as [`crate::locate`] wants to ask it, by hickory.

use super::RelayError;
use crate::locate::{Answer, Candidate, Inquiry, Naptr, Question, Search, Srv, Step};
use crate::net::Inbound;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a name server has for an answer; it is asked twice.
pub const DNS_TIME: Duration = Duration::from_millis(1500);
/// How long a search has for all its rounds of questions.
pub const LOCATE_TIME: Duration = Duration::from_secs(10);
/// Most answers of DNS that are remembered, each for its time to live.
pub const MAX_CACHED_ANSWERS: u64 = 4096;
/// Most records of one answer that are looked at.
pub const MAX_RECORDS: usize = 64;
/// Most questions that one connection to a name server has under way.
const MAX_ACTIVE_QUESTIONS: usize = 4096;

/// Looks names up.
pub(super) struct Names {
    resolver: TokioResolver,
}

impl Names {
    /// Asks these servers, or those of the system.
    pub(super) fn open(servers: &[SocketAddr]) -> Result<Names, RelayError> {
        let runtime = TokioRuntimeProvider::default();
        let mut builder = match servers {
            [] => TokioResolver::builder_tokio().unwrap_or_else(|error| {
                tracing::warn!(%error, "the system names no name servers: asking 127.0.0.1");
                let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53);
                TokioResolver::builder_with_config(asking(&[local]), runtime)
            }),
            named => TokioResolver::builder_with_config(asking(named), runtime),
        };
        let options = builder.options_mut();
        options.timeout = DNS_TIME;
        options.attempts = 1;
        options.cache_size = MAX_CACHED_ANSWERS;
        options.max_active_requests = MAX_ACTIVE_QUESTIONS;
        let resolver = builder.build();
        let resolver = resolver.map_err(|error| RelayError::Names(error.to_string()))?;
        Ok(Names { resolver })
    }

    async fn search(&self, inquiry: &Inquiry) -> Vec<Candidate> {
        let mut search = Search::new(inquiry);
        loop {
            match search.step() {
                Step::Found(places) => return places,
                Step::Ask(questions) => {
                    let asked = questions.iter().map(|question| self.ask(question));
                    search.take(futures_util::future::join_all(asked).await);
                }
            }
        }
    }

    async fn ask(&self, question: &Question) -> Answer {
        let (name, kind) = match question {
            Question::Naptr(name) => (name, RecordType::NAPTR),
            Question::Srv(name) => (name, RecordType::SRV),
            Question::A(name) => (name, RecordType::A),
            Question::Aaaa(name) => (name, RecordType::AAAA),
        };
        match self.resolver.lookup(absolute(name), kind).await {
            Ok(found) => answer(kind, found.answers()),
            Err(error) => {
                tracing::debug!(name, %kind, %error, "no answer from DNS");
                Answer::Nothing
            }
        }
    }
}

/// Looks up what a session wants to know, and reports it.
pub(super) async fn locate(
    names: Arc<Names>,
    inquiry: Box<Inquiry>,
    inbound: mpsc::Sender<Inbound>,
) {
    let search = tokio::time::timeout(LOCATE_TIME, names.search(&inquiry));
    let places = search.await.unwrap_or_default();
    tracing::debug!(name = inquiry.wanted.host, ?places, "looked up");
    // The signalling task is gone only when the whole host stops.
    let _ = inbound.send(Inbound::Located { inquiry, places }).await;
}

fn asking(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |server: &SocketAddr| {
        let mut config = NameServerConfig::udp_and_tcp(server.ip());
        for connection in &mut config.connections {
            connection.port = server.port();
        }
        config
    };
    let servers = servers.iter().map(server).collect();
    ResolverConfig::from_parts(None, Vec::new(), servers)
}

/// A name with a dot is whole: it is not looked for in the domains of this host.
fn absolute(name: &str) -> String {
    match name.contains('.') && !name.ends_with('.') {
        true => format!("{name}."),
        false => name.to_owned(),
    }
}

fn answer(kind: RecordType, records: &[Record]) -> Answer {
    let data = records.iter().map(|record| &record.data).take(MAX_RECORDS);
    match kind {
        RecordType::NAPTR => Answer::Naptr(data.filter_map(naptr).collect()),
        RecordType::SRV => Answer::Srv(data.filter_map(srv).collect()),
        _ => Answer::Addresses(data.filter_map(RData::ip_addr).collect::<Vec<IpAddr>>()),
    }
}

fn naptr(data: &RData) -> Option<Naptr> {
    let RData::NAPTR(record) = data else {
        return None;
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(Naptr {
        order: record.order,
        preference: record.preference,
        flags: text(&record.flags),
        service: text(&record.services),
        replacement: written(&record.replacement),
    })
}

fn srv(data: &RData) -> Option<Srv> {
    let RData::SRV(record) = data else {
        return None;
    };
    Some(Srv {
        priority: record.priority,
        weight: record.weight,
        port: record.port,
        target: written(&record.target),
    })
}

/// A name without its last dot; that of the root stays.
fn written(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    match text.trim_end_matches('.') {
        "" => ".".to_owned(),
        name => name.to_owned(),
    }
}
