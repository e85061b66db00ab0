//! What values of `patchbay.toml` say about each other.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use patchbay_relay::engine::MediaSockets;
use patchbay_route::transfer::Carrier;

use super::problem::{Fault, Report};
use super::raw::Raw;
use super::reader::Placed;
use super::{Config, ListenTransport, PORTS_PER_SESSION};

/// Reports values that contradict each other.
pub fn check(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    empty_lists(raw, report);
    sessions_fit_ports(config, raw, report);
    threads_fit_cpus(config, raw, report);
    listeners_do_not_collide(config, raw, report);
    private_listeners_stay_private(config, raw, report);
    both_halves_meet(config, raw, report);
    digests_differ(raw, report);
    registrations_have_a_range(config, raw, report);
    marks_can_be_kept(config, raw, report);
    tunnels_are_safe_and_lead_back(config, raw, report);
}

/// A socket that serves one port alone is not told how its packets were marked.
fn marks_can_be_kept(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    if config.relay.media_dscp.is_none() && config.relay.media_sockets == MediaSockets::PerPort {
        let fault = Fault::new(
            "cannot be kept with a socket for each media port",
            "give a number, or let media_sockets be \"auto\" or \"steered\"",
        );
        report.error("relay.media_dscp", place(&raw.relay.media_dscp), fault);
    }
}

fn place<T>(first: &Option<Placed<T>>) -> Range<usize> {
    first.as_ref().map_or(0..0, |placed| placed.span.clone())
}

fn empty_lists(raw: &Raw, report: &mut Report<'_>) {
    let mut refuse = |path: &str, span: Option<Range<usize>>, why: &str| {
        if let Some(span) = span {
            let fault = Fault::new(format!("is empty: {why}"), "name one, or remove the key");
            report.error(path, span, fault);
        }
    };
    fn empty<T>(list: &Option<Placed<Vec<T>>>) -> Option<Range<usize>> {
        let list = list.as_ref()?;
        list.value.is_empty().then(|| list.span.clone())
    }
    refuse(
        "relay.listen",
        empty(&raw.relay.listen),
        "no phone could reach the relay",
    );
    refuse(
        "relay.control",
        empty(&raw.relay.control),
        "no call could be typed",
    );
    refuse(
        "control.relays",
        empty(&raw.control.relays),
        "control would not learn when calls end",
    );
    refuse(
        "control.allowed_relays",
        empty(&raw.control.allowed_relays),
        "no relay could connect",
    );
    refuse(
        "control.digest",
        empty(&raw.control.digest),
        "no phone could register",
    );
}

fn sessions_fit_ports(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    let ports = config.relay.media_ports.clone().count();
    let fit = ports / PORTS_PER_SESSION;
    let wanted = config.relay.max_sessions;
    if wanted <= fit {
        return;
    }
    let (path, span) = match &raw.relay.max_sessions {
        Some(written) => ("relay.max_sessions", written.span.clone()),
        None => ("relay.media_ports", place(&raw.relay.media_ports)),
    };
    let fault = Fault::new(
        format!(
            "{wanted} sessions need {} media ports ({PORTS_PER_SESSION} each), {ports} are given",
            wanted * PORTS_PER_SESSION
        ),
        format!("set max_sessions to {fit} at most, or widen media_ports"),
    );
    report.error(path, span, fault);
}

fn threads_fit_cpus(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    let Some(cpus) = &raw.relay.cpus else { return };
    for (index, cpu) in cpus.value.iter().enumerate() {
        if cpus.value.iter().take(index).any(|e| e.value == cpu.value) {
            let fault = Fault::new(
                format!("CPU {} is named twice", cpu.value),
                "give every packet thread a CPU of its own",
            );
            report.error("relay.cpus", cpu.span.clone(), fault);
        }
    }
    let (threads, named) = (config.relay.threads, cpus.value.len());
    if named > 0 && threads != named {
        let fault = Fault::new(
            format!("{named} CPUs for {threads} threads"),
            "name one CPU for each thread, or leave `threads` out: it follows `cpus`",
        );
        report.error("relay.cpus", cpus.span.clone(), fault);
    }
}

fn registrations_have_a_range(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    let (least, most) = (config.control.register_min, config.control.register_max);
    if least <= most {
        return;
    }
    let (path, span) = match &raw.control.register_min {
        Some(written) => ("control.register_min", written.span.clone()),
        None => ("control.register_max", place(&raw.control.register_max)),
    };
    let (least, most) = (least.as_secs(), most.as_secs());
    let fault = Fault::new(
        format!("phones may register for {most} s at most and {least} s at least"),
        "set register_min to register_max or less",
    );
    report.error(path, span, fault);
}

fn digests_differ(raw: &Raw, report: &mut Report<'_>) {
    let Some(digests) = &raw.control.digest else {
        return;
    };
    for (index, digest) in digests.value.iter().enumerate() {
        let mut earlier = digests.value.iter().take(index);
        if earlier.any(|e| e.value == digest.value) {
            let fault = Fault::new(
                format!("{} is named twice", digest.value),
                "name each digest once, the preferred first",
            );
            report.error("control.digest", digest.span.clone(), fault);
        }
    }
}

/// One listening socket of the file, wherever it is written.
struct Socket {
    path: &'static str,
    span: Range<usize>,
    transport: ListenTransport,
    address: SocketAddr,
}

