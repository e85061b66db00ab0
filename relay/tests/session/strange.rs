//! What the public sockets read before it is SIP: the request that opens a WebSocket, and STUN. Whatever
//! comes, it is answered or refused within its limits, and it does not matter how the network cuts it.

use futures_util::StreamExt;
use patchbay_relay::net::{MAX_UPGRADE_BYTES, answer_stun, is_stun, upgrade};
use patchbay_sip::limits::MAX_MESSAGE_BYTES;
use std::net::SocketAddr;
use tokio::io::AsyncReadExt;

use crate::mutate::{by_bytes, mutated};

const OPENS: &str = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: chat, sip\r\nOrigin: https://desk.example\r\n\r\n";
const ORIGIN: &str = "https://desk.example";
const OPTIONS: &str = "OPTIONS sip:b SIP/2.0\r\nVia: SIP/2.0/WS a;branch=z9hG4bK1\r\n\r\n";

/// A frame of a client, masked with zeros (RFC 6455 section 5.2): short enough for one byte of length.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    let mut frame = vec![0x80 | opcode, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn upgrades() {
    let frames = [
        frame(1, OPTIONS.as_bytes()),
        frame(9, b"ping"),
        frame(2, b"\r\n\r\n"),
        frame(8, b""),
    ];
    let seeds = [
        OPENS.as_bytes().to_vec(),
        [OPENS.as_bytes(), &frames.concat()].concat(),
        OPENS.replace("GET", "POST").into_bytes(),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    target!("upgrades", 2_000, |input: &[u8]| {
        let mut choices = by_bytes(input);
        let changed = mutated(&mut choices, &seeds);
        // Frames behind a request that is sound.
        let framed = [OPENS.as_bytes(), input].concat();
        for stream in [input, &changed, &framed] {
            let cut = choices.below(stream.len() + 1);
            let whole = runtime.block_on(opened(stream, stream.len()));
            assert_eq!(whole, runtime.block_on(opened(stream, cut)), "cut at {cut}");
            assert!(whole.0.starts_with("HTTP/1.1 ") || whole.0.is_empty());
            let reads_on = whole.0.starts_with("HTTP/1.1 101 ");
            assert_eq!(whole.1.is_some(), reads_on, "{}", whole.0);
        }
    });
}

/// What a stream that comes in two pieces is answered first, and the lengths of the messages behind it if
/// it becomes a WebSocket.
async fn opened(stream: &[u8], cut: usize) -> (String, Option<Vec<usize>>) {
    let (first, second) = stream.split_at(cut);
    let mut written = Vec::new();
    let both = tokio::io::join(first.chain(second), &mut written);
    let socket = upgrade(both, &[ORIGIN.to_owned()]).await;
    let messages = match socket {
        Err(_) => None,
        Ok(socket) => {
            assert!(stream.len() <= MAX_UPGRADE_BYTES + MAX_MESSAGE_BYTES);
            let all = socket.take_while(|message| std::future::ready(message.is_ok()));
            let all = all.map(|message| message.unwrap().len());
            Some(all.collect::<Vec<_>>().await)
        }
    };
    let text = String::from_utf8_lossy(&written);
    let line = text.lines().next().unwrap_or_default();
    let longest = messages.iter().flatten().max().copied().unwrap_or(0);
    assert!(longest <= MAX_MESSAGE_BYTES);
    (line.to_owned(), messages)
}

#[test]
fn stun() {
    let from: SocketAddr = "192.0.2.9:5060".parse().unwrap();
    let mut sound = vec![0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42];
    sound.extend_from_slice(&[7; 12]);
    // SOFTWARE with four bytes.
    sound.extend_from_slice(&[0x80, 0x22, 0, 4, b'a', b'b', b'c', b'd']);
    assert!(answer_stun(&sound, from).is_some());
    target!("stun", 8_000, |input: &[u8]| {
        let mut changed = sound.clone();
        let mut choices = by_bytes(input);
        for _ in 0..input.len().min(8) {
            let (at, byte) = (choices.below(changed.len()), choices.byte());
            changed[at] = byte;
        }
        changed.extend(input.iter().skip(16));
        for datagram in [input, &changed] {
            let Some(answer) = answer_stun(datagram, from) else {
                continue;
            };
            assert!(is_stun(datagram) || datagram.get(4..8) != Some(&[0x21, 0x12, 0xa4, 0x42]));
            // It must not make anybody's flood larger than it is.
            assert!(answer.len() <= datagram.len() + 32, "{datagram:?}");
            assert_eq!(
                answer.get(4..20),
                datagram.get(4..20),
                "the same transaction"
            );
        }
    });
}
