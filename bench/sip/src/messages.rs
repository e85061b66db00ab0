//! The messages, as phones send them.

/// A kind of message with its name in the tables.
pub struct Sample {
    /// Its name.
    pub name: &'static str,
    /// What came.
    pub datagram: Vec<u8>,
}

const SDP: &str = "v=0\n\
    o=- 3926110812 3926110812 IN IP4 192.0.2.9\n\
    s=call\n\
    c=IN IP4 192.0.2.9\n\
    t=0 0\n\
    m=audio 16384 RTP/AVP 9 8 0 101\n\
    a=rtpmap:9 G722/8000\n\
    a=rtpmap:8 PCMA/8000\n\
    a=rtpmap:0 PCMU/8000\n\
    a=rtpmap:101 telephone-event/8000\n\
    a=fmtp:101 0-16\n\
    a=ptime:20\n\
    a=rtcp:16385\n\
    a=sendrecv\n";

const OF_DIALOG: &str = "From: \"Alice Miller\" <sip:alice@example.com>;tag=a6c85cf1\n\
    To: <sip:support@centre.example>;tag=6e0f1b7a9c3d\n\
    Call-ID: 8f2c1d7e-3b5a-4c69-9e0d-71a2b3c4d5e6@192.0.2.9\n";
const VIA: &str = "Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK776asdhds3;rport\n";
const ROUTE: &str = "Route: <sip:198.51.100.1:5060;lr>\n";
const CONTACT: &str = "Contact: <sip:alice@192.0.2.9:5060;transport=udp>\n";
const ALLOW: &str = "Allow: INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, OPTIONS, INFO, REFER, NOTIFY\n\
    Supported: replaces, timer, 100rel\n\
    User-Agent: Phone/4.2.1\n";

/// Puts a message together; the last lines are the body.
fn sample(name: &'static str, head: &[&str], body: &str) -> Sample {
    let body = body.replace('\n', "\r\n");
    let kind = match body.is_empty() {
        true => "",
        false => "Content-Type: application/sdp\n",
    };
    let length = format!("Content-Length: {}\n\n", body.len());
    let head = [&head.concat(), kind, &length]
        .concat()
        .replace('\n', "\r\n");
    Sample {
        name,
        datagram: [head, body].concat().into_bytes(),
    }
}

/// All of them.
pub fn all() -> Vec<Sample> {
    let hops = "Max-Forwards: 70\n";
    let first = "From: \"Alice Miller\" <sip:alice@example.com>;tag=a6c85cf1\n\
        To: <sip:support@centre.example>\n\
        Call-ID: 8f2c1d7e-3b5a-4c69-9e0d-71a2b3c4d5e6@192.0.2.9\n";
    let in_dialog = "sip:6e0f1b7a9c3d@198.51.100.1:5060 SIP/2.0\n";
    let invite = "INVITE sip:support@centre.example SIP/2.0\n";
    let bye = ["BYE ", in_dialog].concat();
    let reinvite = ["INVITE ", in_dialog].concat();
    let vias = "Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK1b2c3d4e5f60718293;rport=5060\n\
        Via: SIP/2.0/TCP 10.0.0.2:5070;branch=z9hG4bKoffer17\n";
    vec![
        sample(
            "INVITE with SDP",
            &[
                invite,
                VIA,
                ROUTE,
                hops,
                first,
                "CSeq: 1 INVITE\n",
                CONTACT,
                ALLOW,
            ],
            SDP,
        ),
        sample(
            "BYE",
            &[
                &bye,
                VIA,
                ROUTE,
                hops,
                OF_DIALOG,
                "CSeq: 3 BYE\n",
                "User-Agent: Phone/4.2.1\n",
            ],
            "",
        ),
        sample(
            "re-INVITE with SDP",
            &[
                &reinvite,
                VIA,
                ROUTE,
                hops,
                OF_DIALOG,
                "CSeq: 2 INVITE\n",
                CONTACT,
                ALLOW,
            ],
            SDP,
        ),
        sample(
            "200 with SDP",
            &[
                "SIP/2.0 200 OK\n",
                vias,
                OF_DIALOG,
                "CSeq: 1 INVITE\n",
                CONTACT,
                ALLOW,
            ],
            SDP,
        ),
    ]
}
