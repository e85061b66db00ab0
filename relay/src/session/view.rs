//! What the API and the events say of a session.

use super::{Context, Media, Session};
use crate::engine::Side;
use patchbay_route::counters::PairStats;
use patchbay_route::flow::Component;
use patchbay_route::session::{EndCause, Ended, EndedBy, LegView, PairView, SessionView};
use std::net::SocketAddr;
use std::time::Duration;

impl Session {
    /// The session as the API shows it.
    pub fn view(&self, media: &dyn Media) -> SessionView {
        let client_uri = self
            .caller
            .dialog
            .as_ref()
            .map(|d| d.remote_target.to_string());
        let of = self.reference();
        SessionView {
            id: of.session,
            contact: of.contact,
            offer: of.offer,
            agent: of.agent,
            agent_uri: self.target.agent_uri.clone(),
            client_uri: client_uri.unwrap_or_default(),
            state: self.state,
            started_unix_ms: self.started_unix_ms,
            answered_unix_ms: self.answered.map(|answered| answered.unix_ms),
            pairs: self.pairs(media),
        }
    }

    fn pairs(&self, media: &dyn Media) -> Vec<PairView> {
        self.media
            .rows()
            .map(|row| {
                let stats = media.stats(row.pair.id).unwrap_or_default();
                let local = row.pair.local.map(|local| Some(local.rtp));
                pair(&row.medium, local, row.remote, &stats)
            })
            .collect()
    }

    /// The event of the session's end, with its rows' last counters.
    pub(super) fn ended_event(&self, cx: &mut Context<'_>, by: EndedBy, cause: EndCause) -> Ended {
        let talk = self.answered.map_or(0, |answered| {
            cx.now.unix_ms.saturating_sub(answered.unix_ms)
        });
        let pairs = self.pairs(cx.media);
        for leg in pairs.iter().flat_map(|pair| [&pair.client, &pair.agent]) {
            cx.counters.rtp_lost += leg.lost;
            cx.counters.rtp_late += leg.late;
        }
        Ended {
            of: self.reference(),
            by,
            cause,
            answered: self.answered.is_some(),
            talk_ms: talk,
            notice: self.notice_state(),
            pairs,
        }
    }
}

/// A medium's pair as the API shows it: where the relay and the parties receive, by
/// [`Side::index`], and what was counted.
pub(super) fn pair(
    medium: &str,
    local: [Option<SocketAddr>; 2],
    remote: [Option<SocketAddr>; 2],
    stats: &PairStats,
) -> PairView {
    let leg = |side: Side| {
        let rtp = stats.of(side, Component::Rtp);
        let flows = [Component::Rtp, Component::Rtcp].map(|component| *stats.of(side, component));
        LegView {
            local: local[side.index()],
            remote: remote[side.index()],
            packets: flows.iter().map(|flow| flow.forwarded()).sum(),
            bytes: flows.iter().map(|flow| flow.bytes).sum(),
            dropped: flows.iter().map(|flow| flow.drops.total()).sum(),
            lost: rtp.heard.lost().into(),
            late: rtp.heard.late().into(),
            jitter_ms: rtp.jitter().map(rounded_ms),
        }
    };
    PairView {
        medium: medium.to_owned(),
        client: leg(Side::Client),
        agent: leg(Side::Agent),
    }
}

fn rounded_ms(time: Duration) -> u64 {
    let half = Duration::from_micros(500);
    u64::try_from(time.saturating_add(half).as_millis()).unwrap_or(u64::MAX)
}
