//! What the fuzzers begin with: the torture messages, and those of an ordinary call.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

use std::path::Path;
use std::sync::LazyLock;

/// The torture messages by their names.
pub static TORTURE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/torture");
    let folder = folder.canonicalize().expect("the torture messages");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "dat"))
        .collect();
    // The order of a folder is any: the same choices are to give the same message.
    files.sort();
    files
        .iter()
        .map(|path| std::fs::read(path).expect("a message"))
        .collect()
});

/// The torture messages and those of a call.
pub static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let ordinary = ORDINARY
        .iter()
        .map(|text| text.replace('\n', "\r\n").into_bytes());
    TORTURE.iter().cloned().chain(ordinary).collect()
});

const ORDINARY: [&str; 8] = [
    "INVITE sip:callee@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport\n\
     Max-Forwards: 70\nFrom: \"A\" <sip:caller@192.0.2.1>;tag=caller\nTo: <sip:callee@192.0.2.2>\n\
     Call-ID: one\nCSeq: 1 INVITE\nContact: <sip:caller@192.0.2.1>\nContent-Length: 0\n\n",
    "ACK sip:callee@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport\n\
     Max-Forwards: 70\nFrom: \"A\" <sip:caller@192.0.2.1>;tag=caller\n\
     To: <sip:callee@192.0.2.2>;tag=callee\nCall-ID: one\nCSeq: 1 ACK\nContent-Length: 0\n\n",
    "CANCEL sip:callee@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;rport\n\
     Max-Forwards: 70\nFrom: \"A\" <sip:caller@192.0.2.1>;tag=caller\nTo: <sip:callee@192.0.2.2>\n\
     Call-ID: one\nCSeq: 1 CANCEL\nContent-Length: 0\n\n",
    "BYE sip:callee@192.0.2.2 SIP/2.0\nVia: SIP/2.0/TCP [2001:db8::1]:5060;branch=z9hG4bKb\n\
     Max-Forwards: 70\nFrom: \"A\" <sip:caller@192.0.2.1>;tag=caller\n\
     To: <sip:callee@192.0.2.2>;tag=callee\nCall-ID: one\nCSeq: 2 BYE\n\
     Reason: SIP;cause=200;text=\"done\"\nl: 0\n\n",
    "SIP/2.0 180 Ringing\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa;received=192.0.2.9\n\
     From: \"A\" <sip:caller@192.0.2.1>;tag=caller\nTo: <sip:callee@192.0.2.2>;tag=callee\n\
     Call-ID: one\nCSeq: 1 INVITE\nRecord-Route: <sip:p;lr>, <sip:q;lr>\nContent-Length: 0\n\n",
    "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa\n\
     From: \"A\" <sip:caller@192.0.2.1>;tag=caller\nTo: <sip:callee@192.0.2.2>;tag=callee\n\
     Call-ID: one\nCSeq: 1 INVITE\nContact: <sip:callee@192.0.2.2;transport=tcp>;q=0.5\n\
     Content-Length: 0\n\n",
    "SIP/2.0 486 Busy Here\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKa\n\
     From: \"A\" <sip:caller@192.0.2.1>;tag=caller\nTo: <sip:callee@192.0.2.2>;tag=callee\n\
     Call-ID: one\nCSeq: 1 INVITE\nRetry-After: 5\nContent-Length: 0\n\n",
    "REGISTER sip:example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKr;rport\n\
     From: <sip:anna@example.com>;tag=r\nTo: <sip:anna@example.com>\nCall-ID: reg\nCSeq: 1 REGISTER\n\
     Contact: <sip:anna@192.0.2.1>;expires=60;+sip.instance=\"<urn:uuid:1>\";reg-id=1\n\
     Authorization: Digest username=\"anna\", realm=\"r\", nonce=\"n\", uri=\"sip:example.com\", \
     response=\"00\", algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"c\"\nContent-Length: 0\n\n",
];
