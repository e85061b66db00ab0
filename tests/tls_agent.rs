//! Calls that go out by TLS: the agent's host must prove to be whom the URI names. Its phone declines,
//! so that the next agent gets the call.

use crate::support;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use patchbay_tls::{Endpoint, Files, Trust};
use support::certificates::Authority;
use support::{AGENT, CALL, CALLER, Centre, Declaration, SOON, Setup, Sipp, have, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// An agent's phone that waits for connections over TLS, and declines each call.
struct Declines {
    runtime: Runtime,
    at: SocketAddr,
    /// Requests that it got.
    got: Arc<std::sync::Mutex<Vec<String>>>,
}

impl Declines {
    /// With a certificate of `authority` for `ips` and `localhost`.
    fn start(centre: &Centre, authority: &Authority, ips: &[IpAddr]) -> Declines {
        let [certificate, key] = ["agent.crt", "agent.key"].map(|name| centre.folder.file(name));
        authority.issue(ips, &certificate, &key);
        let ca = Some(authority.file.clone());
        let files = Files {
            certificate,
            key,
            ca,
        };
        let endpoint = Endpoint::open(files, Trust::Public, 0).expect("an endpoint");
        let runtime = Runtime::new().expect("a runtime");
        let at = SocketAddr::new(AGENT, centre.ports.next());
        let got = Arc::<std::sync::Mutex<Vec<String>>>::default();
        let taken = Arc::clone(&got);
        let listener = runtime.block_on(TcpListener::bind(at)).expect("a port");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = endpoint.acceptor().accept(stream).await else {
                    continue;
                };
                let mut buffer = vec![0; 65_536];
                while let Ok(length) = stream.read(&mut buffer).await {
                    if length == 0 {
                        break;
                    }
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    let answer = decline(&text);
                    taken.lock().unwrap().push(text);
                    if let Some(answer) = answer {
                        stream.write_all(answer.as_bytes()).await.expect("sent");
                    }
                }
            }
        });
        Declines { runtime, at, got }
    }

    fn invites(&self) -> Vec<String> {
        let got = self.got.lock().unwrap();
        let invites = got.iter().filter(|text| text.starts_with("INVITE "));
        invites.cloned().collect()
    }

    fn close(self) {
        self.runtime.shutdown_background();
    }
}

/// 486 to an INVITE that came in one piece.
fn decline(request: &str) -> Option<String> {
    request.strip_prefix("INVITE ")?;
    let wanted = ["via:", "from:", "call-id:", "cseq:"];
    let mut answer = "SIP/2.0 486 Busy Here\r\n".to_owned();
    for line in request.lines() {
        let lower = line.to_ascii_lowercase();
        if wanted.iter().any(|name| lower.starts_with(name)) {
            answer.push_str(&format!("{line}\r\n"));
        } else if lower.starts_with("to:") {
            answer.push_str(&format!("{line};tag=agent\r\n"));
        }
    }
    Some(answer + "Content-Length: 0\r\n\r\n")
}

fn centre() -> Centre {
    // The authority of the relay's own certificate is the one that it believes.
    Setup::default()
        .secure()
        .relay("tls_ca = \"ca.pem\"")
        .start()
}

fn called(uri: &str, ips: &[IpAddr], believed: bool) -> (Centre, Declines) {
    let centre = centre();
    let stranger = Authority::make(&centre.folder, "stranger");
    let authority = match believed {
        true => &centre.doors().authority,
        false => &stranger,
    };
    let phone = Declines::start(&centre, authority, ips);
    let uri = uri.replace("PORT", &phone.at.port().to_string());
    let second = centre.agent_address();
    // Anna is the better one and is asked first.
    centre.apply(
        &Declaration::new()
            .wants("support = 1")
            .agent(
                "anna",
                &format!("uri = \"{uri}\"\nskills = {{ support = 9 }}"),
            )
            .agent(
                "ben",
                &format!("uri = \"sip:ben@{second}\"\nskills = {{ support = 1 }}"),
            ),
    );
    let ben = Sipp::agent("agent.xml", second, &centre).start();
    Sipp::caller("caller.xml", CALLER, &centre)
        .start()
        .succeeds(CALL);
    ben.succeeds(SOON);
    (centre, phone)
}

// A1 A5
#[test]
fn a_sips_agent_is_called_over_tls_and_sees_a_sips_contact() {
    if !have(&["sipp"]) {
        return;
    }
    let (_centre, phone) = called("sips:anna@127.0.0.3:PORT", &[AGENT], true);
    let invites = phone.invites();
    let invite = invites.first().expect("an INVITE");
    assert!(invite.starts_with("INVITE sips:anna@127.0.0.3"), "{invite}");
    assert!(invite.contains("\r\nVia: SIP/2.0/TLS "), "{invite}");
    let contact = invite.lines().find(|line| line.starts_with("Contact:"));
    assert!(
        contact.is_some_and(|line| line.contains("<sips:")),
        "{invite}"
    );
    phone.close();
}

// A1
#[test]
fn who_cannot_prove_the_name_gets_no_call() {
    if !have(&["sipp"]) {
        return;
    }
    for (ips, believed) in [(&[CALLER], true), (&[AGENT], false)] {
        let uri = "sip:anna@127.0.0.3:PORT;transport=tls";
        let (centre, phone) = called(uri, ips, believed);
        assert!(phone.invites().is_empty(), "{:?}", phone.invites());
        until("the failure is counted", SOON, || {
            let name = "patchbay_relay_door_drops_total{reason=\"tls_out\"}";
            (centre.relay_api.metric(name) >= 1.0).then_some(())
        });
        phone.close();
    }
}
