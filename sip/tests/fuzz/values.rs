//! Header values: what was read is written so that it reads the same.

use patchbay_sip::uri::{escape, unescape};
use patchbay_sip::{CSeq, NameAddr, Params, Uri, Via, quote, split_commas, unquote};

use crate::mutate::{by_bytes, mutated};
use crate::seeds::SEEDS;

#[test]
fn values() {
    target!("values", 2_000, |input: &[u8]| {
        holds(&String::from_utf8_lossy(input));
        let message = mutated(&mut by_bytes(input), &SEEDS);
        for line in String::from_utf8_lossy(&message).lines() {
            holds(line);
            if let Some((_, value)) = line.split_once(':') {
                holds(value);
            }
            if let Some((_, uri)) = line.split_once('<') {
                holds(uri.split('>').next().unwrap_or_default());
            }
            holds(line.split(' ').nth(1).unwrap_or_default());
        }
    });
}

fn holds(text: &str) {
    assert_eq!(unescape(&escape(text)), text);
    let item_bytes: usize = split_commas(text).map(str::len).sum();
    assert!(item_bytes <= text.len());
    let _ = unquote(text);
    // A line end cannot stand in a value.
    if text.contains(['\r', '\n']) {
        return;
    }
    assert_eq!(unquote(&quote(text)), text);
    if let Ok(uri) = Uri::parse(text) {
        assert_eq!(Uri::parse(&uri.to_string()).as_ref(), Ok(&uri), "{text:?}");
        assert!(uri.equivalent(&uri), "{text:?}");
        let _ = uri.address_of_record();
    }
    if let Ok(via) = Via::parse(text) {
        assert_eq!(Via::parse(&via.to_string()).as_ref(), Ok(&via), "{text:?}");
        let _ = (via.received(), via.rport(), via.sent_by());
    }
    if let Ok(address) = NameAddr::parse(text) {
        let written = address.to_string();
        assert_eq!(NameAddr::parse(&written), Ok(address.clone()), "{text:?}");
        assert!(address.q_thousandths() <= 1000);
    }
    if let Ok(params) = Params::parse(text) {
        let written = params.to_string();
        assert_eq!(Params::parse(&written), Ok(params), "{text:?}");
    }
    if let Ok(cseq) = CSeq::parse(text) {
        assert!(cseq.number < 1 << 31);
        assert_eq!(CSeq::parse(&cseq.to_string()), Ok(cseq));
    }
}
