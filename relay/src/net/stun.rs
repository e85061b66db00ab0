//! STUN on the SIP port: the keep-alive of UDP flows (RFC 5626 section 4.4.2), which also tells a
//! phone its address as it is seen from here. Binding requests without authentication (RFC 8489).

use std::net::{IpAddr, SocketAddr};

const HEADER_BYTES: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// Attributes from here on may be ignored by those who do not know them (RFC 8489 section 14).
const OPTIONAL_FROM: u16 = 0x8000;
/// USERNAME, MESSAGE-INTEGRITY, REALM, NONCE, MESSAGE-INTEGRITY-SHA256: known, and of no account
/// where nobody is asked for credentials.
const CREDENTIALS: [u16; 5] = [0x0006, 0x0008, 0x0014, 0x0015, 0x001c];
/// Most unknown attributes that an error names.
const MAX_UNKNOWN: usize = 8;

/// Whether a datagram is STUN and not SIP: its first two bits are 0 and the cookie is there (RFC
/// 8489 section 5). SIP begins with a letter.
pub fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0xc0 == 0)
        && datagram.get(4..8) == Some(&MAGIC_COOKIE)
}

/// The answer to a Binding request from `source`; none for everything else.
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let kind = number(datagram, 0)?;
    let length = usize::from(number(datagram, 2)?);
    let transaction: [u8; 16] = datagram.get(4..HEADER_BYTES)?.try_into().ok()?;
    let attributes = datagram.get(HEADER_BYTES..)?;
    if kind != BINDING_REQUEST || attributes.len() != length || !length.is_multiple_of(4) {
        return None;
    }
    let unknown = unknown_attributes(attributes)?;
    let (kind, body) = match unknown.is_empty() {
        true => (BINDING_SUCCESS, mapped_address(source, &transaction)),
        false => (BINDING_ERROR, not_understood(&unknown)),
    };
    let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&u16::try_from(body.len()).ok()?.to_be_bytes());
    message.extend_from_slice(&transaction);
    message.extend_from_slice(&body);
    Some(message)
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(two.try_into().ok()?))
}

/// Attributes that must be understood and are not; none if the list is malformed.
fn unknown_attributes(mut rest: &[u8]) -> Option<Vec<u16>> {
    let mut unknown = Vec::new();
    while !rest.is_empty() {
        let (kind, length) = (number(rest, 0)?, usize::from(number(rest, 2)?));
        if kind < OPTIONAL_FROM && !CREDENTIALS.contains(&kind) && unknown.len() < MAX_UNKNOWN {
            unknown.push(kind);
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
    Some(unknown)
}

/// RFC 8489 section 14.2: the address is mixed with cookie and transaction, so that translators
/// which replace addresses in payloads do not find it.
fn mapped_address(source: SocketAddr, transaction: &[u8; 16]) -> Vec<u8> {
    let (family, address) = match source.ip().to_canonical() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    let mut value = vec![0, family];
    let port = source.port().to_be_bytes();
    value.extend(port.iter().zip(transaction).map(|(byte, mask)| byte ^ mask));
    value.extend(
        address
            .iter()
            .zip(transaction)
            .map(|(byte, mask)| byte ^ mask),
    );
    attribute(XOR_MAPPED_ADDRESS, &value)
}

/// RFC 8489 section 6.3.1: 420 with what was not understood.
fn not_understood(unknown: &[u16]) -> Vec<u8> {
    let mut code = vec![0, 0, 4, 20];
    code.extend_from_slice(b"Unknown Attribute");
    let mut body = attribute(ERROR_CODE, &code);
    let kinds: Vec<u8> = unknown.iter().flat_map(|kind| kind.to_be_bytes()).collect();
    body.extend(attribute(UNKNOWN_ATTRIBUTES, &kinds));
    body
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The transaction of RFC 5769's samples.
    const TRANSACTION: [u8; 12] = [
        0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
    ];

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 1];
        bytes.extend((attributes.len() as u16).to_be_bytes());
        bytes.extend(MAGIC_COOKIE);
        bytes.extend(TRANSACTION);
        bytes.extend(attributes);
        bytes
    }

    #[test]
    fn the_addresses_of_rfc_5769_are_written_as_there() {
        let v4 = answer(&request(&[]), "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(v4[..4], [1, 1, 0, 12]);
        assert_eq!(
            v4[20..],
            [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]
        );
        let source = "[2001:db8:1234:5678:11:2233:4455:6677]:32853";
        let v6 = answer(&request(&[]), source.parse().unwrap()).unwrap();
        assert_eq!(v6[20..28], [0, 0x20, 0, 20, 0, 2, 0xa1, 0x47]);
        assert_eq!(v6[28..32], [0x01, 0x13, 0xa9, 0xfa]);
    }

    #[test]
    fn what_must_be_understood_and_is_not_is_named() {
        let source = "192.0.2.1:5060".parse().unwrap();
        // An optional one passes, CHANGE-REQUEST (RFC 5780) does not.
        let optional = answer(&request(&[0x80, 0x22, 0, 1, b'x', 0, 0, 0]), source).unwrap();
        assert_eq!(optional[..2], [1, 1]);
        let change = answer(&request(&[0, 3, 0, 4, 0, 0, 0, 6]), source).unwrap();
        assert_eq!(change[..2], [1, 0x11]);
        assert!(change.ends_with(&[0, 10, 0, 2, 0, 3, 0, 0]));
    }

    #[test]
    fn nothing_else_is_answered() {
        let source = "192.0.2.1:5060".parse().unwrap();
        let good = request(&[0x80, 0x22, 0, 4, 1, 2, 3, 4]);
        for end in 0..good.len() {
            assert_eq!(answer(&good[..end], source), None, "{end} bytes");
        }
        let mut indication = good.clone();
        indication[1] = 0x11;
        assert_eq!(answer(&indication, source), None);
        assert!(is_stun(&good));
        assert!(!is_stun(b"REGISTER sip:a SIP/2.0"));
    }
}
