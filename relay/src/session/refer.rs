//! REFER (RFC 3515, RFC 5589): the transfer of a call by a phone in it.
//!
//! REFER and its NOTIFYs pass from one side to the other like any request. What they name must
//! make sense on the other side and hide this one, so `Refer-To` is exchanged for an address of
//! this relay, good for a minute. Whoever calls that address is put through: to the address that
//! was meant, or, where `Refer-To` names a dialog of another call on this relay (`Replaces`), into
//! that call, in the place of the phone that referred.

use super::{Context, Links, Session, SessionId};
use crate::edge::Refusal;
use crate::edge::counters::EdgeDrop;
use crate::edge::paths::{default_port, transport_param};
use crate::engine::Side;
use crate::readdress::sdp::names_any;
use patchbay_sip::uri::unescape;
use patchbay_sip::{HeaderName, Message, Method, NameAddr, Uri};
use rustc_hash::FxHashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Addresses given out for transfers and not yet expired; the next REFER is answered 503.
pub const MAX_REFERRALS: usize = 10_000;
/// For how long the address given out for a transfer can be called. Phones call it at once.
pub const REFERRAL_TIME: Duration = Duration::from_secs(60);
/// Longest `Refer-To` that is taken, in bytes.
const MAX_REFER_TO_BYTES: usize = 2048;

/// Whom a transferred phone shall reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Referred {
    /// Somebody elsewhere, in the place of a dialog there if one is named.
    Elsewhere {
        /// The address.
        uri: String,
        /// The value of `Replaces` for the INVITE.
        replaces: Option<String>,
    },
    /// The call of that session, in the place of that side.
    InPlaceOf(SessionId, Side),
}

/// An address given out for a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Referral {
    pub(super) to: Referred,
    /// A Call-ID of the call in which it was given out.
    pub(super) follows: Box<str>,
    until: Instant,
}

/// The addresses given out for transfers.
#[derive(Default)]
pub(super) struct Referrals {
    open: FxHashMap<String, Referral>,
}

impl Referrals {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    fn give(
        &mut self,
        name: String,
        (to, follows): (Referred, &str),
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.open.len() >= MAX_REFERRALS {
            self.open.retain(|_, given| given.until > now);
        }
        if self.open.len() >= MAX_REFERRALS {
            let reason = "Too Many Transfers";
            return Err(Refusal::busy(EdgeDrop::ReferralsFull, reason, 5));
        }
        let given = Referral {
            to,
            follows: follows.into(),
            until: now + REFERRAL_TIME,
        };
        self.open.insert(name, given);
        Ok(())
    }

    /// Whom the user part of a called address stands for.
    pub(super) fn find(&self, name: &str, now: Instant) -> Option<Referral> {
        let given = self.open.get(name)?;
        (given.until > now).then(|| given.clone())
    }
}

/// A dialog as `Replaces` names it (RFC 3891 section 6.1), seen by who receives the INVITE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Replaces {
    pub call_id: String,
    pub to_tag: String,
    pub from_tag: String,
    pub early_only: bool,
}

impl Replaces {
    /// Parses the header's value; none without both tags.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let call_id = parts.next().filter(|id| !id.is_empty())?.to_owned();
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for part in parts {
            match part.split_once('=') {
                Some((name, tag)) if name.trim().eq_ignore_ascii_case("to-tag") => {
                    to_tag = Some(tag.trim().to_owned());
                }
                Some((name, tag)) if name.trim().eq_ignore_ascii_case("from-tag") => {
                    from_tag = Some(tag.trim().to_owned());
                }
                None if part.eq_ignore_ascii_case("early-only") => early_only = true,
                _ => {}
            }
        }
        Some(Self {
            call_id,
            to_tag: to_tag?,
            from_tag: from_tag?,
            early_only,
        })
    }

    /// The side of a session whose dialog this is: our tag is that of the one who receives it.
    pub(super) fn leg(&self, links: &Links) -> Option<(SessionId, Side)> {
        links.tags.get(&self.to_tag).copied()
    }
}

impl Session {
    /// What stands in a REFER, or in an INVITE that follows one, in the place of headers that name
    /// dialogs and addresses of `from`.
    pub(super) fn refer_headers(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        request: &Message,
    ) -> Result<Vec<(HeaderName, String)>, Refusal> {
        let bad = || Refusal::plain(400, "Missing or Broken Refer-To");
        let value = request.headers.get(HeaderName::ReferTo).ok_or_else(bad)?;
        if value.len() > MAX_REFER_TO_BYTES || request.headers.all(HeaderName::ReferTo).count() != 1
        {
            // RFC 3515 section 2.4.2: exactly one.
            return Err(bad());
        }
        let to = NameAddr::parse(value).map_err(|_| bad())?;
        let mut headers = vec![(
            HeaderName::ReferTo,
            self.refer_to(cx, from, (request, value), to.uri)?,
        )];
        headers.extend(self.referred_by(cx, from, request));
        Ok(headers)
    }

