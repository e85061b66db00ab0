//! One leg's state: its sockets, where it sends, whom it hears.

use std::net::{SocketAddr, UdpSocket};

use super::super::g711::Law;
use super::super::hear::Listener;
use super::super::rtp::{ReportBlock, SenderReport, ntp_from_unix};
use super::super::talk::Talker;
use super::{LegId, Role};

/// Where a leg sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote {
    pub rtp: SocketAddr,
    pub rtcp: SocketAddr,
    pub law: Law,
}

/// One side of one call.
#[derive(Debug)]
pub(super) struct Leg {
    pub role: Role,
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    /// Its own voice's key.
    pub ssrc: u32,
    pub cname: String,
    pub remote: Option<Remote>,
    pub talking: bool,
    /// Finished legs say nothing more, whatever signalling wants.
    pub finished: bool,
    /// The pacing and reporting timers run.
    pub paced: bool,
    pub listener: Listener,
    /// The voice that it hears.
    pub hears: Option<u32>,
    pub reports_sent: u64,
    pub reports_heard: u64,
    /// Middle bits of the last report's NTP time, and when it came.
    pub last_report: Option<(u32, u64)>,
}

impl Leg {
    /// The sender report of this moment.
    pub fn report(&mut self, talker: &Talker, unix_ns: u64, now_ns: u64) -> SenderReport {
        let (jitter, highest, fraction_lost, lost) = self.listener.report();
        let (last_report, since) = self.last_report.unwrap_or((0, now_ns));
        let delay = now_ns.saturating_sub(since).saturating_mul(65_536) / 1_000_000_000;
        let block = self.hears.map(|ssrc| ReportBlock {
            ssrc,
            fraction_lost,
            lost,
            highest,
            jitter,
            last_report,
            delay: u32::try_from(delay).unwrap_or(u32::MAX),
        });
        let packets = talker.sent();
        SenderReport {
            ssrc: self.ssrc,
            ntp: ntp_from_unix(unix_ns),
            timestamp: talker.timestamp(),
            packets,
            octets: packets.wrapping_mul(160),
            block,
        }
    }
}

/// A voice: its talker, who speaks, and who hears it. It outlives its leg until the listener has
/// closed too, so that the last packets are still compared.
#[derive(Debug)]
pub(super) struct Stream {
    pub talker: Talker,
    pub leg: LegId,
    pub heard_by: Option<LegId>,
    pub closed: bool,
}
