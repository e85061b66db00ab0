//! What a ladder says of a message.

use patchbay_route::trace::{TracedMessage, Way};
use patchbay_sip::carried::{is_envelope, open};
use patchbay_sip::sdp::{self, MediaKind, Sdp};
use patchbay_sip::{Message, Method, Uri};

/// A text that only shows itself: what would move a terminal's cursor, colour it or turn its letters
/// round is struck out, since anybody can send it.
pub fn harmless(text: &str) -> String {
    let harmful = |c: &char| {
        c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let shown = text.chars().map(|c| match harmful(&c) && c != '\t' {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    });
    shown.collect()
}

/// What kind of message it is, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request.
    Request,
    /// 100 to 199.
    Provisional,
    /// 200 to 299.
    Success,
    /// 300 to 399.
    Redirection,
    /// 400 to 699, and what cannot be read.
    Failure,
}

/// A message as people talk of it.
#[derive(Clone, Debug)]
pub struct Reading {
    pub kind: Kind,
    /// `INVITE`, `200 OK (BYE)`.
    pub label: String,
    /// `audio 20000`: what else is worth knowing.
    pub note: String,
    pub call_id: String,
    /// A message that begins a dialog.
    pub begins: bool,
    pub from: String,
    pub to: String,
    /// `200 OK` or `INVITE`, and the same for each repetition of a message, as the rest of this.
    same: (Way, String, String, String, String),
}

impl Reading {
    /// Reads what can be read.
    pub fn of(traced: &TracedMessage) -> Reading {
        let bytes = traced.content.bytes();
        let start = first_line(&bytes);
        let Ok(outer) = Message::parse(bytes.into()) else {
            return Reading::unreadable(traced, start);
        };
        let inner = is_envelope(&outer).then(|| open(&outer).ok()).flatten();
        let carried = inner.is_some();
        let message = inner.unwrap_or(outer);
        let offered = message.uri().and_then(transferred_to);
        let note = [
            offered.map(|agent| format!("for {agent}")),
            about_body(&message),
            carried.then(|| "in a MESSAGE".to_owned()),
        ];
        let note: Vec<String> = note.into_iter().flatten().collect();
        let cseq = message
            .cseq()
            .map(|cseq| format!("{} {}", cseq.number, cseq.method));
        let start = match message.status() {
            Some(status) => status.to_string(),
            None => start,
        };
        let call_id = message.call_id().unwrap_or_default().to_owned();
        let to_tag = message.to_tag().unwrap_or_default().to_string();
        let remote = traced.remote.to_string();
        Reading {
            kind: kind(&message),
            begins: message.method() == Some(&Method::Invite) && to_tag.is_empty(),
            from: user(message.from().ok().map(|named| named.uri)),
            to: user(message.to().ok().map(|named| named.uri)),
            same: (
                traced.way,
                start,
                format!("{call_id} {remote}"),
                cseq.unwrap_or_default(),
                to_tag,
            ),
            label: harmless(&label(&message)),
            note: harmless(&note.join(", ")),
            call_id,
        }
    }

    fn unreadable(traced: &TracedMessage, start: String) -> Reading {
        Reading {
            kind: Kind::Failure,
            label: "unreadable".to_owned(),
            note: harmless(&start),
            call_id: String::new(),
            begins: false,
            from: String::new(),
            to: String::new(),
            same: (
                traced.way,
                start,
                traced.remote.to_string(),
                traced.at_unix_us.to_string(),
                String::new(),
            ),
        }
    }

    /// Whether one is the other, sent again.
    pub fn repeats(&self, other: &Reading) -> bool {
        self.same == other.same
    }
}

fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next();
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}

fn kind(message: &Message) -> Kind {
    match message.status() {
        None => Kind::Request,
        Some(..200) => Kind::Provisional,
        Some(200..=299) => Kind::Success,
        Some(300..=399) => Kind::Redirection,
        Some(_) => Kind::Failure,
    }
}

fn label(message: &Message) -> String {
    if let Some(status) = message.status() {
        let start = match &message.start {
            patchbay_sip::StartLine::Response { reason, .. } => {
                format!("{status} {}", reason.as_str())
            }
            patchbay_sip::StartLine::Request { .. } => status.to_string(),
        };
        return match message.cseq() {
            Ok(cseq) if cseq.method != Method::Invite => format!("{start} ({})", cseq.method),
            _ => start,
        };
    }
    message.method().map_or("?", Method::as_str).to_owned()
}

/// The agent that a transfer is for.
fn transferred_to(uri: &str) -> Option<String> {
    if !patchbay_route::transfer::is_transfer(uri) {
        return None;
    }
    let mut parameters = uri.split(';');
    let agent = parameters.find_map(|parameter| parameter.strip_prefix("agentid="))?;
    Some(agent.to_owned())
}

/// `audio 20000 sendonly`, or the type of a body that is no session description.
fn about_body(message: &Message) -> Option<String> {
    if message.body.is_empty() {
        return None;
    }
    let kind = message.content_type().unwrap_or("body");
    let kind = kind.split(';').next().unwrap_or(kind).trim();
    if !message.has_content_type(sdp::MIME) {
        return Some(format!("[{kind}]"));
    }
    let Ok(description) = Sdp::parse(&message.body) else {
        return Some("[unreadable SDP]".to_owned());
    };
    let media: Vec<String> = description.medias().map(|medium| about(&medium)).collect();
    (!media.is_empty()).then(|| media.join(", "))
}

fn about(medium: &sdp::MediaView<'_>) -> String {
    let kind = match medium.kind() {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
        MediaKind::Text => "text",
        MediaKind::Application => "application",
        MediaKind::Message => "message",
        MediaKind::Image => "image",
        MediaKind::Other(other) => other,
    };
    match (medium.port(), medium.direction()) {
        (0, _) => format!("{kind} off"),
        (port, sdp::Direction::SendRecv) if medium.is_hold() => format!("{kind} {port} hold"),
        (port, sdp::Direction::SendRecv) => format!("{kind} {port}"),
        (port, direction) => format!("{kind} {port} {}", direction.as_str()),
    }
}

/// The user of an address, or its host.
fn user(uri: Option<Uri>) -> String {
    let named = |uri: Uri| uri.user_unescaped().unwrap_or_else(|| uri.host.to_string());
    harmless(&uri.map(named).unwrap_or_default())
}
