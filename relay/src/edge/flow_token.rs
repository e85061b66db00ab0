//! Flow tokens: where a request came from, written into a Path or header so that later requests
//! find the same flow (RFC 5626 section 5.2), authenticated so that nobody can invent one.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use patchbay_sip::Transport;
use patchbay_sip::transaction::Flow;
use sha2::Sha256;
use std::net::{IpAddr, SocketAddr};

/// Bytes of the HMAC that are kept: RFC 2104 advises at least half of the hash.
const TAG_BYTES: usize = 16;
/// Longest token body: two IPv6 addresses with ports, connection, transport and flag.
const MAX_BODY_BYTES: usize = 2 + 8 + 2 * (1 + 16 + 2);

/// A flow, and whether the party can only be reached by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The flow.
    pub flow: Flow,
    /// True for connections and for UDP parties behind NAT.
    pub pinned: bool,
}

/// Writes and reads tokens under one key.
#[derive(Clone)]
pub struct FlowTokens {
    key: Vec<u8>,
}

impl FlowTokens {
    /// `key` is the link secret: tokens of UDP flows outlive a restart of the relay.
    pub fn new(key: &[u8]) -> Self {
        Self { key: key.to_vec() }
    }

    /// The token of `source`: hexadecimal, fit for the user part of a URI.
    pub fn write(&self, source: &Source) -> String {
        let mut body = Vec::with_capacity(MAX_BODY_BYTES + TAG_BYTES);
        body.push(transport_byte(source.flow.transport));
        body.push(u8::from(source.pinned));
        body.extend_from_slice(&source.flow.connection.to_be_bytes());
        for address in [source.flow.local, source.flow.remote] {
            write_address(&mut body, address);
        }
        let tag = self.tag(&body);
        body.extend_from_slice(&tag);
        HEXLOWER.encode(&body)
    }

    /// The source that a token of ours names; none for every other text.
    pub fn read(&self, token: &str) -> Option<Source> {
        let bytes = from_hex(token)?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        self.mac(body).verify_truncated_left(tag).ok()?;
        let mut rest = body;
        let [transport] = take::<1>(&mut rest)?;
        let transport = transport_of(transport)?;
        let [pinned] = take::<1>(&mut rest)?;
        let connection = u64::from_be_bytes(take::<8>(&mut rest)?);
        let local = read_address(&mut rest)?;
        let remote = read_address(&mut rest)?;
        Some(Source {
            flow: Flow {
                transport,
                local,
                remote,
                connection,
            },
            pinned: pinned == 1,
        })
    }

    fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        // A key of any length is valid for HMAC; the fallback cannot be reached.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
        mac.update(b"patchbay flow token");
        mac.update(body);
        mac
    }

    fn tag(&self, body: &[u8]) -> Vec<u8> {
        let whole = self.mac(body).finalize().into_bytes();
        whole.iter().take(TAG_BYTES).copied().collect()
    }
}

/// A transport in one byte; 0 and 1 are those of tokens that were written before there was TLS.
pub fn transport_byte(transport: Transport) -> u8 {
    match transport {
        Transport::Udp => 0,
        Transport::Tls => 2,
        Transport::Ws => 3,
        Transport::Wss => 4,
        // SCTP has no listener here.
        Transport::Tcp | Transport::Sctp | Transport::TlsSctp => 1,
    }
}

/// The transport that [`transport_byte`] wrote.
pub fn transport_of(byte: u8) -> Option<Transport> {
    match byte {
        0 => Some(Transport::Udp),
        1 => Some(Transport::Tcp),
        2 => Some(Transport::Tls),
        3 => Some(Transport::Ws),
        4 => Some(Transport::Wss),
        _ => None,
    }
}

fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) => {
            out.push(4);
            out.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.push(6);
            out.extend_from_slice(&ip.octets());
        }
    }
    out.extend_from_slice(&address.port().to_be_bytes());
}

fn read_address(rest: &mut &[u8]) -> Option<SocketAddr> {
    let ip: IpAddr = match take::<1>(rest)? {
        [4] => take::<4>(rest)?.into(),
        [6] => take::<16>(rest)?.into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(take::<2>(rest)?)))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() > 2 * (MAX_BODY_BYTES + TAG_BYTES) {
        return None;
    }
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn source(remote: &str) -> Source {
        Source {
            flow: Flow {
                transport: Transport::Tcp,
                local: "0.0.0.0:5060".parse().unwrap(),
                remote: remote.parse().unwrap(),
                connection: 77,
            },
            pinned: true,
        }
    }

    #[test]
    fn a_token_reads_back_and_only_under_its_key() {
        let tokens = FlowTokens::new(b"key");
        for remote in ["192.0.2.9:5060", "[2001:db8::9]:1"] {
            let token = tokens.write(&source(remote));
            assert_eq!(tokens.read(&token), Some(source(remote)));
            assert_eq!(FlowTokens::new(b"other").read(&token), None);
        }
    }

    #[test]
    fn every_transport_reads_back() {
        let tokens = FlowTokens::new(b"key");
        for transport in [
            Transport::Udp,
            Transport::Tcp,
            Transport::Tls,
            Transport::Ws,
            Transport::Wss,
        ] {
            let mut source = source("192.0.2.9:5060");
            source.flow.transport = transport;
            assert_eq!(tokens.read(&tokens.write(&source)), Some(source));
        }
    }

    #[test]
    fn nothing_else_is_a_token() {
        let tokens = FlowTokens::new(b"key");
        let token = tokens.write(&source("192.0.2.9:5060"));
        for end in 0..token.len() {
            assert_eq!(tokens.read(&token[..end]), None);
        }
        let forged = token.replacen("c0000209", "c000020a", 1);
        assert_ne!(forged, token);
        assert_eq!(tokens.read(&forged), None);
        assert_eq!(tokens.read("é"), None);
    }
}
