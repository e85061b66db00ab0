//! Giving established calls to the next process, and taking those of the last one.

use super::handover::{
    DialogState, FlowState, HAND_OVER_VERSION, HandOver, LegState, MediaTerms, RowState, SaidState,
    SessionState, TakenOver, TimerState, UsedTransfer,
};
use super::media::Row;
use super::terms::{Said, Terms};
use super::{
    Context, Leg, MEDIA_LOOK, Media, MediaState, Purpose, Session, SessionId, SessionTimer,
    Sessions,
};
use crate::edge::flow_token::{Source, transport_byte, transport_of};
use crate::edge::{Now, Output};
use crate::engine::Side;
use patchbay_route::handover::PairHandover;
use patchbay_route::session::{
    EndCause, Ended, EndedBy, NoticeState, PairView, SessionEvent, SessionState as State,
};
use patchbay_route::transfer::TransferTarget;
use patchbay_sip::dialog::Dialog;
use patchbay_sip::transaction::Flow;
use patchbay_sip::{NameAddr, Text, Transport};
use std::time::{Duration, Instant};

impl Sessions {
    /// The established sessions and the transfers that may not be taken again. Everything stays as
    /// it is: whoever asks must let nothing happen to the sessions any more.
    pub fn hand_over(&self, media: &dyn Media, now: Now) -> HandOver {
        let sessions = self.rows.values().filter_map(|s| s.hand_over(media, now));
        let valid = |expires: u64| expires >= now.unix_ms / 1000;
        let transfers = self.replays.iter().filter(|(_, expires)| valid(**expires));
        HandOver {
            version: HAND_OVER_VERSION,
            written_unix_ms: now.unix_ms,
            sessions: sessions.collect(),
            transfers: transfers
                .map(|(signature, expires)| UsedTransfer {
                    signature: *signature,
                    expires_unix: *expires,
                })
                .collect(),
        }
    }

    /// Whether every session is established with no exchange under way, so that a hand-over
    /// leaves nothing out.
    pub fn are_at_rest(&self) -> bool {
        self.rows.values().all(|session| session.is_at_rest())
    }

    /// Ends all sessions without an agent. True if there were any.
    pub fn end_unanswered(&mut self, cx: &mut Context<'_>) -> bool {
        let waits = |session: &Session| session.answered.is_none() || session.stands();
        let ids = self.having(|session| !session.ended && waits(session));
        for id in &ids {
            self.end(cx, *id, EndedBy::Relay, EndCause::Shutdown);
        }
        !ids.is_empty()
    }

    /// Takes over what another process handed over. A session whose media cannot go on is ended:
    /// both sides get a BYE. With `too_late` all are, without a BYE, since their phones have given
    /// up long ago.
    pub fn restore(&mut self, cx: &mut Context<'_>, from: HandOver, too_late: bool) -> TakenOver {
        for used in from.transfers {
            if self.replays.len() < super::MAX_REPLAYS {
                self.replays.insert(used.signature, used.expires_unix);
            }
        }
        let away = Duration::from_millis(cx.now.unix_ms.saturating_sub(from.written_unix_ms));
        let mut done = TakenOver::default();
        for state in from.sessions {
            let ended = state.ended(from.written_unix_ms);
            let session = match too_late {
                true => None,
                false => Session::restore(cx, state, away),
            };
            match session {
                Some((session, true)) => {
                    done.taken += 1;
                    self.take_in(cx, session);
                }
                Some((mut session, false)) => {
                    done.lost += 1;
                    session.end_as(cx, ended);
                    self.take_in(cx, session);
                }
                None => {
                    done.lost += 1;
                    // One that control has no part in has no name there.
                    if !ended.of.contact.is_empty() {
                        let event = SessionEvent::Ended(ended);
                        cx.outputs.push_back(Output::Event(event));
                    }
                }
            }
        }
        done
    }

    fn take_in(&mut self, cx: &mut Context<'_>, mut session: Session) {
        for (side, leg) in [
            (Side::Client, &session.caller),
            (Side::Agent, &session.agent),
        ] {
            cx.links.tags.insert(leg.tag.clone(), (session.id, side));
        }
        for side in Side::ALL {
            let leg = session.leg(side);
            if let Some(cseq) = leg.owes_ack {
                leg.send_ack(cx, cseq, None);
            }
        }
        self.keep(cx, Box::new(session));
    }
}

