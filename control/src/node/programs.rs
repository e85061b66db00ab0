//! Requests to the servers of agents that are programs: each in a task of its own, so that nobody waits for
//! another's answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use patchbay_core::centre::Webhook;
use patchbay_core::{AgentId, Centre, OfferId};
use tokio::sync::{Semaphore, mpsc};
use tracing::warn;

use super::program::{ProgramFailure, Reply, Told};
use super::run::unix_ms;
use crate::webhook::{Client, ID, SIGNATURE, Server, TIMESTAMP, WebhookError, sign};

/// Requests to programs that may be under way; further offers fail, and further news are not told.
pub const MAX_PROGRAM_REQUESTS: usize = 4_096;

/// Answers that may wait for the node's task; a request's task waits when there are more.
const MAX_PROGRAM_ANSWERS: usize = 1_024;

/// Longest answer, in bytes.
const MAX_REPLY_BYTES: usize = 4_096;

/// Pauses between the attempts to tell what became of a contact; after the last nothing more is tried.
const TELL_PAUSES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(8),
];

/// What the server of a program answered to an offer.
pub(super) type ProgramAnswer = (OfferId, Result<Reply, ProgramFailure>);

/// The clients of the servers.
#[derive(Debug)]
pub(super) struct Requests {
    clients: BTreeMap<AgentId, Arc<Client>>,
    answers: mpsc::Sender<ProgramAnswer>,
    room: Arc<Semaphore>,
    untold: Arc<AtomicU64>,
}

impl Requests {
    /// Clients of nobody yet, and where the answers come.
    pub(super) fn new() -> (Requests, mpsc::Receiver<ProgramAnswer>) {
        let (answers, queue) = mpsc::channel(MAX_PROGRAM_ANSWERS);
        let requests = Requests {
            clients: BTreeMap::new(),
            answers,
            room: Arc::new(Semaphore::new(MAX_PROGRAM_REQUESTS)),
            untold: Arc::default(),
        };
        (requests, queue)
    }

    /// Forgets the clients of programs that are not declared any more.
    pub(super) fn keep_only(&mut self, centre: &Centre) {
        let programs = centre.agents.iter().filter(|agent| agent.webhook.is_some());
        let declared: std::collections::BTreeSet<&AgentId> =
            programs.map(|agent| &agent.id).collect();
        self.clients.retain(|agent, _| declared.contains(agent));
    }

    /// News that no server took.
    pub(super) fn untold(&self) -> u64 {
        self.untold.load(Ordering::Relaxed)
    }

    /// Tells a program something; what it answers to an offer goes to the node's task.
    pub(super) fn tell(&mut self, agent: &AgentId, webhook: Arc<Webhook>, told: Told) {
        let offer = match &told {
            Told::Offer(offered) => Some(offered.offer),
            Told::Cancelled { .. } | Told::Ended { .. } => None,
        };
        let client = self.client(agent, &webhook);
        let room = Arc::clone(&self.room).try_acquire_owned();
        let (answers, untold) = (self.answers.clone(), Arc::clone(&self.untold));
        tokio::spawn(async move {
            let (Ok(_room), Ok(client)) = (room, client) else {
                return match offer {
                    // A node that stops does not want it any more.
                    Some(offer) => {
                        drop(answers.send((offer, Err(ProgramFailure::TooMany))).await);
                    }
                    None => {
                        untold.fetch_add(1, Ordering::Relaxed);
                    }
                };
            };
            match offer {
                Some(offer) => {
                    let answer = ask(&client, &webhook, &told).await;
                    drop(answers.send((offer, answer)).await);
                }
                None => inform(&client, &webhook, &told, &untold).await,
            }
        });
    }

    fn client(&mut self, agent: &AgentId, webhook: &Webhook) -> Result<Arc<Client>, WebhookError> {
        let server = Server {
            url: webhook.url.clone(),
            ca_file: webhook.ca_file.as_ref().map(Into::into),
            insecure: webhook.insecure,
        };
        match self.clients.get(agent) {
            Some(client) if *client.server() == server => Ok(Arc::clone(client)),
            _ => {
                let client = Arc::new(Client::new(server)?);
                self.clients.insert(agent.clone(), Arc::clone(&client));
                Ok(client)
            }
        }
    }
}

async fn ask(client: &Client, webhook: &Webhook, told: &Told) -> Result<Reply, ProgramFailure> {
    let answer = post(client, webhook, told).await?;
    serde_json::from_slice(&answer).map_err(|_| ProgramFailure::Malformed)
}

/// Repeats what is told until the server takes it, a few times.
async fn inform(client: &Client, webhook: &Webhook, told: &Told, untold: &AtomicU64) {
    for pause in TELL_PAUSES {
        if post(client, webhook, told).await.is_ok() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
    if post(client, webhook, told).await.is_err() {
        untold.fetch_add(1, Ordering::Relaxed);
        warn!(
            request = told.id(),
            "a program was not told what became of its contact"
        );
    }
}

async fn post(client: &Client, webhook: &Webhook, told: &Told) -> Result<Bytes, ProgramFailure> {
    let body = serde_json::to_vec(told).map_err(|_| ProgramFailure::Malformed)?;
    let body = Bytes::from(body);
    let (id, timestamp) = (told.id(), unix_ms() / 1_000);
    let signature = sign(webhook.secret.expose(), &id, timestamp, &body);
    let headers = [
        (ID, id),
        (TIMESTAMP, timestamp.to_string()),
        (SIGNATURE, signature),
    ];
    let limit = Duration::from_millis(u64::from(webhook.time_limit_ms));
    let posting = client.post(&headers, body, MAX_REPLY_BYTES);
    match tokio::time::timeout(limit, posting).await {
        Err(_) => Err(ProgramFailure::TimeLimit),
        Ok(answer) => answer.map_err(|error| match error {
            WebhookError::Url(_) | WebhookError::Transport(_) => ProgramFailure::Unreachable,
            WebhookError::Certificate(_) => ProgramFailure::Certificate,
            WebhookError::Status(_) => ProgramFailure::Status,
            WebhookError::TooLong(_) | WebhookError::Malformed(_) => ProgramFailure::Malformed,
        }),
    }
}
