//! Which connection serves whom.
#![allow(clippy::unwrap_used)]

use super::*;
use rcgen::{CertificateParams, KeyPair};

struct Nowhere;

impl Routes for Nowhere {
    fn local_toward(&self, _: IpAddr) -> Option<IpAddr> {
        None
    }
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn paths() -> Paths {
    let listener = |transport, port: u16| Listener {
        transport,
        bound: SocketAddr::new(at("192.0.2.1:0").ip(), port),
    };
    let listeners = vec![
        listener(Transport::Tcp, 5060),
        listener(Transport::Tls, 5061),
        listener(Transport::Ws, 8088),
    ];
    Paths::new(listeners, Vec::new(), Box::new(Nowhere), 7)
}

fn certificate(name: &str) -> CertificateDer<'static> {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

fn request(via: &str) -> Message {
    let text = format!(
        "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TLS {via};branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    Message::parse(text.into_bytes().into()).unwrap()
}

#[test]
fn a_connection_serves_the_name_that_was_proved_and_the_address_behind_it() {
    let (mut paths, mut outputs) = (paths(), VecDeque::new());
    let remote = at("198.51.100.1:5061");
    let mut to = |name| {
        let flow = paths.flow_to_host(Transport::Tls, remote, name, &mut outputs);
        flow.unwrap().connection
    };
    let first = to(Some("proxy.example"));
    assert_eq!(to(Some("proxy.example")), first);
    assert_eq!(to(None), first);
    assert_ne!(to(Some("other.example")), first);
    let names: Vec<_> = outputs
        .iter()
        .map(|output| match output {
            Output::Connect { name, .. } => name.as_deref().map(str::to_owned),
            _ => None,
        })
        .collect();
    let wanted = ["proxy.example", "other.example"].map(|name| Some(name.to_owned()));
    assert_eq!(names, wanted);
}

#[test]
fn who_came_by_tls_is_not_called_at_its_address_but_by_its_flow() {
    let (mut paths, mut outputs) = (paths(), VecDeque::new());
    let (local, remote) = (at("192.0.2.1:5061"), at("198.51.100.1:5061"));
    let came = paths.accepted(Transport::Tls, local, remote, None).unwrap();
    assert!(paths.is_alive(&came));
    let called = paths.flow_to(Transport::Tls, remote, &mut outputs).unwrap();
    assert_ne!(called.connection, came.connection);
    paths.closed(came.connection);
    assert!(!paths.is_alive(&came));
    let again = paths.flow_to(Transport::Tls, remote, &mut outputs).unwrap();
    assert_eq!(again.connection, called.connection);
}

#[test]
fn an_alias_is_believed_only_of_who_has_shown_the_address_in_its_via() {
    let remote = at("198.51.100.1:40000");
    let asked = at("198.51.100.1:5061");
    let cases = [
        (
            Transport::Tls,
            Some("198.51.100.1"),
            "198.51.100.1;alias",
            true,
        ),
        (
            Transport::Tls,
            Some("edge.example"),
            "edge.example;alias",
            true,
        ),
        (Transport::Tls, Some("198.51.100.1"), "198.51.100.1", false),
        (
            Transport::Tls,
            Some("198.51.100.2"),
            "198.51.100.1;alias",
            false,
        ),
        (Transport::Tls, None, "198.51.100.1;alias", false),
        (Transport::Tcp, None, "198.51.100.1:5061;alias", false),
    ];
    for (transport, shown, via, believed) in cases {
        let (mut paths, mut outputs) = (paths(), VecDeque::new());
        let local = at("192.0.2.1:5061");
        let shown = shown.map(certificate);
        let came = paths.accepted(transport, local, remote, shown).unwrap();
        paths.note_alias(&request(via), &came);
        let called = paths.flow_to(transport, asked, &mut outputs).unwrap();
        let reused = called.connection == came.connection;
        assert_eq!(reused, believed, "{transport} {via}");
        paths.closed(came.connection);
        let after = paths.flow_to(transport, asked, &mut outputs).unwrap();
        assert_ne!(after.connection, came.connection);
    }
}

#[test]
fn a_websocket_is_never_opened_from_here() {
    let (mut paths, mut outputs) = (paths(), VecDeque::new());
    let remote = at("198.51.100.1:8088");
    assert_eq!(paths.flow_to(Transport::Ws, remote, &mut outputs), None);
    assert!(outputs.is_empty());
    let came = paths.accepted(Transport::Ws, at("192.0.2.1:8088"), remote, None);
    assert_eq!(paths.flow_to(Transport::Ws, remote, &mut outputs), came);
}

#[test]
fn a_name_stands_in_the_place_of_the_address_where_tls_must_prove_it() {
    let mut paths = paths().named(Some("sip.example.com".into()));
    let remote = at("198.51.100.1:40000");
    let mut shown = |transport, local| {
        let flow = paths.accepted(transport, at(local), remote, None).unwrap();
        paths.sent_by(&flow)
    };
    assert_eq!(
        shown(Transport::Tls, "192.0.2.1:5061"),
        "sip.example.com:5061"
    );
    assert_eq!(shown(Transport::Tcp, "192.0.2.1:5060"), "192.0.2.1:5060");
}
