//! Just enough of SIP's text to look at what a party saw. On purpose not the product's own parser.

/// One SIP message as a party sent or received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sip(pub String);

impl Sip {
    /// First line.
    pub fn start(&self) -> &str {
        self.0.lines().next().unwrap_or_default()
    }

    /// Status code of a response.
    pub fn status(&self) -> Option<u16> {
        let rest = self.start().strip_prefix("SIP/2.0 ")?;
        rest.get(..3)?.parse().ok()
    }

    /// Whether it is a request with this method.
    pub fn is_request(&self, method: &str) -> bool {
        self.start()
            .strip_prefix(method)
            .is_some_and(|rest| rest.starts_with(' '))
    }

    /// Whether it is a response with this status to a request with this method.
    pub fn is_answer(&self, status: u16, method: &str) -> bool {
        self.status() == Some(status)
            && self
                .header("CSeq")
                .is_some_and(|cseq| cseq.ends_with(method))
    }

    /// Value of the first header of that name (long form).
    pub fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.headers(name).next()
    }

    /// Values of all headers of that name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let head = self.0.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().skip(1).filter_map(move |line| {
            let (field, value) = line.split_once(':')?;
            field
                .trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim())
        })
    }

    /// The answer of a phone at `contact` to this request.
    pub fn answered(&self, status: u16, contact: &str, sdp: &str) -> String {
        let copied = ["Via", "Record-Route", "From", "Call-ID", "CSeq"];
        let lines: String = copied
            .iter()
            .flat_map(|name| {
                let values = self.headers(name);
                values.map(move |value| format!("{name}: {value}\r\n"))
            })
            .collect();
        let to = self.header("To").unwrap_or_default();
        let tag = if to.contains("tag=") {
            ""
        } else {
            ";tag=phone"
        };
        let content = match sdp {
            "" => "",
            _ => "Content-Type: application/sdp\r\n",
        };
        format!(
            "SIP/2.0 {status} Word\r\n{lines}To: {to}{tag}\r\nContact: <sip:{contact}>\r\n\
             {content}Content-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    }

    /// What follows the headers.
    pub fn body(&self) -> &str {
        self.0
            .split_once("\r\n\r\n")
            .map_or("", |(_, body)| body)
            .trim_end_matches('\0')
    }

    /// Where its SDP wants the audio: connection address and port of the first `m=audio`.
    pub fn audio(&self) -> Option<std::net::SocketAddr> {
        let mut address = None;
        let mut port = None;
        for line in self.body().lines() {
            if let Some(rest) = line.strip_prefix("c=IN IP") {
                address = rest.split_whitespace().nth(1)?.parse().ok();
            } else if let Some(rest) = line.strip_prefix("m=audio ") {
                port = rest.split_whitespace().next()?.parse().ok();
            }
        }
        Some(std::net::SocketAddr::new(address?, port?))
    }

    /// A tag of From or To.
    pub fn tag<'a>(&'a self, header: &'a str) -> Option<&'a str> {
        let (_, rest) = self.header(header)?.split_once(";tag=")?;
        rest.split(';').next()
    }

    /// The URI of the first Contact.
    pub fn contact(&self) -> Option<&str> {
        let value = self.header("Contact")?;
        let (_, rest) = value.split_once('<')?;
        rest.split('>').next()
    }
}
