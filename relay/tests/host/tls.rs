//! TLS and WebSocket listeners on real sockets. A1, A5.
use crate::support::*;
use patchbay_relay::RelayConfig;
use patchbay_sip::{HeaderName, Message, Transport};
use patchbay_tls::Files;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A folder that goes with its test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("patchbay-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub type Authority = CertifiedIssuer<'static, KeyPair>;

pub fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Writes a certificate for 127.0.0.1 and `localhost`, its key and its authority.
pub fn issue(folder: &Folder, name: &str, authority: &Authority) -> Files {
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_string(), "localhost".to_string()];
    let params = CertificateParams::new(names).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let file = |end: &str| folder.0.join(format!("{name}.{end}"));
    std::fs::write(file("crt"), certificate.pem()).unwrap();
    write_key(&file("key"), &key.serialize_pem());
    std::fs::write(file("ca"), authority.pem()).unwrap();
    Files {
        certificate: file("crt"),
        key: file("key"),
        ca: Some(file("ca")),
    }
}

fn write_key(path: &Path, pem: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, pem).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn secured(config: &mut RelayConfig, files: &Files) {
    let any = config.api;
    for transport in [Transport::Tls, Transport::Ws, Transport::Wss] {
        config.listen.push((transport, any));
    }
    config.tls = Some(files.clone());
}

/// The phone's end of a TLS connection.
async fn dial(bed: &Bed, files: &Files) -> patchbay_tls::TlsStream<TcpStream> {
    let trust = patchbay_tls::Trust::Public;
    let phone = patchbay_tls::Endpoint::open(files.clone(), trust, 0).unwrap();
    let stream = TcpStream::connect(bed.sip(Transport::Tls)).await.unwrap();
    let name = patchbay_tls::ServerName::try_from("localhost").unwrap();
    let stream = phone.connector().connect(name, stream).await.unwrap();
    patchbay_tls::TlsStream::Client(stream)
}

