//! What other centres are asked and told over their APIs (requirement D12): each contact in a task of its
//! own, which ends with an agent, a failure, or when nobody wants it any more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use patchbay_core::centre::Site;
use patchbay_core::limits::MAX_WAITED_ELSEWHERE;
use patchbay_core::{AgentId, Centre, ContactId, OfferId, RuleId, SiteAsk, SiteFailure, SiteId};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tracing::{debug, warn};

use super::sites::{SiteSays, SiteTold, address};
use crate::webhook::{Client, MAX_WEBHOOK_CONNECTIONS, Server, WebhookError};

/// Contacts for which other centres are being asked; no more are.
pub const MAX_SITE_TASKS: usize = 8_192;

/// What other centres said and the node's task has not heard; a contact's task waits when there is more.
const MAX_SITE_NEWS: usize = 1_024;

/// Longest answer, in bytes.
const MAX_ANSWER_BYTES: usize = 65_536;

/// How long a request may take that is answered at once.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long the other centre may hold back its answer until something changes, in seconds.
const POLL_SECONDS: u64 = 20;

/// The same while so many wait for its answers that others have to wait for their turn: all have it well
/// before the other centre takes a contact for forgotten ([`patchbay_core::limits::ASKER_SILENCE`]).
const SHORT_POLL_SECONDS: u64 = 4;

/// Pauses between the attempts to tell that an agent is not wanted; then its own ring time frees it.
const RELEASE_PAUSES: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(4),
];

/// News of another centre, with the number of the question.
pub(super) type SiteNews = (u64, SiteTold);

/// The clients of other centres, and what is being asked there.
#[derive(Debug)]
pub(super) struct SiteRequests {
    /// How this centre is named there.
    own_name: Option<RuleId>,
    peers: BTreeMap<SiteId, Arc<Peer>>,
    asked: HashMap<(ContactId, SiteId), Asked>,
    news: mpsc::Sender<SiteNews>,
    room: Arc<Semaphore>,
    numbers: u64,
}

/// A question under way. When it is dropped, its task learns that nobody wants it any more.
#[derive(Debug)]
struct Asked {
    number: u64,
    _wanted: oneshot::Sender<()>,
}

/// Another centre.
#[derive(Debug)]
struct Peer {
    site: Arc<Site>,
    /// For what is answered at once: it does not wait behind what is not.
    quick: Client,
    waiting: Client,
    /// Its connections: who waits for one has not begun to wait for an answer.
    turns: Semaphore,
}

/// How a contact stands there, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Stands {
    contact: ContactId,
    revision: u64,
    state: String,
    agent: Option<AgentId>,
    offer: Option<OfferId>,
    claim: Option<String>,
}

impl SiteRequests {
    /// Clients of nobody yet, and where the news come. `name` is what other centres know this one by.
    pub(super) fn new(name: &str) -> (SiteRequests, mpsc::Receiver<SiteNews>) {
        let (news, queue) = mpsc::channel(MAX_SITE_NEWS);
        let requests = SiteRequests {
            own_name: name.parse().ok(),
            peers: BTreeMap::new(),
            asked: HashMap::new(),
            news,
            room: Arc::new(Semaphore::new(MAX_SITE_TASKS)),
            numbers: 0,
        };
        (requests, queue)
    }

    /// Forgets the clients of centres that are not declared any more.
    pub(super) fn keep_only(&mut self, centre: &Centre) {
        let declared = |id: &SiteId| centre.sites.iter().any(|site| site.id == *id);
        self.peers.retain(|id, _| declared(id));
    }

    /// Asks for an agent; what comes of it is told as news.
    pub(super) fn ask(&mut self, contact: ContactId, site: Arc<Site>, ask: &SiteAsk) {
        self.numbers += 1;
        let number = self.numbers;
        let (_wanted, left) = oneshot::channel();
        let key = (contact, site.id.clone());
        self.asked.insert(key, Asked { number, _wanted });
        let body = self.body(ask);
        let room = Arc::clone(&self.room).try_acquire_owned();
        let task = Task {
            number,
            contact,
            site: site.id.clone(),
            news: self.news.clone(),
        };
        let peer = self.peer(&site);
        tokio::spawn(async move {
            match (room, peer) {
                (Ok(room), Ok(peer)) => task.run(&peer, body, left, room).await,
                (Err(_), _) => task.tell(SiteSays::Gone(SiteFailure::TooMany)).await,
                (_, Err(error)) => task.tell(SiteSays::Gone(failure(&error))).await,
            }
        });
    }

