//! Before the answer: dialogs that provisional answers have begun (RFC 3261 section 12.1), and
//! provisional answers that want to be acknowledged (RFC 3262).
//!
//! Toward the caller all phones behind one offer are one dialog. Their reliable answers are
//! therefore numbered anew, one after the other as section 3 wants it, and a PRACK finds by its
//! number the phone that it is for.

use super::{MAX_FORKS, Session};
use crate::edge::Refusal;
use crate::engine::Side;
use crate::readdress::headers::RELIABLE;
use patchbay_sip::dialog::Dialog;
use patchbay_sip::{HeaderName, Message, Method, RAck, Text, parse_rseq};

/// Reliable provisional answers of one session that are remembered; further ones pass as if they
/// were not reliable, and their sender gives up after 64*T1.
pub const MAX_RELIABLE: usize = 32;

/// A reliable provisional answer that was passed on.
struct Reliable {
    /// Who sent it.
    from: Side,
    /// The To tag of the phone that sent it.
    fork: Text,
    /// RSeq and CSeq as they were there.
    theirs: (u32, u32),
    /// RSeq as the other side got it.
    ours: u32,
}

/// What holds before the answer, and for a while after it.
#[derive(Default)]
pub(super) struct Early {
    /// One per phone; the one that was heard from last is the last.
    dialogs: Vec<Dialog>,
    reliable: Vec<Reliable>,
    /// Our last RSeq toward each side.
    last: [Option<u32>; 2],
    /// The offer of the INVITE was answered reliably: another may follow (RFC 3311 section 5.1).
    pub(super) answered: bool,
}

impl Session {
    fn early(&mut self) -> &mut Early {
        self.early.get_or_insert_default()
    }

    /// A phone of the agent has answered provisionally: from now on there is a dialog with it.
    pub(super) fn remember_early(&mut self, response: &Message) {
        let Some(tag) = response.to_tag() else { return };
        let dialogs = &mut self.early().dialogs;
        if let Some(at) = dialogs.iter().position(|known| *known.remote_tag == *tag) {
            let known = dialogs.remove(at);
            return dialogs.push(known);
        }
        if dialogs.len() < MAX_FORKS
            && let Some(dialog) = self.agent_dialog(response)
        {
            // Nearly all calls have one.
            let dialogs = &mut self.early().dialogs;
            dialogs.reserve_exact(1);
            dialogs.push(dialog);
        }
    }

    /// The final answer's dialog goes on where the early one of the same phone stood.
    pub(super) fn continue_early(&self, dialog: &mut Dialog) {
        let early = self.early.iter().flat_map(|early| &early.dialogs);
        for known in early.filter(|known| known.remote_tag == dialog.remote_tag) {
            dialog.local_cseq = dialog.local_cseq.max(known.local_cseq);
            dialog.remote_cseq = known.remote_cseq;
        }
    }

    /// Puts the early dialog that a request of `side` concerns in the agent's leg; false if
    /// there is no need, or none.
    pub(super) fn lend_early(&mut self, side: Side, request: &Message) -> bool {
        if self.answered.is_some() || self.agent.dialog.is_some() || self.ended {
            return false;
        }
        let wanted = match (side, request.method()) {
            (Side::Agent, _) => request.from_tag(),
            (Side::Client, Some(Method::Prack)) => {
                self.acknowledges(side, request).map(|(fork, _)| fork)
            }
            (Side::Client, _) => None,
        };
        let Some(early) = &mut self.early else {
            return false;
        };
        let at = match wanted {
            Some(tag) => early.dialogs.iter().position(|d| d.remote_tag == tag),
            None => early.dialogs.len().checked_sub(1),
        };
        self.agent.dialog = at.map(|at| early.dialogs.remove(at));
        self.agent.dialog.is_some()
    }

    /// Takes back what [`Session::lend_early`] gave.
    pub(super) fn return_early(&mut self) {
        if let Some(dialog) = self.agent.dialog.take() {
            self.early().dialogs.push(dialog);
        }
    }

