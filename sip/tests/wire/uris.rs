use patchbay_sip::uri::{escape, unescape};
use patchbay_sip::{Uri, UriError};

fn equivalent(a: &str, b: &str) -> bool {
    let (a, b) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
    assert_eq!(a.equivalent(&b), b.equivalent(&a), "{a} {b}");
    a.equivalent(&b)
}

/// The rules of RFC 3261 section 19.1.4, each way round.
#[test]
fn equality() {
    for (a, b) in [
        (
            "sip:%61lice@h.example;transport=TCP",
            "sip:alice@H.Example;Transport=tcp",
        ),
        ("sip:c@h", "sip:c@h;new=5"),
        ("sip:c@h;new=5", "sip:c@h;security=on"),
        (
            "sip:h;transport=tcp;method=REGISTER?to=a&from=b",
            "sip:h;method=REGISTER;transport=tcp?from=b&to=a",
        ),
        ("sip:a@h?subject=x%20y&p=1", "sip:a@h?p=1&subject=x%20%79"),
        ("sip:a@[2001:db8:0::1]", "sip:a@[2001:DB8::0:1]"),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
        (
            "tel:7042;phone-context=example.com",
            "tel:70.42;Phone-Context=EXAMPLE.com",
        ),
    ] {
        assert!(equivalent(a, b), "{a} {b}");
    }
    for (a, b) in [
        ("SIP:ALICE@h;transport=udp", "sip:alice@h;transport=UDP"),
        ("sip:b@h", "sip:b@h:5060"),
        ("sip:b@h", "sip:b@h;transport=udp"),
        ("sip:b@h", "sip:b@h:6000;transport=tcp"),
        ("sip:b@h", "sips:b@h"),
        ("sip:c@h;new=5", "sip:c@h;new=6"),
        ("sip:c@h", "sip:c@h?subject=x"),
        ("sip:c@h;maddr=1.2.3.4", "sip:c@h"),
        ("sip:c@h;user=phone", "sip:c@h"),
        ("sip:b@h", "sip:b@192.0.2.4"),
        ("tel:+1201", "tel:1201"),
        ("urn:a", "urn:b"),
    ] {
        assert!(!equivalent(a, b), "{a} {b}");
    }
}

#[test]
fn parts_are_found_and_written_back() {
    for text in [
        "sip:john.doe:pw@example.com:5061;lr;transport=tcp?a=b&c=",
        "sips:[2001:db8::1]:5061",
        "sip:+41-44;ext=1@h;user=phone",
        "tel:+41-44-123;phone-context=+41",
        "tel:*21%",
        "im:anna@example.com",
        "sip:relay.invalid;agent=sip%3Aanna%40192.0.2.1;exp=17",
    ] {
        match Uri::parse(text) {
            Ok(uri) => assert_eq!(uri.to_string(), text),
            Err(error) => assert_eq!((text, error), ("tel:*21%", UriError::Number)),
        }
    }
    let uri = Uri::parse(&format!(
        "sip:relay.invalid;agent={}",
        escape("sip:a@[::1];x=y")
    ))
    .unwrap();
    assert_eq!(
        unescape(uri.params.value("agent").unwrap()),
        "sip:a@[::1];x=y"
    );
    assert_eq!(
        Uri::parse("SIP:J%6fe:pw@H.com:5;x?a=b")
            .unwrap()
            .address_of_record(),
        "sip:Joe@h.com"
    );
}

#[test]
fn broken_ones_name_the_part() {
    for (text, error) in [
        ("example.com", UriError::Scheme),
        ("1sip:h", UriError::Scheme),
        ("sip:", UriError::Host),
        ("sip:a@", UriError::Host),
        ("sip:a@[::1", UriError::Host),
        ("sip:2001:db8::1", UriError::Port),
        ("sip:@h", UriError::User),
        ("sip:h:0", UriError::Port),
        ("sip:h:65536", UriError::Port),
        ("sip:h;=x", UriError::Params),
        ("sip:h?x", UriError::Headers),
        ("sip:a b@h", UriError::Character),
        ("tel:", UriError::Number),
    ] {
        assert_eq!(Uri::parse(text), Err(error), "{text}");
    }
    assert_eq!(
        Uri::parse(&format!("sip:{}@h", "a".repeat(5000))),
        Err(UriError::TooLong)
    );
}
