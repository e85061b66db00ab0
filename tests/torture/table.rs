//! The messages of RFC 4475 and RFC 5118, and the right answer of this centre to each.

/// What is to become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// It is answered with this final status.
    Answer(u16),
    /// Nobody answers, nobody is called.
    Silence,
    /// The agent is called, and gets nothing that names the caller's network.
    Rings,
    /// The stream waits for the rest of the message.
    Waits,
    /// It is answered so, and the stream, which cannot be cut into messages any more, is closed.
    Ends(u16),
    /// Two messages, two final answers.
    Two(u16, u16),
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name in the RFC, and that of its file.
    pub name: &'static str,
    /// Over UDP.
    pub right: Right,
    /// Over TCP.
    pub on_stream: Right,
    /// The port to which the answer goes: that of the top Via.
    pub port: u16,
    /// Section and reason.
    pub why: &'static str,
}

const fn case(name: &'static str, right: Right, why: &'static str) -> Case {
    let on_stream = right;
    Case {
        name,
        right,
        on_stream,
        port: 5060,
        why,
    }
}

const fn differs(case: Case, on_stream: Right) -> Case {
    Case { on_stream, ..case }
}

const fn port(case: Case, port: u16) -> Case {
    Case { port, ..case }
}

use Right::{Answer, Ends, Rings, Silence, Two, Waits};

/// RFC 4475 section 3.1.1: valid messages.
pub const VALID: &[Case] = &[
    case(
        "wsinv",
        Answer(481),
        "3.1.1.1: sound; its To tag names a dialog that is not there",
    ),
    case(
        "intmeth",
        Answer(501),
        "3.1.1.2: sound, of an unknown method",
    ),
    case("esc01", Rings, "3.1.1.3: an ordinary call"),
    case(
        "escnull",
        Answer(401),
        "3.1.1.4: sound; a registrar wants to know who it is",
    ),
    case("esc02", Answer(501), "3.1.1.5: RE%47IST%45R is no REGISTER"),
    case("lwsdisp", Answer(200), "3.1.1.6: sound"),
    case("longreq", Rings, "3.1.1.7: an ordinary call, if long"),
    differs(
        case(
            "dblreq",
            Answer(401),
            "3.1.1.8: what follows in a datagram is no message",
        ),
        // Of a stream it is one, and lacks a Contact.
        Two(400, 401),
    ),
    case("semiuri", Answer(200), "3.1.1.9: sound"),
    case("transports", Answer(200), "3.1.1.10: sound"),
    port(
        case(
            "mpart01",
            Answer(405),
            "3.1.1.11: sound; messages are not served",
        ),
        5070,
    ),
    case(
        "unreason",
        Silence,
        "3.1.1.12: a response that nobody waits for",
    ),
    case(
        "noreason",
        Silence,
        "3.1.1.13: a response that nobody waits for",
    ),
];

/// RFC 4475 section 3.1.2: invalid messages.
pub const INVALID: &[Case] = &[
    case("badinv01", Answer(400), "3.1.2.1: stray separators"),
    differs(
        case("clerr", Answer(400), "3.1.2.2: the body is not all there"),
        Waits,
    ),
    differs(
        case("ncl", Answer(400), "3.1.2.3: a negative Content-Length"),
        Ends(400),
    ),
    case("scalar02", Answer(400), "3.1.2.4: CSeq is beyond its range"),
    case(
        "scalarlg",
        Silence,
        "3.1.2.5: so are a response's; it is discarded",
    ),
    port(
        case("quotbal", Answer(400), "3.1.2.6: a quote is not closed"),
        5050,
    ),
    case(
        "ltgtruri",
        Answer(400),
        "3.1.2.7: brackets about the Request-URI",
    ),
    case("lwsruri", Answer(400), "3.1.2.8: a space within it"),
    case("lwsstart", Answer(400), "3.1.2.9: spaces about it"),
    case("trws", Answer(400), "3.1.2.10: spaces after the version"),
    case("escruri", Answer(400), "3.1.2.11: headers in a Request-URI"),
    case(
        "baddate",
        Rings,
        "3.1.2.12: Date may be of no account to an element",
    ),
    case(
        "regbadct",
        Answer(400),
        "3.1.2.13: a question mark outside brackets",
    ),
    case(
        "badaspec",
        Answer(200),
        "3.1.2.14: spaces within brackets may be let pass",
    ),
    case(
        "baddn",
        Answer(200),
        "3.1.2.15: a comma in a bare name may be let pass",
    ),
    case("badvers", Answer(505), "3.1.2.16: another version of SIP"),
    case(
        "mismatch01",
        Answer(400),
        "3.1.2.17: CSeq names another method",
    ),
    case(
        "mismatch02",
        Answer(400),
        "3.1.2.18: so does that of an unknown one",
    ),
    case(
        "bigcode",
        Silence,
        "3.1.2.19: a status beyond its range is discarded",
    ),
];

