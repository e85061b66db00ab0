#![allow(clippy::unwrap_used)]
use super::*;
use std::collections::HashMap;
use std::time::{Duration, Instant};

fn wanted(uri: &str) -> Wanted {
    Wanted::of(&Uri::parse(uri).unwrap()).unwrap()
}

fn both(transports: &[Transport]) -> Spoken {
    let each = |transport: &Transport| [(*transport, true), (*transport, false)];
    Spoken(transports.iter().flat_map(each).collect())
}

const ALL: &[Transport] = &[Transport::Udp, Transport::Tcp, Transport::Tls];

fn naptr(order: u16, preference: u16, service: &str, replacement: &str) -> Naptr {
    Naptr {
        order,
        preference,
        flags: "s".into(),
        service: service.into(),
        replacement: replacement.into(),
    }
}

fn srv(priority: u16, weight: u16, port: u16, target: &str) -> Srv {
    Srv {
        priority,
        weight,
        port,
        target: target.into(),
    }
}

/// A zone, and the names that were asked for.
#[derive(Default)]
struct Zone {
    naptr: HashMap<String, Vec<Naptr>>,
    srv: HashMap<String, Vec<Srv>>,
    ips: HashMap<String, Vec<IpAddr>>,
    asked: Vec<String>,
}

impl Zone {
    fn naptr(mut self, name: &str, records: Vec<Naptr>) -> Zone {
        self.naptr.insert(name.into(), records);
        self
    }

    fn srv(mut self, name: &str, records: Vec<Srv>) -> Zone {
        self.srv.insert(name.into(), records);
        self
    }

    fn host(mut self, name: &str, ips: &[&str]) -> Zone {
        let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        self.ips.insert(name.into(), ips);
        self
    }

    fn answer(&mut self, question: &Question) -> Answer {
        let addresses = |name: &str, v4: bool| {
            let all = self.ips.get(name).cloned().unwrap_or_default();
            Answer::Addresses(all.into_iter().filter(|ip| ip.is_ipv4() == v4).collect())
        };
        let (asked, answer) = match question {
            Question::Naptr(name) => (format!("NAPTR {name}"), {
                let records = self.naptr.get(name).cloned();
                records.map_or(Answer::Nothing, Answer::Naptr)
            }),
            Question::Srv(name) => (format!("SRV {name}"), {
                let records = self.srv.get(name).cloned();
                records.map_or(Answer::Nothing, Answer::Srv)
            }),
            Question::A(name) => (format!("A {name}"), addresses(name, true)),
            Question::Aaaa(name) => (format!("AAAA {name}"), addresses(name, false)),
        };
        self.asked.push(asked);
        answer
    }

    fn locate(&mut self, uri: &str, spoken: Spoken) -> Vec<String> {
        let mut ids = crate::session::Ids::new([1; 32]);
        let mut search = Search::new(&Inquiry {
            session: ids.session(),
            seeker: Seeker::Offer,
            wanted: wanted(uri),
            spoken,
            seed: 7,
        });
        for _ in 0..4 {
            match search.step() {
                Step::Ask(questions) => {
                    let answers = questions.iter().map(|q| self.answer(q)).collect();
                    search.take(answers);
                }
                Step::Found(found) => return found.iter().map(shown).collect(),
            }
        }
        panic!("more than three rounds: {:?}", self.asked);
    }
}

fn shown(candidate: &Candidate) -> String {
    format!("{} {}", candidate.transport, candidate.address).to_lowercase()
}

/// The zone of RFC 3263 section 4.1 and 4.2.
fn example() -> Zone {
    Zone::default()
        .naptr(
            "example.com",
            vec![
                naptr(100, 50, "SIP+D2U", "_sip._udp.example.com"),
                naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
                naptr(90, 50, "SIP+D2T", "_sip._tcp.example.com"),
            ],
        )
        .srv(
            "_sip._tcp.example.com",
            vec![
                srv(1, 0, 5060, "server2.example.com"),
                srv(0, 1, 5060, "server1.example.com"),
            ],
        )
        .srv(
            "_sips._tcp.example.com",
            vec![srv(0, 0, 5061, "server1.example.com")],
        )
        .host("server1.example.com", &["192.0.2.1"])
        .host("server2.example.com", &["192.0.2.2", "2001:db8::2"])
}

#[test]
fn the_example_of_the_rfc_leads_to_tcp_for_a_client_without_tls() {
    let spoken = both(&[Transport::Udp, Transport::Tcp]);
    let mut zone = example();
    let found = zone.locate("sip:user@example.com", spoken);
    assert_eq!(
        found,
        [
            "tcp 192.0.2.1:5060",
            "tcp [2001:db8::2]:5060",
            "tcp 192.0.2.2:5060"
        ]
    );
    assert_eq!(
        zone.asked.get(..2).unwrap(),
        ["NAPTR example.com", "SRV _sip._tcp.example.com"]
    );
}