impl Session {
    fn hand_over(&self, media: &dyn Media, now: Now) -> Option<SessionState> {
        if self.ended || self.state != State::Established {
            return None;
        }
        let mut caller = self.caller.hand_over(now)?;
        let mut agent_leg = self.agent.hand_over(now)?;
        if let Some(reinvite) = &self.reinvite {
            let asking = match reinvite.from {
                Side::Client => &mut caller,
                Side::Agent => &mut agent_leg,
            };
            // It has had no answer: its repetition is new to the next process.
            let cseq = &mut asking.dialog.remote_cseq;
            *cseq = cseq.map(|number| number.saturating_sub(1));
        }
        Some(SessionState {
            of: self.reference(),
            agent_uri: self.target.agent_uri.clone(),
            started_unix_ms: self.started_unix_ms,
            answered_unix_ms: self.answered?.unix_ms,
            caller,
            agent_leg,
            media: self.media.hand_over(media),
            detached: self.detached,
        })
    }

    fn is_at_rest(&self) -> bool {
        let open = |(_, purpose): &(_, Purpose)| !matches!(purpose, Purpose::Answered(_));
        !self.clients.iter().any(open)
            && self.invite.is_none()
            && self.reinvite.is_none()
            && !self.media.offer_pending()
            && self.caller.is_at_rest()
            && self.agent.is_at_rest()
    }

    /// The session, and whether all its media go on; none if it makes no sense.
    fn restore(
        cx: &mut Context<'_>,
        state: SessionState,
        away: Duration,
    ) -> Option<(Session, bool)> {
        let id: SessionId = state.of.session.parse().ok()?;
        let caller = Leg::restore(cx, state.caller)?;
        let agent = Leg::restore(cx, state.agent_leg)?;
        let (media, whole) = MediaState::restore(cx.media, state.media, away);
        let told_held = media.held;
        let session = Session {
            id,
            target: TransferTarget {
                agent_uri: state.agent_uri,
                // Only the first INVITE to the agent needs them.
                path: None,
                aor: None,
                agent_id: state.of.agent,
                contact: state.of.contact,
                offer: state.of.offer,
                notice: false,
                hears: None,
                joins: false,
            },
            state: State::Established,
            started_unix_ms: state.started_unix_ms,
            answered: Some(then(cx.now, state.answered_unix_ms)),
            caller,
            agent,
            media,
            invite: None,
            reinvite: None,
            held: Vec::new(),
            early: None,
            replaced: None,
            detached: state.detached,
            owes_notify: None,
            clients: Vec::new(),
            attempts: Vec::new(),
            notice: None,
            notice_unasked: NoticeState::Off,
            guard: Some(cx.now.instant + MEDIA_LOOK),
            timer: None,
            parting: None,
            ended: false,
            told_held,
            follows: None,
            told_legs: 0,
            hearing: None,
            joining: None,
        };
        Some((session, whole))
    }
}

/// A time of the wall clock by both clocks; where the process's own cannot reach back so far, the
/// call counts as answered now.
fn then(now: Now, unix_ms: u64) -> Now {
    let ago = Duration::from_millis(now.unix_ms.saturating_sub(unix_ms));
    let instant: Option<Instant> = now.instant.checked_sub(ago);
    Now {
        instant: instant.unwrap_or(now.instant),
        unix_ms,
    }
}

impl SessionState {
    /// The end of a call that does not go on: with the counters that it had when it was handed over.
    fn ended(&self, at_unix_ms: u64) -> Ended {
        let rows = self.media.rows.iter().flatten();
        Ended {
            of: self.of.clone(),
            by: EndedBy::Relay,
            cause: EndCause::NotTakenOver,
            answered: true,
            talk_ms: at_unix_ms.saturating_sub(self.answered_unix_ms),
            notice: NoticeState::Off,
            pairs: rows.map(RowState::view).collect(),
        }
    }
}

impl RowState {
    fn view(&self) -> PairView {
        let stats = self.pair.as_ref().map(|pair| pair.counters);
        let local = |side: Side| self.pair.as_ref().map(|pair| pair.local[side.index()].rtp);
        super::view::pair(
            &self.medium,
            Side::ALL.map(local),
            self.remote,
            &stats.unwrap_or_default(),
        )
    }
}

impl MediaState {
    fn hand_over(&self, media: &dyn Media) -> MediaTerms {
        let row = |row: &Row| RowState {
            medium: row.medium.as_str().to_owned(),
            remote: row.remote,
            pair: media.hand_over(row.pair.id),
        };
        MediaTerms {
            rows: self
                .rows
                .iter()
                .map(|slot| slot.as_ref().map(row))
                .collect(),
            below: self.below.iter().map(row).collect(),
            origin: self.origin,
            named: self
                .named
                .each_ref()
                .map(|names| names.iter().map(|name| name.as_str().to_owned()).collect()),
            held: self.held,
            said: self
                .agreed_terms()
                .map(|said| said.each_ref().map(Said::hand_over)),
        }
    }

