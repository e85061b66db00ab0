use crate::{parse, with};
use bytes::Bytes;
use patchbay_sip::{Contacts, HeaderName, Host, Message, Method, Scheme, Uri};

/// A1. Everything at once: folding, compact and oddly cased names, white space around every
/// separator, escapes in quotes, empty values, unknown headers and parameters, several Vias in a line.
#[test]
fn a_tortuous_invite() {
    let message = parse(
        "
INVITE sip:desk@example.com;odd-param SIP/2.0
TO :
 sip:desk@example.com ;   tag    = 98fx
from   : \"A \\\\\\\" quoted\"       <sip:caller@example.com>
  ;
  tag = 27
MaX-fOrWaRdS: 0068
Call-ID: odd.call.id@example.com
Content-Length   : 4
cseq: 0009
  INVITE
v:  SIP  / 2.0  / TCP     one.example.com   ;
  branch  =   z9hG4bKodd  ,
 SIP  /    2.0   / UDP  192.0.2.55   ; branch=
 z9hG4bKtwo
s :
NewThing: is unknown
  and goes on
    over lines
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:proxy.example.com;unknown=with-value;unknown-no-value>
v:  SIP  / 2.0  / TCP     three.example.com   ;
  branch  =   z9hG4bKthree
m:\"Quoted string \\\"\\\"\" <sip:desk@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

body",
    )
    .unwrap();
    assert_eq!(message.cseq().unwrap().number, 9);
    assert_eq!(message.max_forwards(), Some(68));
    assert_eq!(message.to_tag().as_deref(), Some("98fx"));
    let from = message.from().unwrap();
    assert_eq!(from.display.as_deref(), Some("A \\\" quoted"));
    assert_eq!(from.tag(), Some("27"));
    let vias: Vec<_> = message.headers.all_split("Via").collect();
    assert_eq!(vias.len(), 3);
    assert_eq!(message.top_via().unwrap().branch(), Some("z9hG4bKodd"));
    assert_eq!(message.headers.get("Subject"), Some(""));
    assert_eq!(
        message.headers.get("newthing"),
        Some("is unknown and goes on over lines")
    );
    let contacts = message.contacts().unwrap();
    let contact = contacts.first().unwrap();
    assert_eq!(contact.display.as_deref(), Some("Quoted string \"\""));
    assert_eq!(contact.q_thousandths(), 330);
    assert_eq!(contact.params.value("newparam"), Some("newvalue"));
    assert_eq!(&message.body[..], b"body");
}

/// A method and a URI of every character that is allowed.
#[test]
fn a_wide_range_of_characters() {
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let text = with(
        &format!(
            "{method} sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0"
        ),
        "extensionHeader-!.%*+_`'~: \u{fffd}\u{30b9}\n",
    );
    let message = parse(&text).unwrap();
    assert_eq!(message.method(), Some(&Method::Extension(method.into())));
    let uri = Uri::parse(message.uri().unwrap()).unwrap();
    assert_eq!(
        uri.user.as_deref(),
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    );
    assert_eq!(uri.host, Host::Name("example.com".into()));
    assert_eq!(
        message.headers.get("extensionHeader-!.%*+_`'~"),
        Some("\u{fffd}\u{30b9}")
    );
}

/// Escapes in the user part, also of NUL and of the separators; semicolons in the user part.
#[test]
fn escapes_and_semicolons_in_users() {
    let text = with(
        "REGISTER sip:sips%3Auser%40example.com@example.net SIP/2.0",
        "Contact: <sip:%00%00@h>\n",
    );
    let message = parse(&text).unwrap();
    let uri = Uri::parse(message.uri().unwrap()).unwrap();
    assert_eq!(
        uri.user_unescaped().as_deref(),
        Some("sips:user@example.com")
    );
    let contacts = message.contacts().unwrap();
    assert_eq!(
        contacts.first().unwrap().uri.user_unescaped().as_deref(),
        Some("\0\0")
    );

    let text = with(
        "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0",
        "",
    );
    let uri = Uri::parse(parse(&text).unwrap().uri().unwrap()).unwrap();
    assert_eq!(
        uri.user_unescaped().as_deref(),
        Some("user;par=u@example.net")
    );
    assert!(uri.params.is_empty());
}

