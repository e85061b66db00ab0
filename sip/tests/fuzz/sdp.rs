//! Session descriptions: nothing of their senders is left once they are hidden.

use std::net::IpAddr;

use patchbay_sip::sdp::Sdp;

use crate::mutate::{by_bytes, mutated};

/// What no other side may see.
const HIDDEN: [&str; 3] = ["203.0.113.77", "2001:db8:77::77", "203.0.113.78"];

const OFFERS: [&str; 3] = [
    "v=0\no=alice 1 1 IN IP4 203.0.113.77\ns=call of 203.0.113.77\ni=a\nu=http://203.0.113.77\n\
     e=a@b\np=+1\nc=IN IP4 203.0.113.77\nb=AS:64\nt=0 0\na=tool:x\n\
     m=audio 4000 RTP/AVP 0 101\na=rtpmap:0 PCMU/8000\na=rtcp:4055 IN IP4 203.0.113.78\n\
     a=candidate:1 1 UDP 1 203.0.113.77 4000 typ host\na=fmtp:101 0-16\na=sendrecv\n",
    "v=0\no=- 7 7 IN IP6 2001:db8:77::77\ns=-\nt=0 0\nm=audio 4000 RTP/SAVPF 111\n\
     c=IN IP6 2001:db8:77::77\na=rtcp-mux\na=ice-ufrag:x\na=fingerprint:sha-256 00:11\n\
     m=video 4002 RTP/AVP 96\nc=IN IP4 203.0.113.77/127\na=inactive\nk=clear:x\n",
    "v=0\no=a b 99999999999999999999 1 IN IP4 203.0.113.77\ns=\nc=IN IP4 203.0.113.77\nt=0 0\nr=1\nr=203.0.113.77\nz=203.0.113.77\n\
     m=application 0 TCP/BFCP *\nm=message 7000 TCP/MSRP *\na=path:msrp://203.0.113.77:7000/x;tcp\n",
];

fn offers() -> Vec<Vec<u8>> {
    let lines = |text: &&str| text.replace('\n', "\r\n").into_bytes();
    OFFERS.iter().map(lines).collect()
}

#[test]
fn offers_as_they_are() {
    for offer in offers() {
        assert!(Sdp::parse(&offer).is_ok());
        holds(&offer);
    }
}

#[test]
fn descriptions() {
    let offers = offers();
    target!("descriptions", 8_000, |input: &[u8]| {
        holds(input);
        holds(&mutated(&mut by_bytes(input), &offers));
    });
}

fn holds(body: &[u8]) {
    let Ok(mut sdp) = Sdp::parse(body) else {
        return;
    };
    let written = sdp.encode();
    let again = Sdp::parse(&written).unwrap_or_else(|why| panic!("{why}: {written:?}"));
    // A time, which a description must have, is added where it has none.
    assert_eq!(again.encode(), written);
    for media in sdp.medias() {
        let _ = (media.kind(), media.codecs(), media.direction());
        let _ = (media.rtp_address(), media.rtcp_address(), media.is_hold());
    }
    let known = addresses(&sdp);
    let own: IpAddr = "198.51.100.1".parse().unwrap();
    sdp.hide(own, 1, 2);
    for index in 0..sdp.len() {
        let at = "198.51.100.1:20000".parse().unwrap();
        let _ = sdp.readdress(index, at, "198.51.100.1:20001".parse().unwrap());
    }
    let text = String::from_utf8_lossy(&sdp.encode()).into_owned();
    // The title of a medium is left to those who use the description.
    for line in text.lines().filter(|line| !line.starts_with("i=")) {
        let leaks = known.iter().find(|address| names(line, address));
        assert_eq!(leaks, None, "{line:?} in {text}");
    }
}

/// Whether the address stands there and is no part of a longer word.
fn names(line: &str, address: &str) -> bool {
    let part = |char: char| char.is_alphanumeric() || char == '.';
    line.match_indices(address).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + address.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// Those of the hidden addresses that the description itself names as places.
fn addresses(sdp: &Sdp) -> Vec<&'static str> {
    let named: Vec<IpAddr> = sdp
        .medias()
        .filter_map(|media| media.rtp_address())
        .map(|address| address.ip())
        .chain(sdp.connection())
        .collect();
    HIDDEN
        .into_iter()
        .filter(|text| named.contains(&text.parse().unwrap()))
        .collect()
}
