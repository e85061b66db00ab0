//! Questions about contacts, to servers and to the store: each in a task of its own, so that nobody waits for another's
//! answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use patchbay_core::asking::{Answer, AskFailure, Failed};
use patchbay_core::centre::Ask;
use patchbay_core::limits::MAX_ASK_ANSWER_BYTES;
use patchbay_core::{AskId, ContactId, Facts, Input, Medium};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::warn;

use super::run::unix_ms;
use crate::store::Store;
use crate::webhook::{Client, ID, SIGNATURE, Server, TIMESTAMP, WebhookError, sign};

/// Answers that may wait for the node's task; a question's task waits when there are more.
pub const MAX_ANSWERS: usize = 1_024;

/// Callers whose earlier contacts are looked up at a time; others do without.
pub const MAX_LOOK_UPS: usize = 1_024;

/// Headers that prove who the caller is: they are for us, and not for other servers.
const WITHHELD: [&str; 2] = ["authorization", "proxy-authorization"];

/// The clients of the servers.
#[derive(Debug)]
pub(super) struct Asking {
    clients: BTreeMap<AskId, Arc<Client>>,
    answers: mpsc::Sender<Input>,
    store: Store,
    look_ups: Arc<Semaphore>,
}

impl Asking {
    /// Clients of nobody yet, and where the answers come.
    pub(super) fn new(store: Store) -> (Asking, mpsc::Receiver<Input>) {
        let (answers, queue) = mpsc::channel(MAX_ANSWERS);
        let asking = Asking {
            clients: BTreeMap::new(),
            answers,
            store,
            look_ups: Arc::new(Semaphore::new(MAX_LOOK_UPS)),
        };
        (asking, queue)
    }

    /// Forgets the clients of servers that are not declared any more.
    pub(super) fn keep_only(&mut self, asks: &[Ask]) {
        self.clients
            .retain(|id, _| asks.iter().any(|ask| ask.id == *id));
    }

    /// Asks, and sends the answer to the node's task.
    pub(super) fn ask(&mut self, contact: ContactId, ask: Arc<Ask>, facts: Arc<Facts>) {
        let client = self.client(&ask);
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let limit = Duration::from_millis(u64::from(ask.time_limit_ms));
            let asking = async { put(&*client?, contact, &ask, &facts).await };
            let answer = tokio::time::timeout(limit, asking).await;
            let late = |_| {
                Err(Failed::new(
                    AskFailure::TimeLimit,
                    format!("{} ms", ask.time_limit_ms),
                ))
            };
            // A node that stops does not want it any more.
            let answer = answer.unwrap_or_else(late);
            let _stopped = answers.send(Input::ContactAsked { contact, answer }).await;
        });
    }

    /// Looks up a caller's earlier contacts. The store is never cut off in the middle of a question: the
    /// distributor does not wait for ever.
    pub(super) fn look_up(&self, contact: ContactId, from: String) {
        let (answers, store) = (self.answers.clone(), self.store.clone());
        let room = Arc::clone(&self.look_ups).try_acquire_owned().ok();
        tokio::spawn(async move {
            let earlier = match &room {
                None => None,
                Some(_) => match store.earlier(&from, unix_ms()).await {
                    Ok(earlier) => Some(earlier),
                    Err(error) => {
                        warn!(%contact, %error, "earlier contacts are not known");
                        None
                    }
                },
            };
            let learned = Input::EarlierFound { contact, earlier };
            // A node that stops does not want it any more.
            let _stopped = answers.send(learned).await;
        });
    }

    /// Tells the node's task something when what it waits for is in the store. If that is not known it is
    /// not told, and the machine has a limit of its own.
    pub(super) fn learn_after(&self, written: oneshot::Receiver<()>, input: Input) {
        let answers = self.answers.clone();
        tokio::spawn(async move {
            if written.await.is_ok() {
                // A node that stops does not want it any more.
                let _stopped = answers.send(input).await;
            }
        });
    }

    fn client(&mut self, ask: &Ask) -> Result<Arc<Client>, Failed> {
        let server = Server {
            url: ask.url.clone(),
            ca_file: ask.ca_file.as_ref().map(Into::into),
            insecure: ask.insecure,
        };
        match self.clients.get(&ask.id) {
            Some(client) if *client.server() == server => Ok(Arc::clone(client)),
            _ => {
                let client = Arc::new(Client::new(server).map_err(failed)?);
                self.clients.insert(ask.id.clone(), Arc::clone(&client));
                Ok(client)
            }
        }
    }
}

