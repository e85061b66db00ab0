//! What must not pass from one side to the other: where a party is, and what names its dialogs
//! (requirement D11).

use super::leg::rare;
use super::{Context, Session};
use crate::engine::Side;
use patchbay_sip::{HeaderName, Host, Message, NameAddr, Via};

/// Headers in which a party says where it is to be reached.
const PLACES: [HeaderName; 2] = [HeaderName::Contact, HeaderName::RecordRoute];

impl Session {
    /// Addresses and names of `side` that the other side must not see: those of its dialog and its
    /// media, and those that `message`, which is about to pass, gives as where it comes from.
    pub(super) fn hidden(
        &mut self,
        cx: &mut Context<'_>,
        side: Side,
        message: &Message,
    ) -> Vec<String> {
        let ours = [
            cx.paths.advertised(&self.caller.flow).ip().to_string(),
            cx.paths.advertised(&self.agent.flow).ip().to_string(),
        ];
        let mut hidden = self.leg(side).names();
        hidden.extend(self.media.addresses(side));
        hidden.extend(hosts(message).filter_map(|host| match host.ip() {
            Some(ip) => Some(ip.to_string()),
            None => Some(host.to_string()).filter(|name| rare(name)),
        }));
        hidden.retain(|address| !ours.contains(address));
        hidden
    }
}

/// The hosts that a message comes from by its own word. The Vias of an answer are ours.
fn hosts(message: &Message) -> impl Iterator<Item = Host> {
    let vias = message.headers.all_split(HeaderName::Via);
    let vias = vias.filter(|_| message.is_request());
    let senders = vias.filter_map(|via| Via::parse(via).ok().map(|via| via.host));
    let places = PLACES.into_iter().flat_map(|name| {
        let values = message.headers.all_split(name);
        values.filter_map(|value| NameAddr::parse(value).ok().map(|named| named.uri.host))
    });
    senders.chain(places)
}
