//! Transfers by tunnels: each has a connection of its own (requirement B5), which ends with it.
//! Sessions see the same transaction as without.

use super::carried::belongs_to_transfer;
use super::counters::EdgeDrop;
use super::{Core, Output};
use patchbay_route::transfer::TUNNELS;
use patchbay_sip::transaction::{Flow, ServerKey};
use patchbay_sip::{Message, Method};
use rustc_hash::FxHashMap;

/// The INVITEs that came by tunnels which stand; there are as many tunnels as the API lets in.
#[derive(Default)]
pub(super) struct Tunnels {
    servers: FxHashMap<u64, ServerKey>,
    connections: FxHashMap<ServerKey, u64>,
}

/// Whether a flow is a tunnel; only the host numbers flows, and lets nobody but control open one.
pub(super) fn is_tunnel(flow: &Flow) -> bool {
    TUNNELS.contains(&flow.connection)
}

impl Core {
    /// Notes the transfer that a tunnel is for. False, and counted, if the request is none, or the
    /// second of its tunnel.
    pub(super) fn came_by_tunnel(
        &mut self,
        server: ServerKey,
        request: &Message,
        flow: &Flow,
    ) -> bool {
        let first = !self.tunnels.servers.contains_key(&flow.connection);
        let transfer = belongs_to_transfer(request) && request.method() == Some(&Method::Invite);
        if !(first && transfer) {
            self.counters.drop(EdgeDrop::CarriedMalformed);
            return false;
        }
        self.tunnels.servers.insert(flow.connection, server);
        self.tunnels.connections.insert(server, flow.connection);
        true
    }

    /// Lets the transfer of a tunnel fail that is gone; false if it is no tunnel.
    pub(super) fn tunnel_closed(&mut self, connection: u64) -> bool {
        if let Some(server) = self.tunnels.servers.remove(&connection) {
            self.tunnels.connections.remove(&server);
            self.layer.server_lost(server);
        }
        TUNNELS.contains(&connection)
    }

    /// Ends the tunnels of calls that have been answered, when nothing more will be sent there.
    pub(super) fn end_settled_tunnels(&mut self) {
        while let Some(server) = self.links.settled.pop() {
            if let Some(connection) = self.tunnels.connections.remove(&server) {
                self.tunnels.servers.remove(&connection);
                self.outputs.push_back(Output::EndTunnel(connection));
            }
        }
    }
}