    /// The media of a call that was handed over, and whether every pair goes on.
    fn restore(media: &mut dyn Media, terms: MediaTerms, away: Duration) -> (MediaState, bool) {
        let mut whole = true;
        let mut adopt = |state: RowState| {
            let pair = state
                .pair
                .map(|pair: PairHandover| media.adopt(&pair.aged(away)));
            match pair {
                Some(Ok(pair)) => Some(Row {
                    pair,
                    medium: state.medium.into(),
                    remote: state.remote,
                }),
                Some(Err(error)) => {
                    tracing::warn!(%error, "a call's media cannot go on");
                    whole = false;
                    None
                }
                None => {
                    whole = false;
                    None
                }
            }
        };
        let rows = terms.rows.into_iter().map(|slot| slot.and_then(&mut adopt));
        let rows = rows.collect();
        let state = MediaState {
            rows,
            below: terms.below.into_iter().filter_map(&mut adopt).collect(),
            origin: terms.origin,
            named: terms
                .named
                .map(|names| names.into_iter().map(Text::from).collect()),
            held: terms.held,
            settled: true,
            terms: terms
                .said
                .map(|said| Box::new(Terms::of(said.map(SaidState::restore)))),
            ..MediaState::default()
        };
        (state, whole)
    }
}

impl SessionTimer {
    fn hand_over(self, now: Now) -> TimerState {
        let left = self.due.saturating_duration_since(now.instant).as_millis();
        let left = u64::try_from(left).unwrap_or(u64::MAX);
        TimerState {
            interval_s: self.interval.as_secs(),
            ours: self.ours,
            due_unix_ms: now.unix_ms.saturating_add(left),
        }
    }
}

impl TimerState {
    fn restore(self, now: Now) -> SessionTimer {
        let left = self.due_unix_ms.saturating_sub(now.unix_ms);
        // No timer is longer than its interval, whatever the clock says now.
        let left = left.min(self.interval_s.saturating_mul(1000));
        SessionTimer {
            interval: Duration::from_secs(self.interval_s),
            ours: self.ours,
            due: now.instant + Duration::from_millis(left),
        }
    }
}

/// An address as it was written, if it can be read.
fn address(written: &str) -> Option<Text> {
    NameAddr::parse(written).ok().map(|_| written.into())
}

impl Leg {
    fn hand_over(&self, now: Now) -> Option<LegState> {
        let dialog = self.dialog.as_ref()?;
        Some(LegState {
            tag: self.tag.clone(),
            call_id: self.call_id.clone(),
            dialog: DialogState {
                local_uri: dialog.local_uri.to_string(),
                remote_uri: dialog.remote_uri.to_string(),
                remote_tag: dialog.remote_tag.to_string(),
                remote_target: dialog.remote_target.to_string(),
                route_set: dialog.route_set.iter().map(ToString::to_string).collect(),
                local_cseq: dialog.local_cseq,
                remote_cseq: dialog.remote_cseq,
            },
            flow: FlowState {
                tcp: self.flow.connection != 0,
                transport: transport_byte(self.flow.transport),
                local: self.flow.local,
                remote: self.flow.remote,
                connection: self.flow.connection,
            },
            pinned: self.pinned,
            owes_ack: self.owes_ack,
            timer: self.expiry.map(|timer| timer.hand_over(now)),
            updates: self.updates,
            sips: self.sips,
            called: self.called,
        })
    }

    fn restore(cx: &mut Context<'_>, state: LegState) -> Option<Leg> {
        let dialog = Dialog {
            call_id: state.call_id.as_str().into(),
            local_tag: state.tag.as_str().into(),
            remote_tag: state.dialog.remote_tag.into(),
            local_uri: address(&state.dialog.local_uri)?,
            remote_uri: address(&state.dialog.remote_uri)?,
            remote_target: state.dialog.remote_target.into(),
            route_set: state.dialog.route_set.iter().map(Into::into).collect(),
            local_cseq: state.dialog.local_cseq,
            remote_cseq: state.dialog.remote_cseq,
        };
        let transport = match (state.flow.transport, state.flow.tcp) {
            // Written by a version that knew no others.
            (0, true) => Transport::Tcp,
            (byte, _) => transport_of(byte)?,
        };
        let flow = Flow {
            transport,
            local: state.flow.local,
            remote: state.flow.remote,
            connection: state.flow.connection,
        };
        let source = Source {
            flow: cx.paths.rehome(flow, cx.outputs),
            pinned: state.pinned,
        };
        let mut leg = Leg::new(state.tag, state.call_id, source);
        leg.dialog = Some(dialog);
        leg.owes_ack = state.owes_ack;
        leg.updates = state.updates;
        leg.expiry = state.timer.map(|timer| timer.restore(cx.now));
        leg.sips = state.sips;
        leg.called = state.called;
        if flow.connection != 0 {
            leg.lose_connection();
        }
        Some(leg)
    }
}