    fn refer_to(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        (request, value): (&Message, &str),
        uri: Uri,
    ) -> Result<String, Refusal> {
        let other_method = uri
            .params
            .value("method")
            .is_some_and(|method| !method.eq_ignore_ascii_case("INVITE"));
        if !uri.is_sip() || other_method {
            let hidden = self.hidden(cx, from, request);
            return match names_any(value, &hidden) {
                true => Err(Refusal::plain(403, "Refer-To Names a Hidden Address")),
                false => Ok(value.to_owned()),
            };
        }
        let replaces = uri.headers.iter().find_map(|(name, value)| {
            let is = unescape(name).eq_ignore_ascii_case("Replaces");
            is.then(|| unescape(value))
        });
        let named = replaces.as_deref().and_then(Replaces::parse);
        let leg = named.and_then(|named| named.leg(cx.links));
        if leg.is_none() && replaces.is_none() && self.is_ours(cx, &uri) {
            // An address of the centre: whoever calls it reaches control.
            return Ok(format!("<{}>", without_headers(uri)));
        }
        let to = match leg {
            Some((session, side)) => Referred::InPlaceOf(session, side),
            None => Referred::Elsewhere {
                uri: without_headers(uri).to_string(),
                replaces,
            },
        };
        let name = format!("refer-{}", cx.ids.tag());
        let follows = &self.caller.call_id;
        cx.links
            .referrals
            .give(name.clone(), (to, follows), cx.now.instant)?;
        let flow = self.leg(from.other()).flow;
        let shown = cx.paths.sent_by(&flow);
        let transport = transport_param(flow.transport);
        Ok(format!("<sip:{name}@{shown}{transport}>"))
    }

    /// A REFER that was taken makes a subscription, which ends with the NOTIFY that says so, or
    /// whose receiver knows nothing of it (RFC 6665 section 4.4.1).
    pub(super) fn follow_refer(&mut self, side: Side, request: &Message, response: &Message) {
        let success = response.status().is_some_and(|status| status < 300);
        match request.method() {
            Some(Method::Refer) if success => {
                let silent = response.headers.get("Refer-Sub");
                let silent = silent.is_some_and(|value| value.trim().eq_ignore_ascii_case("false"));
                self.owes_notify = (!silent).then_some(side);
            }
            Some(Method::Notify) if self.owes_notify == Some(side.other()) => {
                let state = request.headers.get(HeaderName::SubscriptionState);
                let over = state.is_some_and(|state| state.trim().starts_with("terminated"));
                if over || response.status() == Some(481) {
                    self.owes_notify = None;
                }
            }
            _ => {}
        }
    }

    /// After a BYE the word of a transfer still passes (RFC 5057 section 4): a phone may hang up
    /// as soon as its REFER was taken.
    pub(super) fn may_still_notify(&self, side: Side, request: &Message) -> bool {
        request.method() == Some(&Method::Notify) && self.owes_notify == Some(side)
    }

    /// Whether an address is one of this relay's own.
    fn is_ours(&mut self, cx: &mut Context<'_>, uri: &Uri) -> bool {
        let flows = [self.caller.flow, self.agent.flow];
        flows.iter().any(|flow| {
            let shown = cx.paths.advertised(flow);
            let port = uri.port.unwrap_or(default_port(flow.transport));
            let host = uri.host.to_string();
            let named = cx.paths.tls_name();
            let named = named.is_some_and(|name| name.eq_ignore_ascii_case(&host));
            (named || uri.host.ip() == Some(shown.ip())) && port == shown.port()
        })
    }

    /// `Referred-By` (RFC 3892): who it was, without the address that it is at.
    pub(super) fn referred_by(
        &mut self,
        cx: &mut Context<'_>,
        from: Side,
        request: &Message,
    ) -> Option<(HeaderName, String)> {
        let value = request.headers.get(HeaderName::ReferredBy)?;
        let mut by = NameAddr::parse(value).ok()?;
        if by.uri.host.ip().is_some() {
            let shown = cx.paths.advertised(&self.leg(from.other()).flow);
            let user = by.uri.user.as_deref().map(|user| format!("{user}@"));
            let user = user.unwrap_or_default();
            by = NameAddr::parse(&format!("<sip:{user}{}>", bracketed(shown))).ok()?;
        }
        // A token in the body would have to name the header as it was.
        by.params.remove("cid");
        let by = by.to_string();
        let hidden = self.hidden(cx, from, request);
        (!names_any(&by, &hidden)).then_some((HeaderName::ReferredBy, by))
    }
}

fn without_headers(mut uri: Uri) -> Uri {
    uri.headers.clear();
    uri.params.remove("method");
    uri
}

/// The address as a URI has it, without its port.
fn bracketed(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3891 section 6.1
    #[test]
    fn a_replaces_header_is_read() {
        let read =
            Replaces::parse("425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only");
        let expected = Replaces {
            call_id: "425928@bobster.example.org".into(),
            to_tag: "7743".into(),
            from_tag: "6472".into(),
            early_only: true,
        };
        assert_eq!(read, Some(expected));
        for bad in ["", "a", "a;to-tag=1", ";to-tag=1;from-tag=2"] {
            assert_eq!(Replaces::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_for_a_transfer_expires() {
        let mut referrals = Referrals::default();
        let now = Instant::now();
        let to = Referred::InPlaceOf("1".parse().unwrap_or_else(|_| unreachable!()), Side::Client);
        let given = referrals.give("refer-1".into(), (to.clone(), "c1"), now);
        assert!(given.is_ok());
        let found = referrals.find("refer-1", now);
        let found = found.map(|found| (found.to, found.follows));
        assert_eq!(found, Some((to, "c1".into())));
        assert_eq!(referrals.find("refer-1", now + REFERRAL_TIME), None);
        assert_eq!(referrals.find("refer-2", now), None);
    }
}
