//! What a phone says of its dialogs: `application/dialog-info+xml` (RFC 4235 section 4).
//!
//! Only what tells whether one dialog is over is read. The document comes from the network, so its
//! size, its depth and its elements are bounded, and a document type, which could define entities, is
//! refused.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// The type of the document.
pub const DIALOG_INFO: &str = "application/dialog-info+xml";
/// Longest document that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 16_384;
/// Deepest nesting of elements.
pub const MAX_DEPTH: usize = 16;
/// Most parts of a document: elements, texts, comments.
pub const MAX_PARTS: usize = 1_024;

/// Why a document was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Longer, deeper or of more parts than the limits.
    #[error("the document is beyond the limits")]
    TooLarge,
    /// Not XML, or with a document type.
    #[error("not a document that is read")]
    Malformed,
}

/// The names of a dialog as the phone has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialogName<'a> {
    /// The Call-ID.
    pub call_id: &'a str,
    /// The phone's own tag.
    pub local_tag: &'a str,
    /// The other side's tag.
    pub remote_tag: &'a str,
}

/// Whether the document says that the dialog is terminated. One that does not name it says nothing
/// of it.
///
/// # Errors
/// [`DocumentError`].
pub fn says_terminated(body: &[u8], dialog: DialogName<'_>) -> Result<bool, DocumentError> {
    if body.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLarge);
    }
    let text = std::str::from_utf8(body).map_err(|_| DocumentError::Malformed)?;
    let mut reader = Reader::from_str(text);
    let mut walk = Walk::default();
    for _ in 0..MAX_PARTS {
        match reader.read_event().map_err(|_| DocumentError::Malformed)? {
            Event::Eof => return Ok(walk.terminated),
            Event::DocType(_) => return Err(DocumentError::Malformed),
            Event::Start(element) => walk.enter(&element, dialog)?,
            Event::End(_) => walk.leave(),
            Event::Text(text) if walk.in_state() => walk.state.push_str(&text),
            _ => {}
        }
    }
    Err(DocumentError::TooLarge)
}

/// Where the reader stands.
#[derive(Default)]
struct Walk {
    depth: usize,
    /// The depth of the `dialog` element that is ours.
    ours: Option<usize>,
    /// The depth of its `state` element.
    at_state: Option<usize>,
    state: String,
    terminated: bool,
}

impl Walk {
    fn in_state(&self) -> bool {
        self.at_state == Some(self.depth)
    }

    fn enter(
        &mut self,
        element: &BytesStart<'_>,
        dialog: DialogName<'_>,
    ) -> Result<(), DocumentError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(DocumentError::TooLarge);
        }
        match element.local_name().as_ref() {
            "dialog" if self.ours.is_none() && is(element, dialog)? => self.ours = Some(self.depth),
            "state" if self.ours.is_some_and(|at| at + 1 == self.depth) => {
                self.at_state = Some(self.depth);
                self.state.clear();
            }
            _ => {}
        }
        Ok(())
    }

    fn leave(&mut self) {
        if self.in_state() {
            self.terminated |= self.state.trim() == "terminated";
            self.at_state = None;
        }
        if self.ours == Some(self.depth) {
            self.ours = None;
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

/// Whether an element is this dialog: its Call-ID must be there, its tags only fit if they are.
fn is(element: &BytesStart<'_>, dialog: DialogName<'_>) -> Result<bool, DocumentError> {
    let (mut named, mut other) = (false, false);
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|_| DocumentError::Malformed)?;
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| DocumentError::Malformed)?;
        match attribute.key.as_ref() {
            "call-id" => named = value == dialog.call_id,
            "local-tag" => other |= value != dialog.local_tag,
            "remote-tag" => other |= value != dialog.remote_tag,
            _ => {}
        }
    }
    Ok(named && !other)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const OURS: DialogName<'_> = DialogName {
        call_id: "a&b",
        local_tag: "phone",
        remote_tag: "relay",
    };

    fn document(dialogs: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\r\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
             version=\"1\" state=\"full\" entity=\"sip:anna@example.com\">{dialogs}</dialog-info>"
        )
    }

    fn says(dialogs: &str) -> Result<bool, DocumentError> {
        says_terminated(document(dialogs).as_bytes(), OURS)
    }

    fn dialog(attributes: &str, state: &str) -> String {
        format!(
            "<dialog id=\"1\" {attributes}><local><identity>sip:x</identity></local>\
             <state event=\"remote-bye\">{state}</state></dialog>"
        )
    }

    // A9; RFC 4235 section 4.1
    #[test]
    fn a_dialog_is_over_when_the_document_names_it_and_says_so() {
        let all = "call-id=\"a&amp;b\" local-tag=\"phone\" remote-tag=\"relay\"";
        assert_eq!(says(&dialog(all, " terminated\n")), Ok(true));
        assert_eq!(says(&dialog("call-id=\"a&amp;b\"", "terminated")), Ok(true));
        assert_eq!(says(&dialog(all, "confirmed")), Ok(false));
        let others = [
            "call-id=\"other\"",
            "call-id=\"a&amp;b\" local-tag=\"x\"",
            "call-id=\"a&amp;b\" remote-tag=\"x\"",
            "",
        ];
        for other in others {
            assert_eq!(says(&dialog(other, "terminated")), Ok(false), "{other}");
        }
        let two = dialog("call-id=\"other\"", "terminated") + &dialog(all, "early");
        assert_eq!(says(&two), Ok(false));
        assert_eq!(says(""), Ok(false));
    }

    #[test]
    fn documents_of_strangers_do_no_harm() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        assert_eq!(says(&deep), Err(DocumentError::TooLarge));
        let wide = "<a/>".repeat(MAX_PARTS);
        assert_eq!(says(&wide), Err(DocumentError::TooLarge));
        let long = " ".repeat(MAX_DOCUMENT_BYTES);
        assert_eq!(says(&long), Err(DocumentError::TooLarge));
        for bad in [
            &b"<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>"[..],
            b"<a></b>",
            b"\xff\xfe",
            b"<dialog call-id=\"&unknown;\"/><",
        ] {
            assert!(says_terminated(bad, OURS).is_err(), "{bad:?}");
        }
        assert_eq!(says_terminated(b"no XML at all", OURS), Ok(false));
    }
}
