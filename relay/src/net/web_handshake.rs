//! The request that opens a WebSocket for SIP (RFC 6455 section 4.2, RFC 7118 section 4).

use super::DoorDrop;
use patchbay_sip::limits::MAX_MESSAGE_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Longest head of a request that opens a WebSocket; cookies are part of it.
pub const MAX_UPGRADE_BYTES: usize = 16 * 1024;
/// Most header fields of it.
const MAX_UPGRADE_HEADERS: usize = 64;
/// The subprotocol's name (RFC 7118 section 4.1).
const SUBPROTOCOL: &str = "sip";

/// Takes the request that opens a WebSocket for SIP and answers it; `origins` are those of the pages that
/// may ask, all if there are none.
///
/// # Errors
/// Why the connection is closed; the answer has told its peer, if there was one to give.
pub async fn upgrade<S>(mut stream: S, origins: &[String]) -> Result<WebSocketStream<S>, DoorDrop>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (head, rest) = read_head(&mut stream).await?;
    let answer = answer(&head, origins);
    let (text, refused) = match answer {
        Ok(key) => (switching(&key), None),
        Err(refusal) => (refusal.text(), Some(refusal.reason)),
    };
    let sent = async {
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await?;
        if refused.is_some() {
            stream.shutdown().await?;
        }
        Ok::<_, std::io::Error>(())
    };
    sent.await.map_err(|_| DoorDrop::NoUpgrade)?;
    match refused {
        Some(reason) => Err(reason),
        None => {
            let limits = WebSocketConfig::default()
                .max_message_size(Some(MAX_MESSAGE_BYTES))
                .max_frame_size(Some(MAX_MESSAGE_BYTES));
            let part = WebSocketStream::from_partially_read;
            Ok(part(stream, rest, Role::Server, Some(limits)).await)
        }
    }
}

/// The head with its empty line, and what came after it.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<(Vec<u8>, Vec<u8>), DoorDrop> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    loop {
        let length = stream.read(&mut chunk).await.unwrap_or(0);
        if length == 0 {
            return Err(DoorDrop::NoUpgrade);
        }
        let searched = head.len().saturating_sub(3);
        head.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let new = head.get(searched..).unwrap_or_default();
        if let Some(at) = new.windows(4).position(|four| four == b"\r\n\r\n") {
            let end = searched + at + 4;
            if end > MAX_UPGRADE_BYTES {
                return Err(DoorDrop::NoUpgrade);
            }
            let rest = head.split_off(end);
            return Ok((head, rest));
        }
        if head.len() > MAX_UPGRADE_BYTES {
            return Err(DoorDrop::NoUpgrade);
        }
    }
}

/// A refusal that tells its reader what to do.
struct Refusal {
    reason: DoorDrop,
    status: &'static str,
    headers: &'static str,
    body: &'static str,
}

impl Refusal {
    fn text(&self) -> String {
        let (status, headers, body) = (self.status, self.headers, self.body);
        format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
    }
}

const MALFORMED: Refusal = Refusal {
    reason: DoorDrop::NoUpgrade,
    status: "400 Bad Request",
    headers: "",
    body: "this is not a request that opens a WebSocket\n",
};
const NO_UPGRADE: Refusal = Refusal {
    reason: DoorDrop::NoUpgrade,
    status: "426 Upgrade Required",
    headers: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    body: "this port speaks SIP over WebSocket, version 13\n",
};
const NO_SUBPROTOCOL: Refusal = Refusal {
    reason: DoorDrop::NoSubprotocol,
    status: "400 Bad Request",
    headers: "",
    body: "open the WebSocket with the subprotocol sip (RFC 7118)\n",
};
const FOREIGN: Refusal = Refusal {
    reason: DoorDrop::Origin,
    status: "403 Forbidden",
    headers: "",
    body: "pages of this origin may not connect\n",
};

/// The client's key, if the request opens a WebSocket for SIP.
fn answer(head: &[u8], origins: &[String]) -> Result<String, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_UPGRADE_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) => {}
        _ => return Err(MALFORMED),
    }
    let all = |name: &str| {
        let named = request
            .headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name));
        let values = named.filter_map(|header| std::str::from_utf8(header.value).ok());
        values.map(str::trim).collect::<Vec<_>>()
    };
    let lists = |name: &str, word: &str| {
        let lists = all(name);
        let mut words = lists.iter().flat_map(|list| list.split(','));
        words.any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    let opens = request.method == Some("GET")
        && lists("upgrade", "websocket")
        && lists("connection", "upgrade");
    if !opens || all("sec-websocket-version") != ["13"] {
        return Err(NO_UPGRADE);
    }
    if !lists("sec-websocket-protocol", SUBPROTOCOL) {
        return Err(NO_SUBPROTOCOL);
    }
    // Only browsers name an origin: other programs say what they like.
    let foreign = |origin: &&str| !origins.iter().any(|allowed| allowed == origin);
    if !origins.is_empty() && all("origin").iter().any(foreign) {
        return Err(FOREIGN);
    }
    match all("sec-websocket-key").as_slice() {
        [key] => Ok((*key).to_owned()),
        _ => Err(MALFORMED),
    }
}

fn switching(key: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOOD: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
         Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: chat, sip\r\nOrigin: https://desk.example\r\n\r\n";

    fn status(head: &str, origins: &[&str]) -> String {
        let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
        match answer(head.as_bytes(), &origins) {
            Ok(key) => switching(&key).lines().next().unwrap().to_owned(),
            Err(refusal) => refusal.status.to_owned(),
        }
    }

    #[test]
    fn the_example_of_rfc_6455_gets_its_answer() {
        let key = answer(GOOD.as_bytes(), &[]).ok().unwrap();
        let text = switching(&key);
        assert!(
            text.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            "{text}"
        );
        assert!(text.contains("Sec-WebSocket-Protocol: sip\r\n"), "{text}");
    }

    #[test]
    fn every_other_request_is_told_what_it_lacks() {
        let cases = [
            (GOOD.replace("Upgrade: websocket", "X: y"), "426"),
            (GOOD.replace("Version: 13", "Version: 8"), "426"),
            (GOOD.replace("chat, sip", "chat"), "400"),
            (GOOD.replace("Sec-WebSocket-Key", "X-Key"), "400"),
            (GOOD.replace("GET", "POST"), "426"),
            ("\r\nHello\r\n\r\n".to_owned(), "400"),
        ];
        for (head, wanted) in cases {
            let got = status(&head, &[]);
            assert!(got.starts_with(wanted), "{got} for {head}");
        }
    }

    #[test]
    fn origins_are_asked_for_only_where_some_are_named() {
        assert!(status(GOOD, &["https://desk.example"]).contains("101"));
        assert!(status(GOOD, &["https://other.example"]).starts_with("403"));
        let no_browser = GOOD.replace("Origin: https://desk.example\r\n", "");
        assert!(status(&no_browser, &["https://other.example"]).contains("101"));
    }
}