#[test]
fn a_client_with_tls_takes_the_first_order_and_no_other() {
    let found = example().locate("sip:user@example.com", both(ALL));
    assert_eq!(found, ["tls 192.0.2.1:5061"]);
}

#[test]
fn sips_is_tls_and_nothing_else() {
    let found = example().locate("sips:user@example.com", both(ALL));
    assert_eq!(found, ["tls 192.0.2.1:5061"]);
    let plain = both(&[Transport::Udp, Transport::Tcp]);
    let found = example().locate("sips:user@example.com", plain);
    assert_eq!(found, Vec::<String>::new());
    // Without NAPTR and SRV it is TLS at the host itself.
    let mut bare = Zone::default().host("example.com", &["192.0.2.9"]);
    let found = bare.locate("sips:user@example.com", both(ALL));
    assert_eq!(found, ["tls 192.0.2.9:5061"]);
}

/// URI, what is asked before the addresses, and where it leads when DNS knows addresses alone.
#[test]
fn what_a_uri_says_itself_is_not_asked() {
    let table: &[(&str, &[&str], &str)] = &[
        (
            "sip:a@h.example",
            &[
                "NAPTR h.example",
                "SRV _sip._udp.h.example",
                "SRV _sip._tcp.h.example",
            ],
            "udp 192.0.2.9:5060",
        ),
        ("sip:a@h.example:5090", &[], "udp 192.0.2.9:5090"),
        ("sips:a@h.example:5090", &[], "tls 192.0.2.9:5090"),
        (
            "sip:a@h.example;transport=tcp",
            &["SRV _sip._tcp.h.example"],
            "tcp 192.0.2.9:5060",
        ),
        (
            "sip:a@h.example;transport=udp",
            &["SRV _sip._udp.h.example"],
            "udp 192.0.2.9:5060",
        ),
        (
            "sip:a@h.example;transport=tls",
            &["SRV _sips._tcp.h.example"],
            "tls 192.0.2.9:5061",
        ),
        ("sip:a@h.example:7;transport=tcp", &[], "tcp 192.0.2.9:7"),
        (
            "sips:a@H.example.",
            &["NAPTR h.example", "SRV _sips._tcp.h.example"],
            "tls 192.0.2.9:5061",
        ),
    ];
    for (uri, before, place) in table {
        let mut zone = Zone::default().host("h.example", &["192.0.2.9"]);
        assert_eq!(zone.locate(uri, both(ALL)), [*place], "{uri}");
        let (asked, addresses) = zone.asked.split_at(before.len());
        assert_eq!(asked, *before, "{uri}");
        assert_eq!(addresses, ["AAAA h.example", "A h.example"], "{uri}");
    }
}

#[test]
fn records_that_make_no_sense_are_passed_over() {
    let mut zone = Zone::default()
        .naptr(
            "h.example",
            vec![
                naptr(1, 1, "E2U+sip", "elsewhere.example"),
                naptr(2, 1, "SIP+D2S", "_sip._sctp.h.example"),
                Naptr {
                    flags: "u".into(),
                    ..naptr(3, 1, "SIP+D2U", "u.h.example")
                },
                naptr(4, 1, "sip+d2u", "_sip._udp.h.example"),
            ],
        )
        .srv("_sip._udp.h.example", vec![srv(1, 1, 5070, "x.h.example")])
        .host("x.h.example", &["192.0.2.7", "192.0.2.7"]);
    let found = zone.locate("sip:a@h.example", both(ALL));
    assert_eq!(found, ["udp 192.0.2.7:5070"]);
}

