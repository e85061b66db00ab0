//! How a leg ends: both sides fall silent, the last packets arrive, the comparison is closed.

use super::leg::Leg;
use super::thread::{Floor, Tick};
use super::{AudioTotals, FINISH_PATIENCE, LegId, LegReport, Note};

/// Voices of closed legs that are kept for a partner that is still open.
const MAX_CLOSED_STREAMS: usize = 8_192;

impl Floor {
    /// The leg at the other end of the call, as far as the audio has shown it.
    fn partner(&self, id: LegId) -> Option<LegId> {
        let leg = self.legs.get(&id)?;
        let heard = leg
            .hears
            .and_then(|ssrc| self.streams.get(&ssrc))
            .map(|stream| stream.leg);
        heard.or_else(|| self.streams.get(&leg.ssrc)?.heard_by)
    }

    /// Both sides fall silent; a note follows when all that was said is heard.
    pub(super) fn finish(&mut self, id: LegId) {
        let partner = self.partner(id);
        for side in [Some(id), partner].into_iter().flatten() {
            if let Some(leg) = self.legs.get_mut(&side) {
                leg.finished = true;
            }
        }
        self.finishing.push(id);
        if self.all_heard(id) {
            self.end_finishing(id);
            return;
        }
        let patience = u64::try_from(FINISH_PATIENCE.as_nanos()).unwrap_or(u64::MAX);
        self.at(self.now_ns().saturating_add(patience), Tick::Patience(id));
    }

    /// A leg heard something new: it or its partner may have been waiting for that.
    pub(super) fn check_finishing(&mut self, id: LegId) {
        for side in [Some(id), self.partner(id)].into_iter().flatten() {
            if self.finishing.contains(&side) && self.all_heard(side) {
                self.end_finishing(side);
            }
        }
    }

    /// Nothing more is waited for.
    pub(super) fn end_finishing(&mut self, id: LegId) {
        if let Some(place) = self.finishing.iter().position(|other| *other == id) {
            self.finishing.swap_remove(place);
            (self.notes)(Note::Finished(id));
        }
    }

    /// Each side has heard all that the other one said. A leg without a known partner is done only
    /// if it never said anything.
    fn all_heard(&self, id: LegId) -> bool {
        let Some(leg) = self.legs.get(&id) else {
            return true;
        };
        let said = |leg: &Leg| {
            let stream = self.streams.get(&leg.ssrc);
            stream.map_or(0, |stream| u64::from(stream.talker.sent()))
        };
        match self.partner(id).and_then(|partner| self.legs.get(&partner)) {
            Some(partner) => {
                leg.listener.counts().received >= said(partner)
                    && partner.listener.counts().received >= said(leg)
            }
            None => said(leg) == 0,
        }
    }

    fn leg_report(&self, id: LegId, leg: &Leg) -> LegReport {
        let own = self.streams.get(&leg.ssrc);
        let heard_by = own.and_then(|stream| stream.heard_by);
        let heard = leg.hears.and_then(|ssrc| self.streams.get(&ssrc));
        let other_side = heard.or_else(|| {
            let partner = self.legs.get(&heard_by?)?;
            self.streams.get(&partner.ssrc)
        });
        let expected = other_side.map_or(0, |stream| u64::from(stream.talker.sent()));
        let counts = leg.listener.counts();
        let partner = heard.map(|stream| stream.leg);
        LegReport {
            leg: id,
            role: leg.role,
            sent: own.map_or(0, |stream| u64::from(stream.talker.sent())),
            heard: counts,
            lost: expected.saturating_sub(counts.received),
            partner,
            crossed: partner.is_some() && heard_by.is_some() && partner != heard_by,
            reports_sent: leg.reports_sent,
            reports_heard: leg.reports_heard,
        }
    }

    /// Ends a leg and reports it.
    pub(super) fn close(&mut self, id: LegId) {
        // What has arrived already counts, even if no turn came for it.
        let mut buffer = [0_u8; 2_048];
        self.hear(id, &mut buffer);
        self.hear_report(id, &mut buffer);
        self.end_finishing(id);
        let Some(leg) = self.legs.get(&id) else {
            // It could not be opened; whoever waits for its report gets an empty one.
            (self.notes)(Note::Closed(LegReport::empty(id)));
            return;
        };
        let report = self.leg_report(id, leg);
        self.totals.add(&report);
        if let Some(leg) = self.legs.remove(&id) {
            self.retire_streams(&leg);
        }
        (self.notes)(Note::Closed(report));
    }

    fn retire_streams(&mut self, leg: &Leg) {
        if let Some(heard) = leg.hears.filter(|ssrc| *ssrc != leg.ssrc)
            && self.streams.get(&heard).is_some_and(|stream| stream.closed)
        {
            self.streams.remove(&heard);
        }
        let Some(stream) = self.streams.get_mut(&leg.ssrc) else {
            return;
        };
        stream.closed = true;
        stream.talker.forget_departures();
        if stream
            .heard_by
            .is_some_and(|listener| !self.legs.contains_key(&listener))
        {
            self.streams.remove(&leg.ssrc);
            return;
        }
        self.closed.push_back(leg.ssrc);
        if self.closed.len() > MAX_CLOSED_STREAMS
            && let Some(oldest) = self.closed.pop_front()
            && self
                .streams
                .get(&oldest)
                .is_some_and(|stream| stream.closed)
        {
            self.streams.remove(&oldest);
        }
    }

    /// The sums of closed and open legs.
    pub(super) fn sums(&self) -> AudioTotals {
        let mut totals = self.totals.clone();
        totals.open_legs = self.legs.len();
        for (id, leg) in &self.legs {
            let mut report = self.leg_report(*id, leg);
            // Packets of open calls may be on their way.
            report.lost = 0;
            totals.add(&report);
        }
        totals
    }
}
