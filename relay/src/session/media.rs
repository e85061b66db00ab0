//! Offer and answer (RFC 3264) across the relay: the pairs in the engine follow the descriptions.

use super::terms::{Sent, Terms};
use super::{Context, Leg};
use crate::engine::{Engine, OpenError, OpenPair, PairId, PairSpec, Remote, Side};
use crate::readdress::sdp::{Description, Line, OriginLine, SdpError};
use bytes::Bytes;
use patchbay_route::counters::PairStats;
use patchbay_route::flow::Component;
use patchbay_route::handover::PairHandover;
use patchbay_sip::transaction::Flow;
use patchbay_sip::{Message, Text, Written};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use thiserror::Error;

/// How long after an answer a side may turn out to send from another port than it named.
pub const LEARN_WINDOW: Duration = Duration::from_secs(10);
/// The only body type that offers and answers may have.
pub const SDP_TYPE: &str = "application/sdp";

/// The packet engine as sessions use it.
pub trait Media: Send {
    /// Opens a pair's ports.
    fn open(&mut self, spec: PairSpec) -> Result<OpenPair, OpenError>;
    /// Says where one side receives.
    fn set_remote(&mut self, pair: PairId, side: Side, remote: Remote);
    /// Closes a pair.
    fn close(&mut self, pair: PairId);
    /// A pair's counters.
    fn stats(&self, pair: PairId) -> Option<PairStats>;
    /// What another process needs to go on with a pair; none if it is not open.
    fn hand_over(&self, pair: PairId) -> Option<PairHandover>;
    /// Opens a pair that another process handed over.
    fn adopt(&mut self, pair: &PairHandover) -> Result<OpenPair, OpenError>;
}

impl Media for Engine {
    fn open(&mut self, spec: PairSpec) -> Result<OpenPair, OpenError> {
        Engine::open(self, spec)
    }

    fn set_remote(&mut self, pair: PairId, side: Side, remote: Remote) {
        // The command queue is full or the thread is gone: the engine counts it, and the
        // call's own media time-out or hang-up ends the session.
        let _ = Engine::set_remote(self, pair, side, remote);
    }

    fn close(&mut self, pair: PairId) {
        Engine::close(self, pair);
    }

    fn stats(&self, pair: PairId) -> Option<PairStats> {
        Engine::stats(self, pair)
    }

    fn hand_over(&self, pair: PairId) -> Option<PairHandover> {
        Engine::hand_over(self, pair)
    }

    fn adopt(&mut self, pair: &PairHandover) -> Result<OpenPair, OpenError> {
        Engine::adopt(self, pair)
    }
}

/// Why a body cannot be taken as offer or answer.
#[derive(Debug, Error)]
pub enum MediaError {
    /// Not `application/sdp`.
    #[error("the body's type is not {SDP_TYPE}")]
    Type,
    /// The description is unusable.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// No line of it can be relayed.
    #[error("no medium of the session description can be relayed")]
    NothingUsable,
    /// No pair could be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// This host has no address of the family that the medium needs.
    #[error("this relay has no address that leads to {0}")]
    NoRoute(IpAddr),
}

impl MediaError {
    /// The SIP answer that fits.
    pub fn status(&self) -> (u16, &'static str) {
        match self {
            Self::Type => (415, "Unsupported Media Type"),
            Self::Sdp(_) | Self::NothingUsable | Self::NoRoute(_) => (488, "Not Acceptable Here"),
            Self::Open(_) => (503, "No Media Port Free"),
        }
    }
}

/// One row of the routing table: a pair for one media line.
pub(super) struct Row {
    pub pair: OpenPair,
    pub medium: Text,
    pub remote: [Option<SocketAddr>; 2],
}

/// What holds beside one side's description.
#[derive(Clone, Copy, Default)]
struct Agreed<'a> {
    /// The other side's.
    other: Option<&'a Description>,
    /// Clocks of the RTP timestamps in Hz, by line of the answer.
    clocks: &'a [u32],
    /// For how long sources are learned.
    learn_window: Duration,
}

