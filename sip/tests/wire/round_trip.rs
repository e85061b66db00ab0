//! What is written is read back the same.

use bytes::Bytes;
use patchbay_sip::{Headers, Host, Message, Method, NameAddr, Params, StartLine, Uri, Via};
use proptest::prelude::*;

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,50}"
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,10}(\\.[a-z]{1,5}){0,2}".prop_map(|name| Host::parse(&name).unwrap()),
        any::<std::net::Ipv4Addr>().prop_map(Host::V4),
        any::<std::net::Ipv6Addr>().prop_map(Host::V6),
    ]
}

fn params() -> impl Strategy<Value = Params> {
    let value = proptest::option::of("[a-zA-Z0-9.%-]{1,45}");
    proptest::collection::vec(("[a-z][a-z0-9-]{0,8}", value), 0..5).prop_map(|list| {
        let mut params = Params::new();
        for (name, value) in list {
            params.set(&name, value);
        }
        params
    })
}

fn port() -> impl Strategy<Value = Option<u16>> {
    proptest::option::of(1u16..)
}

fn uri() -> impl Strategy<Value = Uri> {
    let user = proptest::option::of("[a-zA-Z0-9.;?/&=+$,%-]{1,45}");
    let headers = proptest::collection::vec(("[a-z]{1,5}", "[a-z0-9%]{0,8}"), 0..3);
    (user, host(), port(), params(), headers).prop_map(|(user, host, port, params, headers)| {
        let mut uri = Uri::sip(host);
        uri.user = user.map(Into::into);
        (uri.port, uri.params) = (port, params);
        uri.headers = headers
            .into_iter()
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        uri
    })
}

fn name_addr() -> impl Strategy<Value = NameAddr> {
    let display = proptest::option::of("[^\\r\\n]{0,60}");
    (display, uri(), params()).prop_map(|(display, uri, params)| NameAddr {
        display,
        uri,
        params,
    })
}

fn via() -> impl Strategy<Value = Via> {
    (host(), port(), params()).prop_map(|(host, port, params)| Via {
        transport: "WSS".into(),
        host,
        port,
        params,
    })
}

fn message() -> impl Strategy<Value = Message> {
    let method = prop_oneof![
        Just(Method::Invite),
        Just(Method::Bye),
        token().prop_map(|t| Method::from(&*t))
    ];
    let start = prop_oneof![
        (method.clone(), uri()).prop_map(|(method, uri)| (
            StartLine::Request {
                method: method.clone(),
                uri: uri.to_string().into()
            },
            method
        )),
        (100u16..700, "[^\\r\\n]{0,50}", method).prop_map(|(status, reason, method)| (
            StartLine::Response {
                status,
                reason: reason.into()
            },
            method
        )),
    ];
    let extra = proptest::collection::vec(
        (
            token().prop_map(|name| format!("X-{name}")),
            "[^\\r\\n\\s]([^\\r\\n]{0,60}[^\\r\\n\\s])?",
        ),
        0..8,
    );
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    (start, via(), name_addr(), name_addr(), extra, body).prop_map(
        |((start, method), via, from, to, extra, body)| {
            let mut headers = Headers::new();
            headers.push("Via", via);
            headers.push("From", from);
            headers.push("To", to);
            headers.push("Call-ID", "some-id@host");
            headers.push("CSeq", format!("7 {method}"));
            for (name, value) in extra {
                headers.push(&*name, value);
            }
            Message {
                start,
                headers,
                body: Bytes::from(body),
            }
        },
    )
}

proptest! {
    #[test]
    fn messages(message in message()) {
        prop_assert_eq!(Message::parse(message.encode()).unwrap(), message);
    }

    #[test]
    fn uris(uri in uri()) {
        let again = Uri::parse(&uri.to_string()).unwrap();
        prop_assert!(again.equivalent(&uri));
        prop_assert_eq!(again, uri);
    }

    #[test]
    fn addresses(address in name_addr()) {
        prop_assert_eq!(NameAddr::parse(&address.to_string()).unwrap(), address);
    }

    #[test]
    fn vias(via in via()) {
        prop_assert_eq!(Via::parse(&via.to_string()).unwrap(), via);
    }
}