fn sockets(config: &Config, raw: &Raw) -> Vec<Socket> {
    let tcp = |path, span, address| Socket {
        path,
        span,
        transport: ListenTransport::Tcp,
        address,
    };
    let spans = raw.relay.listen.iter().flat_map(|list| list.value.iter());
    let mut spans = spans.map(|item| item.span.clone());
    let mut all: Vec<Socket> = config
        .relay
        .listen
        .iter()
        .map(|listen| Socket {
            path: "relay.listen",
            span: spans.next().unwrap_or(0..0),
            transport: listen.transport,
            address: listen.address,
        })
        .collect();
    let (relay, control) = (&raw.relay, &raw.control);
    all.push(tcp("relay.api", place(&relay.api), config.relay.api));
    all.push(tcp("control.sip", place(&control.sip), config.control.sip));
    all.push(tcp("control.api", place(&control.api), config.control.api));
    all
}

/// All others are TCP below.
fn is_udp(socket: &Socket) -> bool {
    socket.transport == ListenTransport::Udp
}

/// Whether two sockets of one transport cannot be open together.
fn collide(left: SocketAddr, right: SocketAddr) -> bool {
    let same_family = left.is_ipv4() == right.is_ipv4();
    let any = left.ip().is_unspecified() || right.ip().is_unspecified();
    left.port() != 0
        && left.port() == right.port()
        && (left.ip() == right.ip() || (same_family && any))
}

fn listeners_do_not_collide(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    let all = sockets(config, raw);
    for (index, socket) in all.iter().enumerate() {
        let other = all.iter().take(index).find(|other| {
            is_udp(other) == is_udp(socket) && collide(other.address, socket.address)
        });
        if let Some(other) = other {
            // The one that is written is the one to change.
            let shown = if socket.span.is_empty() {
                other
            } else {
                socket
            };
            let fault = Fault::new(
                format!(
                    "{} ({}) and {} ({}) take the same port",
                    other.address, other.path, socket.address, socket.path
                ),
                "give each listener a port of its own",
            );
            report.error(shown.path, shown.span.clone(), fault);
        }
        let media = is_udp(socket) && config.relay.media_ports.contains(&socket.address.port());
        if media {
            let fault = Fault::new(
                format!("port {} lies in relay.media_ports", socket.address.port()),
                "listen on another port, or move media_ports",
            );
            report.error(socket.path, socket.span.clone(), fault);
        }
    }
}

/// The private listeners speak plain text: whoever reads along learns tokens and calls.
fn private_listeners_stay_private(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    // The API of control has no certificate of its own.
    let plain = config.link.tls.is_none();
    let listeners = [
        ("relay.api", config.relay.api, place(&raw.relay.api)),
        ("control.sip", config.control.sip, place(&raw.control.sip)),
        ("control.api", config.control.api, place(&raw.control.api)),
    ];
    for (path, address, span) in listeners {
        if address.ip().is_unspecified() && (plain || path == "control.api") {
            let fault = Fault::new(
                format!("{address} is open on every interface, and speaks plain text"),
                "listen on the address of a private network",
            );
            report.warning(path, span, fault);
        }
    }
}

/// Calls that travel by tunnels do so in the clear only within a host, and back to the relay that
/// they came from, which is known by its address.
fn tunnels_are_safe_and_lead_back(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    if config.control.transfer != Carrier::Tunnel {
        return;
    }
    let span = place(&raw.control.transfer);
    for url in &config.control.relays {
        let parsed = reqwest::Url::parse(url).ok();
        let host = parsed.as_ref().and_then(|url| url.host_str());
        let host = host.unwrap_or_default().trim_matches(['[', ']']);
        let ip: Option<IpAddr> = host.parse().ok();
        let here = host == "localhost" || ip.is_some_and(|ip| ip.to_canonical().is_loopback());
        if !here && !url.starts_with("https:") {
            let fault = Fault::new(
                format!("a tunnel to {url} needs certificates"),
                "add certificate, key and ca to [link] on both hosts and write https, or choose \"uri\"",
            );
            report.error("control.transfer", span.clone(), fault);
        } else if ip.is_none() && !here && config.control.relays.len() > 1 {
            let fault = Fault::new(
                format!("with several relays, tunnels need the address of {url}"),
                "write the IP address that this relay connects from, in the place of its name",
            );
            report.error("control.transfer", span.clone(), fault);
        }
    }
}

/// A file that sets up both halves by hand and lets them miss each other is most likely a slip.
fn both_halves_meet(config: &Config, raw: &Raw, report: &mut Report<'_>) {
    if let (Some(dialled), Some(sip)) = (&raw.relay.control, &raw.control.sip)
        && !meets(dialled.value.iter().map(|item| item.value), sip.value)
    {
        let fault = Fault::new(
            format!("does not name {}, which is [control] sip", sip.value),
            "name it, unless this file sets up a relay and a control of different pairs",
        );
        report.warning("relay.control", dialled.span.clone(), fault);
    }
    let Some(relays) = &raw.control.relays else {
        return;
    };
    for url in &relays.value {
        let host = reqwest::Url::parse(&url.value)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        let ip: Option<IpAddr> = host.and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        if let Some(ip) = ip
            && !config.control.allowed_relays.contains(&ip)
        {
            let fault = Fault::new(
                format!("{ip} is not in control.allowed_relays"),
                "add the address that this relay connects from, or its calls are refused",
            );
            report.warning("control.relays", url.span.clone(), fault);
        }
    }
}

fn meets(mut dialled: impl Iterator<Item = SocketAddr>, listener: SocketAddr) -> bool {
    dialled.any(|address| collide(address, listener) || listener.port() == 0)
}