async fn heard(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut buffer = vec![0; 8192];
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await;
    let length = read.expect("something is heard").unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[tokio::test]
async fn a_tls_phone_registers_by_a_path_that_names_its_transport() {
    let folder = Folder::new("tls-path");
    let files = issue(&folder, "relay", &authority());
    let bed = Bed::with(|config| {
        secured(config, &files);
        config.trace_ring = 1024 * 1024;
    })
    .await;
    let mut control = bed.control().await;
    bed.until_ready(true).await;
    let mut phone = dial(&bed, &files).await;
    let here = phone.get_ref().0.local_addr().unwrap();
    let text = request("REGISTER", "TLS", here);
    phone.write_all(text.as_bytes()).await.unwrap();
    let forwarded = control.next().await.unwrap();
    let source = forwarded.headers.get("P-Patchbay-Source").unwrap();
    assert_eq!(source, format!("tls;{here}"));
    let path = forwarded.headers.get(HeaderName::Path).unwrap();
    assert!(path.contains(";transport=tls;lr;ob>"), "{path}");
    let mut answer = Message::response_to(&forwarded, 200, "");
    answer.set_to_tag("control");
    control.send(&answer).await;
    let answer = heard(&mut phone).await;
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    phone.write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(heard(&mut phone).await, "\r\n");
    // A trace shows what TLS carried.
    let (shown, _) = crate::traces::kept(&bed, "{\"filter\":{\"method\":\"REGISTER\"}}").await;
    let ways: Vec<_> = shown.iter().map(|one| one.transport.as_str()).collect();
    assert_eq!(ways, ["TLS", "TCP", "TCP", "TLS"]);
    assert_eq!(
        (shown[0].content.bytes(), shown[0].remote),
        (text.into_bytes(), here)
    );
}

#[tokio::test]
async fn those_who_do_not_shake_hands_are_counted_by_what_they_lack() {
    let folder = Folder::new("tls-doors");
    let files = issue(&folder, "relay", &authority());
    let bed = Bed::with(|config| secured(config, &files)).await;
    let _control = bed.control().await;
    let mut plain = TcpStream::connect(bed.sip(Transport::Tls)).await.unwrap();
    plain
        .write_all(b"REGISTER sip:a SIP/2.0\r\n\r\n")
        .await
        .unwrap();
    heard(&mut plain).await;
    let mut page = TcpStream::connect(bed.sip(Transport::Ws)).await.unwrap();
    page.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let answer = heard(&mut page).await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    let metrics = bed.get("/metrics").await.text().await.unwrap();
    for wanted in [
        "door_drops_total{reason=\"tls\"} 1",
        "door_drops_total{reason=\"no_upgrade\"} 1",
        "certificate_days_left{use=\"public\"}",
    ] {
        assert!(metrics.contains(wanted), "{wanted} in {metrics}");
    }
}

#[tokio::test]
async fn stun_is_answered_on_the_sip_port() {
    let bed = Bed::start().await;
    let phone = Phone::new(bed.sip(Transport::Udp)).await;
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend([7; 12]);
    phone.socket.send(&request).await.unwrap();
    let mut buffer = [0; 64];
    let received = tokio::time::timeout(PATIENCE, phone.socket.recv(&mut buffer)).await;
    assert_eq!(received.expect("an answer").unwrap(), 32);
    assert_eq!(buffer[..2], [1, 1]);
    assert_eq!(buffer[8..20], [7; 12]);
    let port = u16::from_be_bytes([buffer[26], buffer[27]]) ^ 0x2112;
    assert_eq!(port, phone.socket.local_addr().unwrap().port());
}

/// The link with certificates: relay to control by SIP, control to relay by HTTP.
#[tokio::test]
async fn a_link_with_certificates_hears_no_one_without() {
    let folder = Folder::new("tls-link");
    let authority = authority();
    let files = issue(&folder, "link", &authority);
    let bed = Bed::with(|config| config.link_tls = Some(files.clone())).await;
    let trust = patchbay_tls::Trust::Mutual;
    let control = patchbay_tls::Endpoint::open(files.clone(), trust, 0).unwrap();
    let (stream, _) = bed.accept().await;
    control
        .acceptor()
        .accept(stream)
        .await
        .expect("the relay shows its certificate");
    assert!(
        reqwest::get(bed.url("/healthz")).await.is_err(),
        "plain HTTP"
    );
    let strangers = issue(&folder, "stranger", &self::authority());
    let mut stranger = strangers.clone();
    stranger.ca = files.ca.clone();
    for (files, welcome) in [(files, true), (stranger, false)] {
        let client = patchbay_tls::Endpoint::open(files, trust, 0).unwrap();
        let stream = TcpStream::connect(bed.relay.api).await.unwrap();
        let name = patchbay_tls::ServerName::try_from("127.0.0.1").unwrap();
        let answer = match client.connector().connect(name, stream).await {
            Err(_) => String::new(),
            Ok(mut stream) => {
                let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
                // A refusal may come before all of it is written.
                let _ = stream.write_all(request).await;
                heard(&mut stream).await
            }
        };
        assert_eq!(answer.starts_with("HTTP/1.1 200"), welcome, "{answer}");
    }
}

#[tokio::test]
async fn a_page_registers_over_a_websocket_and_is_answered_in_frames() {
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message as Frame;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let folder = Folder::new("ws-page");
    let files = issue(&folder, "relay", &authority());
    let bed = Bed::with(|config| {
        secured(config, &files);
        config.trace_ring = 1024 * 1024;
        config.origins = vec!["https://desk.example".into()];
    })
    .await;
    let mut control = bed.control().await;
    bed.until_ready(true).await;
    let at = bed.sip(Transport::Ws);
    let open = async |protocol: &'static str, origin: &'static str| {
        let mut request = format!("ws://{at}/").into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", protocol.parse().unwrap());
        headers.insert("origin", origin.parse().unwrap());
        let stream = TcpStream::connect(at).await.unwrap();
        tokio_tungstenite::client_async(request, stream).await
    };
    assert!(open("chat", "https://desk.example").await.is_err());
    assert!(open("sip", "https://evil.example").await.is_err());
    let (mut page, _) = open("sip", "https://desk.example").await.unwrap();

    let here = SocketAddr::from(([192, 0, 2, 1], 9));
    let text = request("REGISTER", "WS", here).replace("192.0.2.1:9", "page.invalid");
    page.send(Frame::text(text.clone())).await.unwrap();
    let forwarded = control.next().await.unwrap();
    let path = forwarded.headers.get(HeaderName::Path).unwrap();
    assert!(path.contains(";transport=ws;lr;ob>"), "{path}");
    let mut answer = Message::response_to(&forwarded, 200, "");
    answer.set_to_tag("control");
    control.send(&answer).await;
    let next = async |page: &mut tokio_tungstenite::WebSocketStream<TcpStream>| {
        let received = tokio::time::timeout(PATIENCE, page.next()).await;
        received
            .expect("a frame")
            .unwrap()
            .unwrap()
            .into_text()
            .unwrap()
    };
    assert!(next(&mut page).await.starts_with("SIP/2.0 200"));
    page.send(Frame::binary(b"\r\n\r\n".as_slice()))
        .await
        .unwrap();
    assert_eq!(next(&mut page).await.as_str(), "\r\n");

    let metrics = bed.get("/metrics").await.text().await.unwrap();
    for wanted in ["no_subprotocol", "origin"] {
        let line = format!("door_drops_total{{reason=\"{wanted}\"}} 1");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    let (shown, _) = crate::traces::kept(&bed, "{\"filter\":{\"method\":\"REGISTER\"}}").await;
    let ways: Vec<_> = shown.iter().map(|one| one.transport.as_str()).collect();
    assert_eq!(ways, ["WS", "TCP", "TCP", "WS"]);
    assert_eq!(shown[0].content.bytes(), text.into_bytes());
}
