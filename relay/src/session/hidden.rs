//! What must not pass from one side to the other: where a party is, and what names its dialogs
//! (requirement D11).

use super::leg::rare;
use super::{Context, Session};
use crate::engine::Side;
use patchbay_sip::{HeaderName, Host, Message, NameAddr, Text, Via};
use smallvec::SmallVec;

/// Names that one side must not see of the other: few, and short.
pub(super) type Hidden = SmallVec<[Text; 12]>;

/// Headers in which a party says where it is to be reached.
const PLACES: [HeaderName; 2] = [HeaderName::Contact, HeaderName::RecordRoute];

impl Session {
    /// Addresses and names of `side` that the other side must not see: those of its dialog and its
    /// media, and those that `message`, which is about to pass, gives as where it comes from.
    pub(super) fn hidden(&mut self, cx: &mut Context<'_>, side: Side, message: &Message) -> Hidden {
        let ours = [
            Text::written(&cx.paths.advertised(&self.caller.flow).ip()),
            Text::written(&cx.paths.advertised(&self.agent.flow).ip()),
        ];
        let mut hidden = Hidden::new();
        self.leg(side).names(&mut hidden);
        let media = self.media.addresses(side);
        hidden.extend(media.iter().map(Text::from));
        hidden.extend(hosts(message).filter_map(|host| match host.ip() {
            Some(ip) => Some(Text::written(&ip)),
            None => Some(Text::written(&host)).filter(|name| rare(name)),
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
