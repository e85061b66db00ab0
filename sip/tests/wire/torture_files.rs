use std::path::Path;

use bytes::Bytes;
use patchbay_sip::Message;

/// The messages of RFC 4475 and RFC 5118 that no parser may take, and the status of the answer; none
/// where it is a response. What is wrong with the others is wrong for somebody above the parser.
const REFUSED: [(&str, Option<u16>); 18] = [
    ("badinv01", Some(400)),
    ("badvers", Some(505)),
    ("bigcode", None),
    ("clerr", Some(400)),
    ("insuf", Some(400)),
    ("ltgtruri", Some(400)),
    ("lwsruri", Some(400)),
    ("lwsstart", Some(400)),
    ("mcl01", Some(400)),
    ("mismatch01", Some(400)),
    ("mismatch02", Some(400)),
    ("multi01", Some(400)),
    ("ncl", Some(400)),
    ("quotbal", Some(400)),
    ("scalar02", Some(400)),
    ("scalarlg", None),
    ("trws", Some(400)),
    ("ipv6-bug-abnf-3-colons", Some(400)),
];

/// A1. `tests/torture.rs` sends them to a running centre; here it is who refuses them.
#[test]
fn the_messages_of_the_rfcs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|ending| ending != "dat") {
            continue;
        }
        seen += 1;
        let parsed = Message::parse(Bytes::from(std::fs::read(&path).unwrap()));
        let refused = REFUSED.iter().find(|(refused, _)| *refused == name);
        match (parsed, refused) {
            (Ok(message), None) => {
                let again = Message::parse(message.encode()).unwrap();
                assert_eq!(again, message, "{name}");
            }
            (Err(error), Some((_, status))) => {
                let answer = error.answer().and_then(|answer| answer.status());
                assert_eq!(answer, *status, "{name}: {error}");
            }
            (parsed, _) => panic!("{name}: {parsed:?}"),
        }
    }
    assert_eq!(seen, 61);
}