/// What a server is told of a contact.
#[derive(Serialize)]
struct Question<'a> {
    contact: ContactId,
    unix_ms: u64,
    request_uri: &'a str,
    to: &'a str,
    from: &'a str,
    from_name: &'a str,
    /// By their names in lower case, as expressions see them.
    headers: BTreeMap<String, Vec<&'a str>>,
    media: &'a [Medium],
    source: Option<std::net::SocketAddr>,
    transport: &'a str,
}

impl<'a> Question<'a> {
    fn new(contact: ContactId, facts: &'a Facts) -> Question<'a> {
        let mut headers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (name, value) in &facts.headers {
            headers
                .entry(name.to_ascii_lowercase())
                .or_default()
                .push(value);
        }
        headers.retain(|name, _| !WITHHELD.contains(&name.as_str()));
        Question {
            contact,
            unix_ms: unix_ms(),
            request_uri: &facts.request_uri,
            to: &facts.to,
            from: &facts.from,
            from_name: &facts.from_name,
            headers,
            media: &facts.media,
            source: facts.source,
            transport: &facts.transport,
        }
    }
}

async fn put(
    client: &Client,
    contact: ContactId,
    ask: &Ask,
    facts: &Facts,
) -> Result<Box<Answer>, Failed> {
    let question = serde_json::to_vec(&Question::new(contact, facts));
    let question = Bytes::from(question.map_err(unreadable)?);
    let (id, timestamp) = (contact.to_string(), unix_ms() / 1_000);
    let signature = sign(ask.secret.expose(), &id, timestamp, &question);
    let headers = [
        (ID, id),
        (TIMESTAMP, timestamp.to_string()),
        (SIGNATURE, signature),
    ];
    let answer = client.post(&headers, question, MAX_ASK_ANSWER_BYTES).await;
    let answer = answer.map_err(failed)?;
    // Nothing to say is said by an empty body too (RFC 9110 section 15.3.5).
    if answer.is_empty() {
        return Ok(Box::default());
    }
    serde_json::from_slice(&answer)
        .map(Box::new)
        .map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> Failed {
    Failed::new(AskFailure::Malformed, error.to_string())
}

fn failed(error: WebhookError) -> Failed {
    let why = match error {
        WebhookError::Url(_) | WebhookError::Transport(_) => AskFailure::Unreachable,
        WebhookError::Certificate(_) => AskFailure::Certificate,
        WebhookError::Status(_) | WebhookError::Malformed(_) => AskFailure::Status,
        WebhookError::TooLong(_) => AskFailure::TooLarge,
    };
    Failed::new(why, error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    // D13
    #[test]
    fn a_server_is_told_what_rules_see_but_no_credentials() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let facts = Facts {
            from: "sip:carl@example.net".into(),
            headers: vec![
                header("X-Tier", "gold"),
                header("x-tier", "old"),
                header("Authorization", "Digest response=1"),
                header("Proxy-Authorization", "Digest response=2"),
            ],
            ..Facts::default()
        };
        let told = serde_json::to_value(Question::new(ContactId(1), &facts)).unwrap();
        assert_eq!(told["contact"], "0000000000000001");
        assert_eq!(
            told["headers"],
            serde_json::json!({"x-tier": ["gold", "old"]})
        );
        assert!(!told.to_string().contains("Digest"));
    }
}
