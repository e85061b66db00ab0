//! The caller offers nothing that an agent could hear: 488, and no agent is bothered.

use crate::support;

use std::time::Duration;

use support::raw::{Raw, sdp};
use support::{CALLER, Centre, Media, SOON};

// A2
#[test]
fn an_offer_without_a_usable_codec_is_refused_with_488() {
    let centre = Centre::start();
    let agent_at = centre.declare_anna();
    let desk = std::net::UdpSocket::bind(agent_at).expect("the agent's port");
    desk.set_read_timeout(Some(Duration::from_millis(300)))
        .expect("a time-out");
    let media = Media::open(CALLER, &centre.ports);
    let phone = Raw::open(CALLER, &centre.ports, centre.edge);
    let audio = sdp(media.address(), "97", "a=rtpmap:97 KLINGON/8000\r\n");
    let offers = [
        audio.clone(),
        audio.replace("m=audio", "m=application"),
        sdp(media.address(), "0", "").replace("RTP/AVP", "XYZ/UNHEARD-OF"),
    ];
    for offer in offers {
        let invite = phone.invite("support", &offer);
        phone.send(&invite);
        let answer = phone.expect("a final answer", SOON, |sip| {
            sip.status().is_some_and(|status| status >= 200)
        });
        assert_eq!(answer.status(), Some(488), "for {offer}\n{}", answer.0);
        phone.send(phone.ack(&invite, &answer));
    }
    let mut buffer = [0; 2048];
    assert!(desk.recv(&mut buffer).is_err(), "no agent was asked");
    centre.wait_available("anna");
    centre.wait_empty();
}