    fn body(&self, ask: &SiteAsk) -> Bytes {
        let named = |uri: &str| match uri {
            "" => "sip:anonymous@anonymous.invalid".to_owned(),
            uri => uri.to_owned(),
        };
        let waited = ask.waited.min(MAX_WAITED_ELSEWHERE).as_secs();
        let mut body = json!({
            "medium": ask.medium,
            "from": named(&ask.from),
            "to": named(&ask.to),
            "queue": ask.queue,
            "skills": ask.skills,
            "priority": ask.priority,
            "waited_seconds": waited,
        });
        if let (Some(name), Some(fields)) = (&self.own_name, body.as_object_mut()) {
            fields.insert("site".to_owned(), json!(name));
        }
        body.to_string().into()
    }

    /// Nothing is wanted of a centre any more for this contact: its task tells that there.
    pub(super) fn leave(&mut self, contact: ContactId, site: SiteId) {
        self.asked.remove(&(contact, site));
    }

    /// What the node is to hear of news: nothing of questions that are over.
    pub(super) fn heard(&mut self, (number, told): SiteNews) -> Option<SiteTold> {
        let key = (told.contact, told.site.clone());
        let current = self.asked.get(&key).is_some_and(|it| it.number == number);
        match &told.says {
            SiteSays::Took => {}
            SiteSays::Offered { theirs, .. } if !current => {
                self.release(&told.site, *theirs);
            }
            SiteSays::Offered { .. } | SiteSays::Gone(_) if current => {
                self.asked.remove(&key);
            }
            SiteSays::Offered { .. } | SiteSays::Gone(_) => {}
        }
        current.then_some(told)
    }

    /// Lets an agent go that is not wanted.
    pub(super) fn release(&self, site: &SiteId, theirs: ContactId) {
        if let Some(peer) = self.peers.get(site).cloned() {
            tokio::spawn(async move { peer.release(theirs).await });
        }
    }

    fn peer(&mut self, site: &Arc<Site>) -> Result<Arc<Peer>, WebhookError> {
        match self.peers.get(&site.id) {
            Some(peer) if peer.site == *site => Ok(Arc::clone(peer)),
            _ => {
                let peer = Arc::new(Peer::new(Arc::clone(site))?);
                self.peers.insert(site.id.clone(), Arc::clone(&peer));
                Ok(peer)
            }
        }
    }
}

/// A contact for which another centre is asked.
struct Task {
    number: u64,
    contact: ContactId,
    site: SiteId,
    news: mpsc::Sender<SiteNews>,
}

impl Task {
    async fn tell(&self, says: SiteSays) {
        let told = SiteTold {
            contact: self.contact,
            site: self.site.clone(),
            says,
        };
        // A node that stops does not want it any more.
        let _stopped = self.news.send((self.number, told)).await;
    }

    async fn run(
        &self,
        peer: &Peer,
        body: Bytes,
        mut left: oneshot::Receiver<()>,
        _room: OwnedSemaphorePermit,
    ) {
        let key = format!("{}-{}", self.contact, self.number);
        let mut stands = match peer.ask(body, key).await {
            Ok(stands) => stands,
            Err(error) => return self.failed(&error).await,
        };
        debug!(contact = %self.contact, site = %self.site, theirs = %stands.contact, "asked");
        let theirs = stands.contact;
        let mut took = false;
        loop {
            match stands.state.as_str() {
                "asking" | "queued" => {}
                "offered" => return self.offered(peer, stands).await,
                "connected" => return self.connected(peer, &stands).await,
                _ => return self.tell(SiteSays::Gone(SiteFailure::Refused)).await,
            }
            if !took {
                took = true;
                self.tell(SiteSays::Took).await;
            }
            tokio::select! {
                _dropped = &mut left => return peer.release(theirs).await,
                next = peer.change(theirs, stands.revision) => match next {
                    Ok(next) => stands = next,
                    Err(error) => {
                        self.failed(&error).await;
                        return peer.release(theirs).await;
                    }
                },
            }
        }
    }

    async fn failed(&self, error: &WebhookError) {
        warn!(site = %self.site, %error, "another centre gave no agent");
        self.tell(SiteSays::Gone(failure(error))).await;
    }

    async fn offered(&self, peer: &Peer, stands: Stands) {
        let at = stands
            .claim
            .and_then(|claim| address(&peer.site.edge, &claim));
        let agent = stands.agent.filter(|agent| agent.check().is_ok());
        match (agent, at) {
            (Some(agent), Some(at)) => {
                let theirs = stands.contact;
                self.tell(SiteSays::Offered { agent, at, theirs }).await;
            }
            _ => {
                self.tell(SiteSays::Gone(SiteFailure::Malformed)).await;
                peer.release(stands.contact).await;
            }
        }
    }