#[test]
fn a_domain_that_denies_the_service_has_no_place() {
    let mut zone = Zone::default()
        .srv("_sip._udp.h.example", vec![srv(0, 0, 0, ".")])
        .host("h.example", &["192.0.2.9"]);
    let found = zone.locate("sip:a@h.example", both(ALL));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn without_a_listener_of_its_ip_version_a_host_is_not_reached() {
    let v4 = Spoken(vec![(Transport::Udp, true)]);
    let mut zone = Zone::default().host("h.example", &["192.0.2.9", "2001:db8::9"]);
    assert_eq!(zone.locate("sip:a@h.example", v4), ["udp 192.0.2.9:5060"]);
    let mut zone = Zone::default().host("h.example", &["192.0.2.9", "2001:db8::9"]);
    let found = zone.locate("sip:a@h.example", both(ALL));
    assert_eq!(found, ["udp [2001:db8::9]:5060", "udp 192.0.2.9:5060"]);
}

#[test]
fn a_browser_is_not_called_by_name() {
    let mut zone = Zone::default().host("h.example", &["192.0.2.9"]);
    let found = zone.locate("sip:a@h.example;transport=ws", both(ALL));
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn no_answer_makes_more_places_or_questions_than_the_limits() {
    let many = |name: &str| (0..200).map(|n| srv(1, n, 5060 + n, name)).collect();
    let ips: Vec<String> = (0..200).map(|n| format!("192.0.2.{n}")).collect();
    let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
    let mut zone = Zone::default()
        .naptr(
            "h.example",
            (0..200)
                .map(|n| naptr(1, n, "SIP+D2U", "_sip._udp.h.example"))
                .collect(),
        )
        .srv("_sip._udp.h.example", many("x.h.example"))
        .host("x.h.example", &ips);
    let found = zone.locate("sip:a@h.example", both(ALL));
    assert_eq!(found.len(), MAX_CANDIDATES);
    assert_eq!(zone.asked.len(), 1 + MAX_SERVICES + 2 * MAX_TARGETS);
}

fn ports(records: Vec<Srv>) -> Vec<u16> {
    records.into_iter().map(|record| record.port).collect()
}

/// RFC 2782, "Usage rules": what is drawn, from which sum, and which comes of it.
#[test]
fn servers_come_by_priority_then_by_weight() {
    let records = || {
        vec![
            srv(20, 0, 4, "old"),
            srv(10, 60, 1, "big"),
            srv(10, 20, 2, "small"),
            srv(10, 0, 3, "spare"),
        ]
    };
    let drawn = |draws: &[u64]| {
        let mut left = draws.iter();
        let mut sums = Vec::new();
        let ordered = by_weight(records(), |most| {
            sums.push(most);
            *left.next().unwrap()
        });
        (ports(ordered), sums)
    };
    assert_eq!(
        drawn(&[60, 20, 0, 0]),
        (vec![1, 2, 3, 4], vec![80, 20, 0, 0])
    );
    assert_eq!(
        drawn(&[61, 60, 0, 0]),
        (vec![2, 1, 3, 4], vec![80, 60, 0, 0])
    );
    // The one of weight 0 is first only when nothing is drawn.
    assert_eq!(
        drawn(&[0, 1, 1, 0]),
        (vec![3, 1, 2, 4], vec![80, 80, 20, 0])
    );
}

#[test]
fn shares_follow_the_weights() {
    let mut dice = Dice::new(4711);
    let mut first = HashMap::new();
    for _ in 0..8_000 {
        let records = vec![srv(1, 10, 1, "a"), srv(1, 30, 2, "b")];
        let ordered = by_weight(records, |most| dice.up_to(most));
        *first
            .entry(ports(ordered).first().copied())
            .or_insert(0_u32) += 1;
    }
    // 30 of 40 and, as 0 is drawn too, a little less: 30/41.
    let share = f64::from(first[&Some(2)]) / 8_000.0;
    assert!((0.70..0.77).contains(&share), "{share}");
}

fn place(n: u16) -> Candidate {
    Candidate {
        transport: Transport::Udp,
        address: SocketAddr::new([192, 0, 2, 1].into(), n),
    }
}

#[test]
fn what_failed_comes_last_until_it_answers_or_its_time_is_over() {
    let now = Instant::now();
    let mut places = Places::default();
    places.avoid(place(1), None, now);
    let all = || vec![place(1), place(2), place(3)];
    assert_eq!(places.order(all(), now), [place(2), place(3), place(1)]);
    assert_eq!(places.order(all(), now + AVOID_TIME), all());
    places.works(&place(1));
    assert_eq!(places.order(all(), now), all());
    places.avoid(place(2), Some(Duration::from_secs(86_400)), now);
    assert_eq!(places.order(all(), now), [place(1), place(3), place(2)]);
    assert_eq!(places.order(all(), now + MAX_AVOID_TIME), all());
}

#[test]
fn no_flood_of_failures_or_look_ups_grows() {
    let now = Instant::now();
    let mut places = Places::default();
    for n in 0..5_000_u16 {
        places.avoid(place(n), None, now + Duration::from_millis(u64::from(n)));
    }
    assert_eq!(places.avoided(), MAX_AVOIDED);
    let last = vec![place(4_999), place(1)];
    assert_eq!(places.order(last, now), [place(1), place(4_999)]);
    let taken = (0..1_000).filter(|_| places.ask()).count();
    assert_eq!((taken, places.lookups()), (MAX_LOOKUPS, MAX_LOOKUPS));
    places.answered();
    assert!(places.ask());
}
