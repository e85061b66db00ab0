//! Globally routable user agent URIs (RFC 5627): names by which one device of an agent is reached.
//!
//! The public one is the address of record with the device's instance in `gr`. A temporary one hides
//! both: its user part is encrypted, and it holds as long as the device registers with the same
//! Call-ID (section 4.2). Nothing is stored for either: the key comes from the link secret, so that
//! they hold over a restart.

use hmac::{Hmac, KeyInit, Mac};
use patchbay_sip::Uri;
use patchbay_sip::uri::unescape;
use sha2::Sha256;

use super::binding::Binding;

/// In front of the user part of a temporary GRUU.
const TEMPORARY: &str = "tgruu.";
/// Bytes of nonce, number and authentication code in a temporary GRUU.
const PART: usize = 8;

/// The device that a URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// The instance of this agent.
    Public {
        /// The agent's identifier.
        agent: String,
        /// The device's instance.
        instance: String,
    },
    /// The device whose registration has this number.
    Temporary {
        /// See [`Names::number`].
        number: u64,
    },
}

/// Makes GRUUs and reads them.
#[derive(Clone)]
pub struct Names {
    key: [u8; 32],
    serial: u64,
}

impl Names {
    /// Names under a key that nobody else knows, and that stays the same over restarts.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Names {
        Names { key, serial: 0 }
    }

    /// The public GRUU of a device (RFC 5627 section 3.1.1), for the address of record `aor`.
    #[must_use]
    pub fn public(aor: &Uri, instance: &str) -> String {
        let mut uri = bare(aor);
        uri.push_str(";gr=");
        uri.push_str(&escape(instance));
        uri
    }

    /// A temporary GRUU of a binding, another one with each call (RFC 5627 section 3.1.2).
    pub fn temporary(&mut self, aor: &Uri, binding: &Binding) -> String {
        self.serial = self.serial.wrapping_add(1);
        let (time, serial) = (binding.updated_unix_ms, self.serial);
        let nonce = self.bytes(&[b"nonce", &time.to_be_bytes(), &serial.to_be_bytes()]);
        let number = self.number(&binding.agent, instance(binding), &binding.call_id);
        let number = number.to_be_bytes();
        let hidden = xor(number, self.bytes(&[b"stream", &nonce]));
        let code = self.bytes(&[b"code", &nonce, &hidden]);
        let mut user = TEMPORARY.to_owned();
        for byte in [nonce, hidden, code].concat() {
            user.push_str(&format!("{byte:02x}"));
        }
        let host = bare(aor);
        let host = host.split_once('@').map_or(host.as_str(), |(_, host)| host);
        format!("{}:{user}@{host};gr", aor.scheme.as_str())
    }

    /// The number of a device's registrations with one Call-ID.
    #[must_use]
    pub fn number(&self, agent: &str, instance: &str, call_id: &str) -> u64 {
        let words = [agent, instance, call_id];
        let words = words.map(|word| format!("{}:{word}", word.len()));
        u64::from_be_bytes(self.bytes(&[b"number", words.concat().as_bytes()]))
    }

    /// The device that a URI names; none for a URI that is no GRUU of ours.
    #[must_use]
    pub fn read(&self, uri: &Uri) -> Option<Named> {
        let gr = uri.params.get("gr")?;
        let user = uri.user_unescaped()?;
        if let Some(hex) = user.strip_prefix(TEMPORARY) {
            let [nonce, hidden, code] = parts(hex)?;
            let right = self.bytes(&[b"code", &nonce, &hidden]);
            let number = u64::from_be_bytes(xor(hidden, self.bytes(&[b"stream", &nonce])));
            return (right == code).then_some(Named::Temporary { number });
        }
        let instance = unescape(gr?);
        Some(Named::Public {
            agent: user,
            instance,
        })
    }

    fn bytes(&self, words: &[&[u8]]) -> [u8; PART] {
        let mut out = [0; PART];
        // A key of any length is valid for HMAC, so this cannot fail.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) {
            words.iter().for_each(|word| mac.update(word));
            for (to, from) in out.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
        out
    }
}

fn instance(binding: &Binding) -> &str {
    binding.instance.as_deref().unwrap_or_default()
}

/// The address of record alone: scheme, user, host and port.
fn bare(aor: &Uri) -> String {
    let mut bare = aor.clone();
    bare.params = Default::default();
    let text = bare.to_string();
    text.split_once('?')
        .map_or(text.clone(), |(head, _)| head.to_owned())
}

fn xor(a: [u8; PART], b: [u8; PART]) -> [u8; PART] {
    let mut out = a;
    for (to, from) in out.iter_mut().zip(b) {
        *to ^= from;
    }
    out
}

fn parts(hex: &str) -> Option<[[u8; PART]; 3]> {
    if hex.len() != 6 * PART || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [[0; PART]; 3];
    let pairs = hex.as_bytes().chunks_exact(2);
    for (to, pair) in out.iter_mut().flatten().zip(pairs) {
        *to = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// What a URI parameter holds as it is (RFC 3261 section 25.1: unreserved and param-unreserved).
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')' => {
                out.push(char::from(byte));
            }
            b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const INSTANCE: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn binding(call_id: &str) -> Binding {
        Binding {
            agent: "anna".into(),
            call_id: call_id.into(),
            instance: Some(INSTANCE.into()),
            ..Binding::default()
        }
    }

    fn uri(text: &str) -> Uri {
        Uri::parse(text).unwrap()
    }

    // RFC 5627 section 3.1.1
    #[test]
    fn a_public_name_is_the_address_of_record_with_the_instance() {
        let aor = uri("sip:anna@example.com:5080;transport=tcp");
        let public = Names::public(&aor, INSTANCE);
        assert_eq!(public, format!("sip:anna@example.com:5080;gr={INSTANCE}"));
        let names = Names::new([1; 32]);
        let named = Named::Public {
            agent: "anna".into(),
            instance: INSTANCE.into(),
        };
        assert_eq!(names.read(&uri(&public)), Some(named));
        assert_eq!(names.read(&aor), None);
    }

    // RFC 5627 sections 3.1.2 and 4.2
    #[test]
    fn temporary_names_differ_hide_the_agent_and_hold_for_one_call_id() {
        let mut names = Names::new([1; 32]);
        let aor = uri("sip:anna@example.com");
        let one = names.temporary(&aor, &binding("a"));
        let two = names.temporary(&aor, &binding("a"));
        let other = names.temporary(&aor, &binding("b"));
        assert_ne!(one, two);
        assert!(!one.contains("anna") && one.ends_with("@example.com;gr"));
        let number = names.number("anna", INSTANCE, "a");
        let later = Names::new([1; 32]);
        for name in [&one, &two] {
            let named = later.read(&uri(name));
            assert_eq!(named, Some(Named::Temporary { number }));
        }
        assert_ne!(later.read(&uri(&other)), later.read(&uri(&one)));
        assert_eq!(Names::new([2; 32]).read(&uri(&one)), None);
        let forged = one.replacen("tgruu.", "tgruu.0", 1);
        assert_eq!(later.read(&uri(&forged)), None);
    }
}