    /// A program there has taken it, and cannot be called by a claim.
    async fn connected(&self, peer: &Peer, stands: &Stands) {
        if let Some(offer) = stands.offer {
            let report = json!({ "result": "ended", "offer": offer });
            peer.tell(stands.contact, report).await;
        }
        self.tell(SiteSays::Gone(SiteFailure::Refused)).await;
    }
}

impl Peer {
    fn new(site: Arc<Site>) -> Result<Peer, WebhookError> {
        let server = Server {
            url: site.url.clone(),
            ca_file: site.ca_file.as_ref().map(Into::into),
            insecure: site.insecure,
        };
        Ok(Peer {
            quick: Client::new(server.clone())?,
            waiting: Client::new(server)?,
            turns: Semaphore::new(MAX_WEBHOOK_CONNECTIONS),
            site,
        })
    }

    fn authorization(&self) -> (&'static str, String) {
        let token = self.site.token.expose();
        ("authorization", format!("Bearer {token}"))
    }

    async fn ask(&self, body: Bytes, key: String) -> Result<Stands, WebhookError> {
        let headers = [self.authorization(), ("idempotency-key", key)];
        let path = "/api/v1/route";
        let asking = self
            .quick
            .send((Method::POST, path), &headers, body, MAX_ANSWER_BYTES);
        read(&within(REQUEST_TIME, asking).await?)
    }

    /// How the contact stands when that is otherwise than before, or some time later.
    async fn change(&self, theirs: ContactId, seen: u64) -> Result<Stands, WebhookError> {
        let _turn = self.turns.acquire().await;
        let few_left = self.turns.available_permits() < MAX_WEBHOOK_CONNECTIONS / 4;
        let seconds = match few_left {
            true => SHORT_POLL_SECONDS,
            false => POLL_SECONDS,
        };
        let path = format!("/api/v1/route/{theirs}?after={seen}&wait_seconds={seconds}");
        let headers = [self.authorization()];
        let polling = self.waiting.send(
            (Method::GET, &path),
            &headers,
            Bytes::new(),
            MAX_ANSWER_BYTES,
        );
        let time = REQUEST_TIME + Duration::from_secs(seconds);
        read(&within(time, polling).await?)
    }

    async fn release(&self, theirs: ContactId) {
        self.tell(theirs, json!({ "result": "abandoned" })).await;
    }

    /// Tells what became of a contact, several times if need be.
    async fn tell(&self, theirs: ContactId, report: serde_json::Value) {
        let path = format!("/api/v1/route/{theirs}");
        let headers = [self.authorization()];
        let body = Bytes::from(report.to_string());
        let pauses = RELEASE_PAUSES.map(Some).into_iter().chain([None]);
        for pause in pauses {
            let request = (Method::POST, path.as_str());
            let telling = self
                .quick
                .send(request, &headers, body.clone(), MAX_ANSWER_BYTES);
            match (within(REQUEST_TIME, telling).await, pause) {
                // It is over there, or a call says what becomes of it.
                (Ok(_) | Err(WebhookError::Status(404 | 409)), _) => return,
                (Err(_), Some(pause)) => tokio::time::sleep(pause).await,
                (Err(error), None) => {
                    warn!(site = %self.site.id, %theirs, %error, "not told that an agent is free");
                }
            }
        }
    }
}

async fn within(
    time: Duration,
    request: impl Future<Output = Result<Bytes, WebhookError>>,
) -> Result<Bytes, WebhookError> {
    let late = || WebhookError::Transport(format!("no answer within {} s", time.as_secs()));
    tokio::time::timeout(time, request)
        .await
        .unwrap_or_else(|_| Err(late()))
}

fn read(answer: &Bytes) -> Result<Stands, WebhookError> {
    serde_json::from_slice(answer).map_err(|error| WebhookError::Malformed(error.to_string()))
}

fn failure(error: &WebhookError) -> SiteFailure {
    match error {
        WebhookError::Url(_) | WebhookError::Transport(_) | WebhookError::Certificate(_) => {
            SiteFailure::Unreachable
        }
        WebhookError::Status(401 | 403 | 422) => SiteFailure::Forbidden,
        WebhookError::Status(429) => SiteFailure::TooMany,
        WebhookError::Status(503) => SiteFailure::Refused,
        WebhookError::Status(_) | WebhookError::TooLong(_) | WebhookError::Malformed(_) => {
            SiteFailure::Malformed
        }
    }
}
