//! Registrations by flow (RFC 5626 section 6): a device names itself and the flow, so that it may
//! register the same Contact over several, and replace each by itself.

use patchbay_sip::{HeaderName, Message, NameAddr};

use super::answer::Answer;
use super::contact::Wish;
use super::limits::{FLOW_TIMER_CONNECTION_S, FLOW_TIMER_UDP_S};

/// The option tag.
pub(super) const OUTBOUND: &str = "outbound";

/// The `reg-id` of a Contact, 1 to 2^31 - 1 (RFC 5626 section 4.2).
pub(super) fn reg_id(contact: &NameAddr) -> Result<Option<u32>, Answer> {
    let Some(value) = contact.params.value("reg-id") else {
        return Ok(None);
    };
    match value.trim().parse::<u32>() {
        Ok(id) if (1..=i32::MAX as u32).contains(&id) => Ok(Some(id)),
        _ => Err(Answer::new(400, "Bad Reg-Id")),
    }
}

/// Whether the wishes are by flow. A `reg-id` without an instance is passed over, and so is one of a
/// phone that does not say that it supports outbound; with it, all hops must (439).
pub(super) fn check(request: &Message, wishes: &mut [Wish]) -> Result<(), Answer> {
    let supported = [HeaderName::Supported, HeaderName::Require]
        .into_iter()
        .any(|header| request.headers.lists(header, OUTBOUND));
    let by_flow = wishes.iter().filter(|wish| wish.flow().is_some()).count();
    if by_flow == 0 || !supported {
        for wish in wishes {
            wish.reg_id = None;
        }
        return Ok(());
    }
    if by_flow > 1 || wishes.len() > 1 {
        // RFC 5626 section 4.2: one Contact with a reg-id in a request.
        return Err(Answer::new(400, "Several Contacts With Reg-Id"));
    }
    if !first_hop_supports(request) {
        return Err(Answer::new(439, "First Hop Lacks Outbound Support"));
    }
    Ok(())
}

/// The proxy next to the phone says so in the Path that it adds, which is the last (RFC 5626 section
/// 5.1).
fn first_hop_supports(request: &Message) -> bool {
    let last = request.headers.all_split(HeaderName::Path).last();
    let last = last.and_then(|value| NameAddr::parse(value).ok());
    last.is_some_and(|path| path.uri.params.contains("ob"))
}

/// How often the phone shall keep its flow alive, in seconds, by the transport that it came over.
pub(super) fn flow_timer_s(transport: &str) -> u64 {
    match transport.eq_ignore_ascii_case("udp") {
        true => FLOW_TIMER_UDP_S,
        false => FLOW_TIMER_CONNECTION_S,
    }
}
