//! What the dialler must understand of a message, and not more: it reads each line once.

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// A request with this method.
    Request(&'a str),
    /// A response with this status.
    Response(u16),
}

/// The lines that answers copy and dialogs are made of (RFC 3261 sections 8.2.6 and 12.1), without
/// their line ends.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub kind: Kind<'a>,
    pub vias: Vec<&'a str>,
    pub record_routes: Vec<&'a str>,
    pub from: &'a str,
    pub to: &'a str,
    pub call_id: &'a str,
    pub cseq: &'a str,
    pub contact: &'a str,
    pub body: &'a str,
}

impl<'a> Message<'a> {
    /// Reads a datagram; `None` if it is no SIP message or lacks what every message has.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(datagram).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let mut message = Self {
            kind: start(lines.next()?)?,
            vias: Vec::with_capacity(4),
            record_routes: Vec::new(),
            from: "",
            to: "",
            call_id: "",
            cseq: "",
            contact: "",
            body,
        };
        for line in lines {
            message.take(line)?;
        }
        let needed = [message.from, message.to, message.call_id, message.cseq];
        let whole = !message.vias.is_empty() && needed.iter().all(|line| !line.is_empty());
        whole.then_some(message)
    }

    /// Keeps a line if it is of use. Names have a short form (RFC 3261 section 7.3.3).
    fn take(&mut self, line: &'a str) -> Option<()> {
        let (name, value) = line.split_once(':')?;
        let (name, value) = (name.trim_end(), value.trim_start());
        let is = |long: &str, short: &str| {
            name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short)
        };
        match name.len() {
            1 | 3 if is("via", "v") => self.vias.push(line),
            1 | 4 if is("from", "f") => self.from = line,
            1 | 2 if is("to", "t") => self.to = line,
            1 | 7 if is("call-id", "i") => self.call_id = value,
            1 | 7 if is("contact", "m") => self.contact = value,
            4 if is("cseq", "cseq") => self.cseq = value,
            12 if is("record-route", "record-route") => self.record_routes.push(value),
            _ => (),
        }
        Some(())
    }

    /// The method that a response answers.
    pub fn cseq_method(&self) -> &'a str {
        self.cseq.split_ascii_whitespace().last().unwrap_or("")
    }

    /// Whether the `To` line names a dialog.
    pub fn has_to_tag(&self) -> bool {
        self.to.contains(";tag=")
    }

    /// The URI of the `Contact`, without its angle brackets.
    pub fn contact_uri(&self) -> &'a str {
        match self.contact.split_once('<') {
            Some((_, rest)) => rest.split('>').next().unwrap_or(""),
            // Without brackets the parameters are the header's (RFC 3261 section 20.10).
            None => self.contact.split(';').next().unwrap_or("").trim(),
        }
    }

    /// The port of the first audio stream; 0 if there is none.
    pub fn audio_port(&self) -> u16 {
        let port = self.body.split_once("m=audio ").and_then(|(_, rest)| {
            let port = rest.split_ascii_whitespace().next()?;
            port.parse().ok()
        });
        port.unwrap_or(0)
    }

    /// The route set of a caller (RFC 3261 section 12.1.2): what was recorded, last first, a line
    /// for each.
    pub fn routes(&self) -> String {
        let mut all = String::new();
        for route in self.record_routes.iter().rev() {
            // A line with several entries is turned over, too.
            for one in route.split(',').rev() {
                all.push_str("Route: ");
                all.push_str(one.trim());
                all.push_str("\r\n");
            }
        }
        all
    }
}

fn start(line: &str) -> Option<Kind<'_>> {
    match line.strip_prefix("SIP/2.0 ") {
        Some(rest) => Some(Kind::Response(rest.get(..3)?.parse().ok()?)),
        None => {
            let (method, rest) = line.split_once(' ')?;
            rest.ends_with(" SIP/2.0").then_some(Kind::Request(method))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ANSWER: &str = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKx\r\nv: SIP/2.0/UDP b\r\n\
        Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRecord-Route: <sip:p3;lr>\r\nf: <sip:a>;tag=1\r\n\
        To: <sip:b>;tag=2\r\ni: 7-1f\r\nCSeq: 1 INVITE\r\nm: <sip:b@h:5;x=y>;q=1\r\n\r\n\
        v=0\r\nm=audio 4002 RTP/AVP 8\r\n";

    #[test]
    fn the_lines_that_count_are_found() {
        let message = Message::read(ANSWER.as_bytes()).unwrap();
        assert_eq!(message.kind, Kind::Response(200));
        assert_eq!(message.vias.len(), 2);
        assert_eq!((message.call_id, message.cseq_method()), ("7-1f", "INVITE"));
        assert_eq!((message.has_to_tag(), message.audio_port()), (true, 4002));
        assert_eq!(
            message.routes(),
            "Route: <sip:p3;lr>\r\nRoute: <sip:p2;lr>\r\nRoute: <sip:p1;lr>\r\n"
        );
    }

    #[test]
    fn a_contact_with_parameters_gives_its_uri() {
        let message = Message::read(ANSWER.as_bytes()).unwrap();
        assert_eq!(message.contact_uri(), "sip:b@h:5;x=y");
        let bare = ANSWER.replace("m: <sip:b@h:5;x=y>;q=1", "m: sip:b@h;q=1");
        let message = Message::read(bare.as_bytes()).unwrap();
        assert_eq!(message.contact_uri(), "sip:b@h");
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for text in ["", "\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "BYE x\r\n\r\n"] {
            assert!(Message::read(text.as_bytes()).is_none(), "{text}");
        }
        let whole = ANSWER.replace("CSeq: 1 INVITE\r\n", "");
        assert!(Message::read(whole.as_bytes()).is_none());
    }
}
