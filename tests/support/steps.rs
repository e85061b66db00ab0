//! Steps of a sipp scenario, written by the test: what a party sends and waits for inside a call.

/// Who a step is of: that decides how sipp knows its own and its peer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The party that called.
    Caller,
    /// The party that was called.
    Agent,
}

/// A description with this version and port, and further lines.
pub fn sdp(version: u32, port: u16, lines: &str) -> String {
    format!(
        "v=0\no=party 1001 {version} IN IP[media_ip_type] [media_ip]\ns=-\n\
         c=IN IP[media_ip_type] [media_ip]\nt=0 0\nm=audio {port} RTP/AVP 0\n\
         a=rtpmap:0 PCMU/8000{lines}"
    )
}

/// A message's headers beyond those that every one has, and its body with its type.
#[derive(Clone, Debug, Default)]
pub struct More {
    headers: String,
    body: Option<(&'static str, String)>,
}

impl More {
    /// With these header lines.
    pub fn headers(lines: &str) -> More {
        More {
            headers: format!("{lines}\n"),
            body: None,
        }
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, kind: &'static str, text: impl Into<String>) -> More {
        self.body = Some((kind, text.into()));
        self
    }

    fn text(&self) -> String {
        let (kind, body) = match &self.body {
            Some((kind, body)) => (format!("Content-Type: {kind}\n"), body.as_str()),
            None => (String::new(), ""),
        };
        format!("{}{kind}Content-Length: [len]\n\n{body}\n", self.headers)
    }
}

/// Sends a request inside the call.
pub fn send(of: Of, method: &str, cseq: u32, more: &More) -> String {
    let head = match of {
        Of::Caller => format!(
            "{method} [next_url] SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n\
             From: \"[caller]\" <sip:[caller]@[local_ip]:[local_port]>;tag=[pid]caller[call_number]\n\
             To: <sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]\n[routes]\n"
        ),
        Of::Agent => format!(
            "{method} [$target] SIP/2.0\n\
             Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\n\
             From:[$me];tag=[pid]agent[call_number]\nTo:[$peer]\n"
        ),
    };
    let contact = match of {
        Of::Caller => "[caller]",
        Of::Agent => "agent",
    };
    let text = format!(
        "{head}Call-ID: [call_id]\nCSeq: {cseq} {method}\n\
         Contact: <sip:{contact}@[local_ip]:[local_port];transport=[transport]>\n\
         Max-Forwards: 70\nUser-Agent: a-phone at [local_ip]\n{}",
        more.text()
    );
    let again = if method == "ACK" {
        ""
    } else {
        " retrans=\"500\""
    };
    format!("  <send{again}>\n    <![CDATA[\n\n{text}\n    ]]>\n  </send>\n")
}

/// Answers the request that came last.
pub fn reply(status: &str, more: &More) -> String {
    respond("send", status, "", more)
}

/// Answers the INVITE that came last inside the call, and waits for the ACK.
pub fn accept(status: &str, more: &More) -> String {
    respond("send retrans=\"500\"", status, "", more) + &takes("ACK")
}

/// Answers the first INVITE provisionally, which was kept by `take_invite.part`.
pub fn progress(status: &str, more: &More) -> String {
    let text = format!(
        "SIP/2.0 {status}\nVia:[$via]\nFrom:[$peer]\nTo:[$me];tag=[pid]agent[call_number]\n\
         [last_Call-ID:]\nCSeq:[$number]\n\
         Contact: <sip:agent@[local_ip]:[local_port];transport=[transport]>\n{}",
        more.text()
    );
    format!("  <send>\n    <![CDATA[\n\n{text}\n    ]]>\n  </send>\n")
}

fn respond(tag: &str, status: &str, to: &str, more: &More) -> String {
    let text = format!(
        "SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]{to}\n[last_Call-ID:]\n\
         [last_CSeq:]\nContact: <sip:party@[local_ip]:[local_port];transport=[transport]>\n\
         Server: a-phone at [local_ip]\n{}",
        more.text()
    );
    format!("  <{tag}>\n    <![CDATA[\n\n{text}\n    ]]>\n  </send>\n")
}

/// Waits for a request.
pub fn takes(method: &str) -> String {
    format!("  <recv request=\"{method}\"/>\n")
}

/// Waits for an answer.
pub fn hears(status: u16) -> String {
    format!("  <recv response=\"{status}\"/>\n")
}

/// Waits for an answer that may be preceded by 100.
pub fn hears_invite(status: u16) -> String {
    format!(
        "  <recv response=\"100\" optional=\"true\"/>\n  <recv response=\"{status}\" rrs=\"true\"/>\n"
    )
}

/// Waits for a reliable provisional answer, and keeps its number as `[$rseq]`.
pub fn hears_reliable(status: u16) -> String {
    format!(
        "  <recv response=\"100\" optional=\"true\"/>\n  <recv response=\"182\" optional=\"true\"/>\n  \
         <recv response=\"{status}\" rrs=\"true\">\n    <action>\n      \
         <ereg regexp=\"[0-9]+\" search_in=\"hdr\" header=\"RSeq:\" assign_to=\"rseq\"/>\n    \
         </action>\n  </recv>\n"
    )
}

/// Waits for so many milliseconds.
pub fn pause(milliseconds: u32) -> String {
    format!("  <pause milliseconds=\"{milliseconds}\"/>\n")
}

/// Hangs up.
pub fn bye(of: Of, cseq: u32) -> String {
    send(of, "BYE", cseq, &More::default()) + &hears(200)
}

/// Is hung up.
pub fn ends() -> String {
    takes("BYE") + &reply("200 OK", &More::default())
}