/// The media of one session.
#[derive(Default)]
pub struct MediaState {
    pub(super) rows: Vec<Option<Row>>,
    /// Pairs between the caller and the client's side of `rows`, where it has waited in a call.
    pub(super) below: Vec<Row>,
    pub(super) origin: [Option<(u64, u64)>; 2],
    pub(super) offer: Option<(Side, Description)>,
    pub(super) named: [Vec<Text>; 2],
    pub(super) held: bool,
    /// Who holds, as far as this process has seen it.
    pub(super) held_by: Option<Side>,
    /// Early answers to the offer that waits, by To tag.
    pub(super) forks: Vec<(String, Description)>,
    /// The offer that held before one that is under way, while the call rings.
    pub(super) shelf: Option<(Side, Description)>,
    /// The last answer, where it is still to be compared with others.
    pub(super) answer: Option<Description>,
    /// Whether to keep it.
    pub(super) keeps: bool,
    /// An exchange is over: the call stands.
    pub(super) settled: bool,
    /// What was said, where it may have to be said once more.
    pub(super) terms: Option<Box<Terms>>,
}

/// The flows of a session's signalling: media take the same addresses.
#[derive(Clone, Copy)]
pub struct Ends {
    flows: [Flow; 2],
}

impl Ends {
    /// The ends of two legs.
    pub fn of(caller: &Leg, agent: &Leg) -> Self {
        Self {
            flows: [caller.flow, agent.flow],
        }
    }

    fn flow(&self, side: Side) -> &Flow {
        match side {
            Side::Client => &self.flows[0],
            Side::Agent => &self.flows[1],
        }
    }

    fn of_side(&self, side: Side) -> IpAddr {
        self.flow(side).remote.ip()
    }
}