    /// The answer of an early dialog to an UPDATE may move it (RFC 3311 section 5.3).
    pub(super) fn refresh_early(&mut self, response: &Message) {
        let tag = response.to_tag().unwrap_or_default();
        let dialogs = self.early.iter_mut().flat_map(|early| &mut early.dialogs);
        for dialog in dialogs.filter(|dialog| *dialog.remote_tag == *tag) {
            dialog.refresh_target(response);
        }
    }

    /// Makes `answer`, by which a provisional `response` of `from` is passed on, as reliable as
    /// that is.
    pub(super) fn pass_reliability(
        &mut self,
        from: Side,
        response: &Message,
        answer: &mut Message,
    ) {
        let Some(theirs) = rseq_of(response) else {
            return;
        };
        let fork = response.to_tag().unwrap_or_default();
        let early = self.early();
        let known = |it: &&Reliable| it.from == from && it.fork == fork && it.theirs == theirs;
        let ours = match early.reliable.iter().find(known) {
            Some(known) => known.ours,
            None if early.reliable.len() >= MAX_RELIABLE => return,
            None => {
                let last = &mut early.last[from.other().index()];
                let ours = last.map_or(theirs.0, |last| last.saturating_add(1));
                *last = Some(ours);
                early.reliable.push(Reliable {
                    from,
                    fork,
                    theirs,
                    ours,
                });
                ours
            }
        };
        answer.headers.push(HeaderName::Require, RELIABLE);
        answer.headers.push(HeaderName::RSeq, ours.to_string());
        let answers = self
            .invite
            .as_ref()
            .is_some_and(|it| !it.request.body.is_empty());
        if from == Side::Agent && answers && !response.body.is_empty() {
            self.early_answered();
        }
    }

    /// The first offer has its answer before the call has.
    pub(super) fn early_answered(&mut self) {
        self.early().answered = true;
    }

    /// The phone that a PRACK of `side` is for, and its RAck there.
    fn acknowledges(&self, side: Side, prack: &Message) -> Option<(Text, String)> {
        let rack = RAck::parse(prack.headers.get(HeaderName::RAck)?).ok()?;
        if rack.cseq.method != Method::Invite {
            return None;
        }
        let known = self.early.as_ref()?.reliable.iter();
        let mut meant = known.filter(|it| it.from == side.other() && it.ours == rack.rseq);
        let meant = meant.next()?;
        let (rseq, cseq) = meant.theirs;
        Some((meant.fork.clone(), format!("{rseq} {cseq} INVITE")))
    }

    /// Whether a PRACK may pass: it acknowledges something that the other side has sent.
    ///
    /// # Errors
    /// 481 (RFC 3262 section 3), or 400 for an unreadable RAck.
    pub(super) fn rack_for_other(&self, side: Side, prack: &Message) -> Result<String, Refusal> {
        let rack = prack.headers.get(HeaderName::RAck);
        if rack.is_none_or(|rack| RAck::parse(rack).is_err()) {
            return Err(Refusal::plain(400, "Missing or Broken RAck"));
        }
        let meant = self.acknowledges(side, prack);
        meant.map(|(_, rack)| rack).ok_or(Refusal::no_dialog())
    }

    /// Provisional answers are history some time after the answer.
    pub(super) fn forget_early(&mut self) {
        self.early = None;
    }
}

/// RSeq and CSeq of a provisional answer that wants a PRACK.
pub(super) fn rseq_of(response: &Message) -> Option<(u32, u32)> {
    let reliable = matches!(response.status(), Some(101..=199))
        && response.headers.lists(HeaderName::Require, RELIABLE);
    let rseq = parse_rseq(response.headers.get(HeaderName::RSeq)?)?;
    let cseq = response.cseq().ok()?;
    reliable.then_some((rseq, cseq.number))
}
