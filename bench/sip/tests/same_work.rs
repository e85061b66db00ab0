//! What is compared is the same work: each library reads the same, and what each sends on reads the same.

use patchbay_bench_sip::theirs::{rsip_itself, rsipstack};
use patchbay_bench_sip::{Library, messages, ours::Ours};
use patchbay_sip::{HeaderName, Message};

/// Start line, headers by name, and body of what goes on.
fn lines(datagram: Vec<u8>) -> (Vec<String>, Vec<u8>) {
    let message = Message::parse(datagram.into()).expect("a message");
    let mut lines: Vec<String> = message
        .headers
        .iter()
        .map(|(name, value)| format!("{}: {value}", name.as_str()))
        .collect();
    lines.sort();
    // rsip and rsipstack write the transport's name in capitals, which says the same.
    lines.push(message.uri().unwrap_or_default().to_ascii_lowercase());
    assert_ne!(message.headers.get(HeaderName::Via), None);
    (lines, message.body.to_vec())
}

#[test]
fn each_library_reads_and_sends_the_same() {
    for sample in messages::all() {
        let datagram = &sample.datagram[..];
        let facts = Ours::read(datagram).expect(sample.name);
        assert_eq!(rsip_itself::Library::read(datagram), Some(facts.clone()));
        assert_eq!(rsipstack::Library::read(datagram), Some(facts));
        let sent = lines(Ours::readdress(datagram).expect(sample.name));
        for theirs in [
            rsip_itself::Library::readdress(datagram),
            rsipstack::Library::readdress(datagram),
        ] {
            assert_eq!(lines(theirs.expect(sample.name)), sent, "{}", sample.name);
        }
    }
}