impl MediaState {
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().flatten()
    }

    /// Addresses that `side` has named in its descriptions.
    pub fn addresses(&self, side: Side) -> &[Text] {
        &self.named[side as usize]
    }

    /// Whether the last answered exchange put the call on hold (RFC 3264 section 8.4).
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Time since a packet of either side, or of one; none before the first.
    pub fn silence(&self, media: &dyn Media, only: Option<Side>) -> Option<Duration> {
        let age = |row: &Row| {
            let stats = media.stats(row.pair.id)?;
            match only {
                None => stats.last_packet_age(),
                Some(side) => {
                    let flows = Component::ALL.map(|component| stats.of(side, component));
                    flows.iter().filter_map(|flow| flow.last_packet_age).min()
                }
            }
        };
        self.rows().filter_map(age).min()
    }

    /// Whether an offer waits for its answer.
    pub fn offer_pending(&self) -> bool {
        self.offer.is_some()
    }

    /// Whose offer waits for its answer.
    pub fn offer_by(&self) -> Option<Side> {
        self.offer.as_ref().map(|(side, _)| *side)
    }

    /// Takes a message's description from `side` as offer, or as answer to the other side's
    /// offer; gives the body for the other side, or none if there was no body.
    pub fn take(
        &mut self,
        cx: &mut Context<'_>,
        ends: Ends,
        side: Side,
        message: &Message,
    ) -> Result<Option<Bytes>, MediaError> {
        if message.body.is_empty() {
            self.follow_fork(cx, ends, side, message);
            return Ok(None);
        }
        if !message.has_content_type(SDP_TYPE) {
            return Err(MediaError::Type);
        }
        let description = Description::read(&message.body)?;
        self.remember_names(side, &description);
        match self.offer.take() {
            Some((offerer, offer)) if offerer != side => {
                self.open_rows(cx, ends, offerer, &offer, &description)?;
                self.follow(cx, ends, (offerer, &offer), (side, &description));
                self.remember_fork(message, &description);
                let sent = self.write(cx, ends, side, &description);
                let body = sent.body.clone();
                self.note_answer(&message.body, sent);
                self.answer = self.keeps.then_some(description);
                // Kept until the final answer: a 183 and its 200 answer the same offer.
                self.offer = Some((offerer, offer));
                Ok(Some(body))
            }
            _ => {
                self.open_rows(cx, ends, side, &description, &description)?;
                if self.rows().all(|row| row.remote == [None, None]) {
                    // Early media may flow to the caller before any answer.
                    self.apply(cx, ends, (side, &description), Agreed::default());
                }
                let sent = self.write(cx, ends, side, &description);
                let body = sent.body.clone();
                self.note_offer(side, &message.body, sent);
                self.offer = Some((side, description));
                Ok(Some(body))
            }
        }
    }

    /// The media follow an offer and its answer.
    pub(super) fn follow(
        &mut self,
        cx: &mut Context<'_>,
        ends: Ends,
        offer: (Side, &Description),
        answer: (Side, &Description),
    ) {
        self.close_refused(cx, offer.1);
        self.close_refused(cx, answer.1);
        self.agree(cx, ends, offer, answer);
        let mut holding = [offer, answer].into_iter();
        self.held_by = holding.find_map(|(side, said)| said.asks_for_hold().then_some(side));
        self.held = self.held_by.is_some();
    }

    /// Offer and answer are known: both sides are heard where they say.
    pub(super) fn agree(
        &mut self,
        cx: &mut Context<'_>,
        ends: Ends,
        offer: (Side, &Description),
        answer: (Side, &Description),
    ) {
        let clocks: Vec<u32> = answer.1.lines().iter().map(Line::clock_hz).collect();
        let agreed = |other| Agreed {
            other: Some(other),
            clocks: &clocks,
            learn_window: LEARN_WINDOW,
        };
        self.apply(cx, ends, offer, agreed(answer.1));
        self.apply(cx, ends, answer, agreed(offer.1));
    }

    /// The exchange was refused, or nobody answered it.
    pub fn give_up(&mut self) {
        self.forget_pending();
        self.settle();
    }

    /// The exchange is over, answered or given up.
    pub fn settle(&mut self) {
        self.settle_terms();
        self.offer = None;
        self.shelf = None;
        self.answer = None;
        self.keeps = false;
        self.forks.clear();
        self.settled = true;
    }

    /// Closes every pair.
    pub fn close(&mut self, media: &mut dyn Media) {
        for row in self.rows.drain(..).flatten().chain(self.below.drain(..)) {
            media.close(row.pair.id);
        }
    }

    pub(super) fn remember_names(&mut self, side: Side, description: &Description) {
        let named = &mut self.named[side as usize];
        for line in description.lines() {
            if let Line::Relayed {
                rtp, rtcp, held, ..
            } = line
            {
                for ip in [rtp.ip(), rtcp.ip()].map(|ip| Text::from(&Written(ip))) {
                    if !held
                        && !named.contains(&ip)
                        && named.len() < super::MAX_EXCHANGES_PER_SESSION
                    {
                        // Nearly all calls have one.
                        named.reserve_exact(1);
                        named.push(ip);
                    }
                }
            }
        }
    }

    /// Lines that are refused or taken away give their ports back.
    fn close_refused(&mut self, cx: &mut Context<'_>, description: &Description) {
        for (slot, line) in self.rows.iter_mut().zip(description.lines()) {
            if *line == Line::Refused
                && let Some(row) = slot.take()
            {
                cx.media.close(row.pair.id);
            }
        }
    }

    /// Opens a row for each line that both descriptions want and that has none. Rows that an
    /// offer leaves out stay until it is answered: it may be refused.
    fn open_rows(
        &mut self,
        cx: &mut Context<'_>,
        ends: Ends,
        offerer: Side,
        offer: &Description,
        answer: &Description,
    ) -> Result<(), MediaError> {
        let wanted = |index: usize| match (offer.lines().get(index), answer.lines().get(index)) {
            (Some(Line::Relayed { medium, rtp, .. }), Some(Line::Relayed { .. })) => {
                Some((medium.clone(), rtp.ip()))
            }
            _ => None,
        };
        // A call that stands may be left without media (RFC 3264 section 8.2).
        let none = (0..offer.lines().len()).all(|index| wanted(index).is_none());
        if none && !self.settled {
            return Err(MediaError::NothingUsable);
        }
        let lines = offer.lines().len().max(self.rows.len());
        // Nearly all calls have one, for as long as they last.
        self.rows.reserve_exact(lines - self.rows.len());
        self.rows.resize_with(lines, || None);
        for (index, slot) in self.rows.iter_mut().enumerate() {
            if let (Some((medium, ip)), None) = (wanted(index), &slot) {
                *slot = Some(open_row(cx, ends, medium, (offerer, ip))?);
            }
        }
        Ok(())
    }

    /// Tells the engine what a side's description says; what the other one's says decides over
    /// multiplexing and clocks.
    fn apply(
        &mut self,
        cx: &mut Context<'_>,
        ends: Ends,
        (side, description): (Side, &Description),
        agreed: Agreed<'_>,
    ) {
        for (index, line) in description.lines().iter().enumerate() {
            let Some(Some(row)) = self.rows.get_mut(index) else {
                continue;
            };
            let local = row.pair.local[side as usize].rtp;
            let other = agreed.other.and_then(|other| other.lines().get(index));
            let Some(remote) = line.remote(local, other) else {
                continue;
            };
            if let Line::Relayed { medium, .. } = line {
                // Fax takes over the ports of the voice before it.
                row.medium.clone_from(medium);
            }
            if !remote.rtp.ip().is_unspecified() {
                row.remote[side as usize] = Some(remote.rtp);
            }
            let remote = Remote {
                signalled_from: ends.of_side(side),
                learn_window: agreed.learn_window,
                clock_hz: agreed.clocks.get(index).copied().unwrap_or(0),
                ..remote
            };
            cx.media.set_remote(row.pair.id, side, remote);
        }
    }

    /// The description toward the side opposite of `from`.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        ends: Ends,
        from: Side,
        description: &Description,
    ) -> Sent {
        let to = from.other();
        let locals: Vec<Option<SocketAddr>> = self
            .rows
            .iter()
            .map(|row| row.as_ref().map(|row| row.pair.local[to as usize].rtp))
            .map(|local| local.map(|local| cx.paths.shown_media(local)))
            .collect();
        let (id, version) = self.origin[to as usize].unwrap_or_else(|| (cx.ids.number() >> 2, 0));
        self.origin[to as usize] = Some((id, version + 1));
        let address = locals.iter().flatten().next().map(SocketAddr::ip);
        let origin = OriginLine {
            id,
            version: version + 1,
            address: address.unwrap_or_else(|| ends.of_side(to)),
        };
        let mut hidden = self.addresses(from).to_vec();
        hidden.push(Text::from(&Written(ends.of_side(from))));
        let shown = Text::from(&Written(origin.address));
        hidden.retain(|name| *name != shown);
        Sent {
            body: description.readdressed(origin, &locals, &hidden),
            version: origin.version,
        }
    }
}

fn open_row(
    cx: &mut Context<'_>,
    ends: Ends,
    medium: Text,
    (offerer, offered): (Side, IpAddr),
) -> Result<Row, MediaError> {
    let mut local = |side: Side| {
        let media_to = match side == offerer {
            true => offered,
            false => ends.of_side(side),
        };
        cx.paths
            .media_ip(ends.flow(side), media_to)
            .ok_or(MediaError::NoRoute(media_to))
    };
    let spec = PairSpec::new(local(Side::Client)?, local(Side::Agent)?);
    Ok(Row {
        pair: cx.media.open(spec)?,
        medium,
        remote: [None, None],
    })
}
