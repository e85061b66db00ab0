//! What scenes read and write.

use patchbay_sip::{HeaderName, Message};

#[path = "../../../../sip/tests/shared/nonsense.rs"]
mod shared;

pub use shared::nonsense;

/// A session description that offers these payload types.
pub fn sdp(formats: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n"
    )
}

/// The Via hops of a message, topmost first.
pub fn vias(message: &Message) -> Vec<String> {
    message
        .headers
        .all_split(HeaderName::Via)
        .map(str::to_owned)
        .collect()
}