/// `%` is a character of method names; display names need no space before the bracket.
#[test]
fn percent_methods_and_tight_brackets() {
    let message = parse(&with(
        "RE%47IST%45R sip:example.com SIP/2.0",
        "Contact: \"C\"<sip:c@h>\n",
    ))
    .unwrap();
    assert_eq!(message.method().unwrap().as_str(), "RE%47IST%45R");
    assert_eq!(
        message
            .contacts()
            .unwrap()
            .first()
            .unwrap()
            .display
            .as_deref(),
        Some("C")
    );
}

/// Latin-1 bytes in headers and reason phrase go through unchanged, as do binary bodies.
#[test]
fn bytes_that_are_not_utf8_stay() {
    let wire: &[u8] = b"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xff\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
        From: \"M\xfcller\" <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
        X-Note: \xe9\r\nContent-Length: 5\r\n\r\n\x00\xff\r\n\x01";
    let message = Message::parse(Bytes::from_static(wire)).unwrap();
    assert_eq!(
        message.from().unwrap().display.as_deref(),
        Some("M\u{fc}ller")
    );
    assert_eq!(&message.body[..], b"\x00\xff\r\n\x01");
    assert_eq!(&message.encode()[..], wire);
}

/// A response without reason phrase, and an empty one.
#[test]
fn no_reason_is_a_reason() {
    for line in ["SIP/2.0 100 ", "SIP/2.0 100"] {
        let text = with(line, "").replace("CSeq: 1 SIP/2.0", "CSeq: 1 INVITE");
        let message = parse(&text).unwrap();
        assert_eq!(message.status(), Some(100));
        assert!(
            matches!(message.start, patchbay_sip::StartLine::Response { reason, .. } if reason.is_empty())
        );
    }
}

/// RFC 5118: IPv6 with and without port, in Via and Contact, `received` with and without brackets.
#[test]
fn ipv6_everywhere() {
    let text = with(
        "REGISTER sip:[2001:db8::10:5070] SIP/2.0",
        "Contact: <sip:[::ffff:192.0.2.2]:5061;transport=tcp>\n",
    )
    .replace(
        "h.example.com;",
        "[2001:db8::9:1]:5062;received=[2001:db8::9:255];",
    );
    let message = parse(&text).unwrap();
    let uri = Uri::parse(message.uri().unwrap()).unwrap();
    assert_eq!(
        (uri.host.to_string().as_str(), uri.port),
        ("[2001:db8::10:5070]", None)
    );
    let via = message.top_via().unwrap();
    assert_eq!(
        via.host.socket_addr(via.port.unwrap()),
        "[2001:db8::9:1]:5062".parse().ok()
    );
    assert_eq!(via.received(), "2001:db8::9:255".parse().ok());
    assert_eq!(
        message.contacts().unwrap().first().unwrap().uri.port,
        Some(5061)
    );
}

/// Unknown schemes and transports, extra bytes after the body, bare LF, leading line ends, a star.
#[test]
fn odd_but_sound() {
    let other = parse(&with("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", "")).unwrap();
    assert!(matches!(
        Uri::parse(other.uri().unwrap()).unwrap().scheme,
        Scheme::Other(_)
    ));

    let unknown = with("OPTIONS sip:h SIP/2.0", "").replace("/UDP", "/UNKNOWN");
    assert_eq!(
        parse(&unknown).unwrap().top_via().unwrap().transport,
        "UNKNOWN"
    );

    let extra = format!(
        "\n\n{}tail that belongs to nobody",
        with("OPTIONS sip:h SIP/2.0", "l: 0\n")
    );
    assert!(
        Message::parse(Bytes::from(extra.clone()))
            .unwrap()
            .body
            .is_empty()
    );
    assert!(parse(&extra).unwrap().body.is_empty());

    let star = parse(&with("REGISTER sip:h SIP/2.0", "Contact: *\nExpires: 0\n")).unwrap();
    assert_eq!(star.contacts(), Ok(Contacts::Star));
    assert_eq!(star.expires(), Some(0));
}

/// The tail of a datagram without Content-Length is the body; Content-Length is no header line
/// afterwards.
#[test]
fn content_length_is_the_bodys() {
    let message = parse(&(with("MESSAGE sip:h SIP/2.0", "") + "hello")).unwrap();
    assert_eq!(&message.body[..], b"hello");
    assert!(!message.headers.contains(HeaderName::ContentLength));
    assert!(
        message
            .encode()
            .ends_with(b"Content-Length: 5\r\n\r\nhello")
    );
}
