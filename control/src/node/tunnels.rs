//! The tunnels by which transfers travel: one to a relay for each, for as long as it has something
//! to say (requirement B5).

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use patchbay_route::transfer::{MAX_TUNNELS, TUNNELS};
use patchbay_sip::stream::{Frame, Framer};
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Handed, Message};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::run::host_ips;
use super::wire::{Connections, WireCounters, WireEvent, Writer, count};
use crate::link::{LinkError, RelayClient, TunnelLink};

/// Messages that may wait to be written to one tunnel: an INVITE, its CANCEL and its ACK, and room.
pub const MAX_TUNNEL_WRITES: usize = 16;

/// The tunnels of a node; see the module.
pub(super) struct Tunnels {
    links: Vec<(Vec<IpAddr>, TunnelLink)>,
    open: Connections,
    /// Weak, so that the node's task still notices that its listener has ended.
    events: mpsc::WeakSender<WireEvent>,
    counters: Arc<WireCounters>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Tunnels {
    /// No tunnel yet; they will lead to these relays.
    pub(super) fn new(
        clients: &[RelayClient],
        events: &mpsc::Sender<WireEvent>,
        counters: Arc<WireCounters>,
        stop: CancellationToken,
        tasks: TaskTracker,
    ) -> Tunnels {
        let link = |client: &RelayClient| {
            let link = TunnelLink::new(client.clone());
            (host_ips(client.base()), link)
        };
        Tunnels {
            links: clients.iter().map(link).collect(),
            open: Connections::default(),
            events: events.downgrade(),
            counters,
            stop,
            tasks,
        }
    }

    /// Whether a flow is a tunnel.
    pub(super) fn has(&self, flow: Flow) -> bool {
        TUNNELS.contains(&flow.connection)
    }

    /// Those that are open.
    pub(super) fn open(&mut self) -> &mut Connections {
        &mut self.open
    }

    /// Ends a tunnel when all is sent; false if it was not open (any more).
    pub(super) fn close(&mut self, flow: Flow) -> bool {
        self.open.closed(flow.connection)
    }

    /// The relay that a call came from: the only one, or the one at its address.
    fn relay(&self, from: IpAddr) -> Option<&TunnelLink> {
        let from = from.to_canonical();
        let found = match self.links.as_slice() {
            [only] => Some(only),
            several => several.iter().find(|(ips, _)| ips.contains(&from)),
        };
        found.map(|(_, link)| link)
    }

    /// Begins a tunnel; false if there is no room, or no relay where its call came from.
    pub(super) fn begin(&mut self, flow: Flow) -> bool {
        let Some(link) = self.relay(flow.remote.ip()).cloned() else {
            warn!(remote = %flow.remote, "no relay is known at this address: no tunnel");
            count(&self.counters.no_connection);
            return false;
        };
        let Some(events) = self.events.upgrade() else {
            return false;
        };
        if self.open.len() >= MAX_TUNNELS as usize {
            count(&self.counters.too_many);
            return false;
        }
        let (queue, writes) = mpsc::channel(MAX_TUNNEL_WRITES);
        let cut = self.stop.child_token();
        self.open.opened(flow, Writer::new(queue, cut.clone()));
        let counters = Arc::clone(&self.counters);
        self.tasks.spawn(async move {
            let carried = carry(link, writes, flow, &events);
            if let Some(Err(error)) = cut.run_until_cancelled(carried).await {
                warn!(remote = %flow.remote, %error, "a tunnel failed");
                count(&counters.bad_tunnel);
            }
            let _stopped = events.send(WireEvent::Closed { flow }).await;
        });
        true
    }
}

/// Carries what is queued to the relay, and its answers to the node, until either side has ended.
async fn carry(
    link: TunnelLink,
    writes: mpsc::Receiver<Handed>,
    flow: Flow,
    events: &mpsc::Sender<WireEvent>,
) -> Result<(), LinkError> {
    let mut answers = link.open(writes).await?;
    debug!(tunnel = flow.connection - TUNNELS.start, "open");
    read(&mut answers, flow, events).await
}

async fn read(
    answers: &mut (impl Stream<Item = Result<Bytes, LinkError>> + Unpin),
    flow: Flow,
    events: &mpsc::Sender<WireEvent>,
) -> Result<(), LinkError> {
    let mut framer = Framer::new();
    while let Some(chunk) = answers.next().await {
        framer.push(&chunk?);
        for frame in framer.by_ref() {
            let bytes = match frame {
                Ok(Frame::Message(bytes)) => bytes,
                Ok(Frame::KeepAlive(_)) => continue,
                Err(error) => return Err(LinkError::Unreadable(error.to_string())),
            };
            let parsed = Box::new(Message::parse(bytes));
            let message = WireEvent::Message { flow, parsed };
            if events.send(message).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::link::Secret;

    fn tunnels(relays: &[&str]) -> Tunnels {
        let client = |url: &&str| RelayClient::new(url, Secret::new("a secret")).unwrap();
        let clients: Vec<RelayClient> = relays.iter().map(client).collect();
        let (events, _) = mpsc::channel(1);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        Tunnels::new(&clients, &events, Arc::default(), stop, tasks)
    }

    // B5
    #[test]
    fn a_call_goes_back_to_the_relay_that_it_came_from() {
        let several = tunnels(&["https://10.0.0.1:8090", "https://[2001:db8::2]:8090"]);
        let relay = |from: &str| {
            let link = several.relay(from.parse().unwrap());
            link.map(|link| link.base().to_owned())
        };
        assert_eq!(relay("10.0.0.1").as_deref(), Some("https://10.0.0.1:8090"));
        assert_eq!(relay("::ffff:10.0.0.1"), relay("10.0.0.1"));
        assert_eq!(
            relay("2001:db8::2").as_deref(),
            Some("https://[2001:db8::2]:8090")
        );
        assert_eq!(relay("10.0.0.3"), None);
        let one = tunnels(&["https://relay.example:8090"]);
        assert!(one.relay("10.0.0.3".parse().unwrap()).is_some());
    }
}
