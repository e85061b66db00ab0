use patchbay_sip::sdp::{Direction, MAX_MEDIA, MediaKind, Sdp, SdpError};

const OFFER: &str = "v=0\r
o=Anna Blume 53655765 2353687637 IN IP4 192.0.2.44\r
s=A call\r
i=from anna at 192.0.2.44\r
e=anna@example.com\r
c=IN IP4 192.0.2.44\r
t=0 0\r
a=sendonly\r
m=audio 49170 RTP/AVP 0 8 101 18 97\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-16\r
a=rtpmap:97 opus/48000/2\r
a=rtcp:53020 IN IP4 192.0.2.45\r
a=candidate:1 1 UDP 1 192.0.2.44 49170 typ host\r
a=x-where:udp 192.0.2.44:9\r
m=video 0 RTP/SAVPF 96\r
c=IN IP6 2001:db8::44\r
a=recvonly\r
a=rtcp-mux\r
";

/// A2. What the description says of its media.
#[test]
fn the_views_tell_what_is_there() {
    let sdp = Sdp::parse(OFFER.as_bytes()).unwrap();
    assert_eq!(sdp.len(), 2);
    assert_eq!(sdp.session().origin.username, "Anna_Blume");
    let (index, audio) = sdp.first_active(MediaKind::Audio).unwrap();
    assert_eq!(
        (index, audio.proto(), audio.is_plain_rtp()),
        (0, "RTP/AVP", true)
    );
    assert_eq!(audio.rtp_address(), "192.0.2.44:49170".parse().ok());
    assert_eq!(audio.rtcp_address(), "192.0.2.45:53020".parse().ok());
    assert_eq!(audio.direction(), Direction::SendOnly);
    assert!(audio.is_hold() && !audio.rtcp_mux());
    let codecs = audio.codecs();
    let names: Vec<_> = codecs
        .iter()
        .map(|c| (c.payload, c.name.as_str(), c.clock_rate, c.channels))
        .collect();
    assert_eq!(
        names,
        [
            (0, "PCMU", 8000, 1),
            (8, "PCMA", 8000, 1),
            (101, "telephone-event", 8000, 1),
            (18, "G729", 8000, 1),
            (97, "opus", 48000, 2)
        ]
    );
    assert_eq!(codecs[2].fmtp.as_deref(), Some("0-16"));
    let video = sdp.media(1).unwrap();
    assert_eq!(
        (video.kind(), video.direction()),
        (MediaKind::Video, Direction::RecvOnly)
    );
    assert_eq!(video.connection(), "2001:db8::44".parse().ok());
    assert_eq!(video.rtp_address(), None);
    assert!(video.rtcp_mux());
    assert!(sdp.first_active(MediaKind::Video).is_none());
}

/// A6. After hiding and readdressing nothing of the other side is left.
#[test]
fn nothing_of_the_other_side_is_left() {
    let mut sdp = Sdp::parse(OFFER.as_bytes()).unwrap();
    sdp.hide("203.0.113.1".parse().unwrap(), 5, 6);
    let at = |text: &str| text.parse().unwrap();
    sdp.readdress(0, at("203.0.113.1:20000"), at("203.0.113.1:20001"))
        .unwrap();
    sdp.readdress(1, at("203.0.113.1:20002"), at("203.0.113.1:20009"))
        .unwrap();
    let text = String::from_utf8(sdp.encode().to_vec()).unwrap();
    for secret in [
        "192.0.2",
        "2001:db8",
        "Anna",
        "anna",
        "candidate",
        "53655765",
        "53020",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("o=- 5 6 IN IP4 203.0.113.1\r\n"));
    let again = Sdp::parse(text.as_bytes()).unwrap();
    let audio = again.media(0).unwrap();
    assert_eq!(audio.rtp_address(), "203.0.113.1:20000".parse().ok());
    assert_eq!(audio.rtcp_address(), "203.0.113.1:20001".parse().ok());
    assert_eq!(audio.codecs().len(), 5);
    assert_eq!(
        again.media(1).unwrap().port(),
        0,
        "a refused section stays refused"
    );
    sdp.readdress(0, at("[2001:db9::1]:20000"), at("[2001:db9::1]:20009"))
        .unwrap();
    assert_eq!(
        sdp.media(0).unwrap().rtcp_address(),
        Some(at("[2001:db9::1]:20009"))
    );
}

#[test]
fn direction_and_refusal_are_set() {
    let mut sdp = Sdp::parse(OFFER.as_bytes()).unwrap();
    sdp.set_direction(1, Direction::Inactive).unwrap();
    sdp.refuse(0).unwrap();
    assert_eq!(sdp.media(1).unwrap().direction(), Direction::Inactive);
    assert_eq!(sdp.media(0).unwrap().port(), 0);
    assert_eq!(sdp.refuse(2), Err(SdpError::NoMedia(2)));
}

#[test]
fn limits_and_errors() {
    let many = format!("{OFFER}{}", "m=audio 1 RTP/AVP 0\r\n".repeat(MAX_MEDIA));
    assert_eq!(Sdp::parse(many.as_bytes()), Err(SdpError::TooManyMedia));
    assert_eq!(Sdp::parse(&[b'a'; 40_000]), Err(SdpError::TooLong));
    assert!(matches!(
        Sdp::parse(b"v=1\r\n"),
        Err(SdpError::Malformed(_))
    ));
    let held = OFFER
        .replace("a=sendonly\r\n", "")
        .replace("c=IN IP4 192.0.2.44", "c=IN IP4 0.0.0.0");
    assert!(
        Sdp::parse(held.as_bytes())
            .unwrap()
            .media(0)
            .unwrap()
            .is_hold()
    );
}