/// RFC 4475 sections 3.2 to 3.4: transactions, applications, the elder protocol.
pub const HIGHER: &[Case] = &[
    case(
        "badbranch",
        Answer(200),
        "3.2.1: a branch of nothing but the cookie",
    ),
    case(
        "insuf",
        Answer(400),
        "3.3.1: From, To and Call-ID are missing",
    ),
    case("unkscm", Answer(416), "3.3.2: an unknown scheme"),
    case(
        "novelsc",
        Answer(416),
        "3.3.3: a known scheme that is not SIP's",
    ),
    case("unksm2", Answer(401), "3.3.4: 401 before any look at To"),
    case("bext01", Answer(420), "3.3.5: unknown extensions"),
    case(
        "invut",
        Answer(415),
        "3.3.6: a body of a type that nobody knows",
    ),
    case("regaut01", Answer(401), "3.3.7: an unknown scheme of proof"),
    case(
        "multi01",
        Answer(400),
        "3.3.8: headers twice that stand once",
    ),
    differs(
        case("mcl01", Answer(400), "3.3.9: two Content-Lengths"),
        Ends(400),
    ),
    case(
        "bcast",
        Silence,
        "3.3.10: a response that would go to everybody",
    ),
    case("zeromf", Answer(483), "3.3.11: a proxy sends it no further"),
    case(
        "cparam01",
        Answer(401),
        "3.3.12: sound; the parameter is the header's",
    ),
    case(
        "cparam02",
        Answer(401),
        "3.3.13: sound; the parameter is the URI's",
    ),
    case(
        "regescrt",
        Answer(401),
        "3.3.14: sound: headers may stand in a Contact's URI",
    ),
    case(
        "sdp01",
        Answer(406),
        "3.3.15: an answer in SDP is not acceptable to it",
    ),
    differs(
        // The elder protocol is understood, but this call has no Contact for a dialog to be made with.
        case("inv2543", Answer(400), "3.4.1: no Contact"),
        // RFC 3261 section 18.3: a stream needs Content-Length.
        Ends(400),
    ),
];

/// RFC 5118 section 4: IPv6.
pub const IPV6: &[Case] = &[
    case("ipv6-good", Answer(401), "4.1: sound"),
    case(
        "ipv6-bad",
        Answer(400),
        "4.2: an address without its brackets",
    ),
    case(
        "port-ambiguous",
        Answer(401),
        "4.3: it is no port, but sound",
    ),
    case("port-unambiguous", Answer(401), "4.4: sound"),
    case(
        "via-received-param-with-delim",
        Answer(481),
        "4.5: brackets in received are understood",
    ),
    case(
        "via-received-param-no-delim",
        Answer(200),
        "4.5: so is their absence",
    ),
    case("ipv6-in-sdp", Rings, "4.6: a call with media over IPv6"),
    port(
        case(
            "mult-ip-in-header",
            Answer(481),
            "4.7: both versions in the Via headers",
        ),
        6050,
    ),
    case("mult-ip-in-sdp", Rings, "4.8: both versions in SDP"),
    port(
        case("ipv4-mapped-ipv6", Rings, "4.9: IPv4 in the guise of IPv6"),
        19_823,
    ),
    case(
        "ipv6-bug-abnf-3-colons",
        Answer(400),
        "4.10: three colons are no address",
    ),
    case("ipv6-correct-abnf-2-colons", Answer(200), "4.10: sound"),
];
