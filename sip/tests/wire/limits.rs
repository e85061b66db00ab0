use crate::{parse, with};
use patchbay_sip::{MAX_HEADERS, MAX_LINE, MAX_MESSAGE_BYTES, Message, ParseErrorKind as Kind};

#[test]
fn every_limit_holds() {
    let kind = |text: &str| parse(text).unwrap_err().kind();
    let options = |extra: &str| with("OPTIONS sip:h SIP/2.0", extra);
    assert_eq!(
        kind(&options(&"X: y\n".repeat(MAX_HEADERS))),
        Kind::TooManyHeaders
    );
    assert!(parse(&options(&"X: y\n".repeat(MAX_HEADERS - 6))).is_ok());
    let long = format!("X: {}\n", "y".repeat(MAX_LINE));
    assert_eq!(kind(&options(&long)), Kind::LineTooLong);
    assert_eq!(
        parse(&options(&long))
            .unwrap_err()
            .answer()
            .unwrap()
            .status(),
        Some(513)
    );
    let folded = format!("X: a\n{}", " b\n".repeat(MAX_LINE));
    assert_eq!(kind(&options(&folded)), Kind::LineTooLong);
    let huge = vec![b'x'; MAX_MESSAGE_BYTES + 1];
    assert_eq!(
        Message::parse(huge.into()).unwrap_err().kind(),
        Kind::TooLong
    );
}
