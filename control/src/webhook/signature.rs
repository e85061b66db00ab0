//! Signatures as Standard Webhooks 1.0 writes them, so that servers find libraries that check them.

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header that names a request: the same question asked twice has the same name.
pub const ID: &str = "webhook-id";
/// The header with the time of the request, in seconds of Unix time. A server shall refuse old ones.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signature.
pub const SIGNATURE: &str = "webhook-signature";

/// What a secret begins with whose rest is base64.
const BASE64_SECRET: &str = "whsec_";

/// The value of [`SIGNATURE`]: `v1,` and the base64 of the HMAC-SHA256 over `id.timestamp.body`. The key
/// is the secret as it is or, after `whsec_`, what its base64 says.
#[must_use]
pub fn sign(secret: &str, id: &str, timestamp: u64, body: &[u8]) -> String {
    let encoded = secret.strip_prefix(BASE64_SECRET);
    let decoded = encoded.and_then(|rest| BASE64.decode(rest.as_bytes()).ok());
    let key = decoded.as_deref().unwrap_or(secret.as_bytes());
    // HMAC takes keys of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key)
        .unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    // D13
    #[test]
    fn the_example_of_the_specification_has_its_signature() {
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    // D13
    #[test]
    fn each_part_counts() {
        let signed = sign("0123456789abcdef", "a", 1, b"{}");
        for other in [
            sign("0123456789abcdeF", "a", 1, b"{}"),
            sign("0123456789abcdef", "b", 1, b"{}"),
            sign("0123456789abcdef", "a", 2, b"{}"),
            sign("0123456789abcdef", "a", 1, b"{ }"),
        ] {
            assert_ne!(signed, other);
        }
    }
}
