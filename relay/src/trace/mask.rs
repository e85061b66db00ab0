//! What an operator may look at without being able to use it: credentials, signatures and tokens
//! are struck out, byte for byte, so that every length still says the truth.

/// What stands in the place of each byte.
const STRUCK: u8 = b'x';
/// So many hexadecimal digits in front of an `@` are a flow token of ours (80 at least).
const TOKEN_DIGITS: usize = 64;
/// Parameters of credentials that say who somebody is and not how it is proved (RFC 7616 section 3.4).
const OPEN: [&[u8]; 8] = [
    b"username",
    b"username*",
    b"realm",
    b"uri",
    b"algorithm",
    b"qop",
    b"nc",
    b"userhash",
];
const CREDENTIALS: [&[u8]; 4] = [
    b"authorization",
    b"proxy-authorization",
    b"authentication-info",
    b"proxy-authentication-info",
];
const TOKENS: [&[u8]; 1] = [b"p-patchbay-flow"];
/// Keys of media in SDP (RFC 4568, RFC 8839, RFC 4567, RFC 8866 section 5.12): what follows is secret.
const KEYS: [&[u8]; 4] = [b"a=crypto:", b"a=ice-pwd:", b"a=key-mgmt:", b"k="];

/// What is struck out of a header, and of the lines that it goes on in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hide {
    Nothing,
    /// Values of parameters that are not [`OPEN`].
    Parameters,
    All,
}

/// The message with its secrets struck out, as long as before; those in a message that it carries too.
#[must_use]
pub fn mask(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut hide = Hide::Nothing;
    for line in out.split_inclusive_mut(|byte| *byte == b'\n') {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            strike_value(line, hide);
            continue;
        }
        hide = Hide::Nothing;
        if let Some(key) = KEYS.iter().find(|key| line.starts_with(key)) {
            strike(line.get_mut(key.len()..).unwrap_or_default());
            continue;
        }
        if let Some((name, value)) = header(line) {
            hide = hidden(name, value);
            strike_value(value, hide);
            if is_call_id(name) {
                continue;
            }
        }
        strike_signatures(line);
        strike_tokens(line);
    }
    out
}

/// Name and value of a line that has a colon.
fn header(line: &mut [u8]) -> Option<(&[u8], &mut [u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at_mut_checked(colon)?;
    let end = name.trim_ascii_end();
    (!end.is_empty() && !end.contains(&b' ')).then_some((end, value))
}

fn hidden(name: &[u8], value: &[u8]) -> Hide {
    let is = |known: &&[u8]| name.eq_ignore_ascii_case(known);
    if TOKENS.iter().any(is) {
        return Hide::All;
    }
    if !CREDENTIALS.iter().any(is) {
        return Hide::Nothing;
    }
    let value = value.get(1..).unwrap_or_default().trim_ascii_start();
    let digest = value
        .get(..6)
        .is_some_and(|s| s.eq_ignore_ascii_case(b"digest"));
    let told_by_server = name.to_ascii_lowercase().ends_with(b"-info");
    match digest || told_by_server {
        true => Hide::Parameters,
        false => Hide::All,
    }
}

fn is_call_id(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"call-id") || name.eq_ignore_ascii_case(b"i")
}

fn strike_value(value: &mut [u8], hide: Hide) {
    match hide {
        Hide::Nothing => {}
        Hide::All => strike(value),
        Hide::Parameters => {
            let mut quoted = false;
            let parameters = value.split_mut(|byte| {
                quoted ^= *byte == b'"';
                *byte == b',' && !quoted
            });
            parameters.for_each(strike_parameter);
        }
    }
}

/// `response="…"`: the value of a parameter, unless it is [`OPEN`].
fn strike_parameter(parameter: &mut [u8]) {
    let Some(equals) = memchr::memchr(b'=', parameter) else {
        return;
    };
    let Some((name, value)) = parameter.split_at_mut_checked(equals) else {
        return;
    };
    // In front of the first parameter stands the scheme.
    let name = name.trim_ascii();
    let name = name.rsplit(|byte| matches!(byte, b' ' | b'\t')).next();
    let name = name.unwrap_or_default();
    if !OPEN.iter().any(|open| name.eq_ignore_ascii_case(open)) {
        strike(value);
    }
}

/// Strikes out all but what holds a line together.
fn strike(bytes: &mut [u8]) {
    for byte in bytes {
        if !matches!(byte, b'\r' | b'\n' | b' ' | b'\t' | b'"' | b':' | b'=') {
            *byte = STRUCK;
        }
    }
}

/// The signature of a transfer.
fn strike_signatures(line: &mut [u8]) {
    const NAME: &[u8] = b";sig=";
    let found: Vec<usize> = memchr::memmem::find_iter(line, NAME).collect();
    for at in found {
        let rest = line.get_mut(at + NAME.len()..).unwrap_or_default();
        let digits = rest.iter_mut().take_while(|byte| byte.is_ascii_hexdigit());
        digits.for_each(|byte| *byte = STRUCK);
    }
}

/// Flow tokens: the user part of a Path or Route of ours, also where it is escaped.
fn strike_tokens(line: &mut [u8]) {
    let mut from = 0;
    while let Some(rest) = line.get(from..).filter(|rest| !rest.is_empty()) {
        let skipped = rest.iter().take_while(|byte| !byte.is_ascii_hexdigit());
        let begin = from + skipped.count();
        let digits = line.get(begin..).unwrap_or_default();
        let digits = digits.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let end = begin + digits.count();
        // Of `%3A` the digits are no part of what follows.
        let escaped = begin.checked_sub(1).and_then(|at| line.get(at)) == Some(&b'%');
        let begin = if escaped { begin + 2 } else { begin };
        let behind = line.get(end..).unwrap_or_default();
        let of_address = behind.starts_with(b"@") || behind.starts_with(b"%40");
        if of_address && end.saturating_sub(begin) >= TOKEN_DIGITS {
            line.get_mut(begin..end).unwrap_or_default().fill(STRUCK);
        }
        from = end.max(from + 1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn masked(text: &str) -> String {
        let masked = mask(text.as_bytes());
        assert_eq!(masked.len(), text.len(), "every length says the truth");
        String::from_utf8(masked).unwrap()
    }

    #[test]
    fn credentials_name_who_and_not_how() {
        let digest = "REGISTER sip:h SIP/2.0\r\nAuthorization: Digest username=\"anna\", realm=\"a,b\",\r\n \
                      nonce=\"n=1\", uri=\"sip:h\", response=\"0123\", qop=auth\r\nTo: x\r\n\r\n";
        let shown = masked(digest);
        for kept in [
            "username=\"anna\"",
            "realm=\"a,b\"",
            "uri=\"sip:h\"",
            "qop=auth",
        ] {
            assert!(shown.contains(kept), "{shown}");
        }
        assert!(
            shown.contains("response=\"xxxx\"") && shown.contains("nonce=\"x=x\""),
            "{shown}"
        );
        let bearer = masked("proxy-authorization : Bearer abc.def\r\nTo: abc\r\n");
        assert_eq!(
            bearer,
            "proxy-authorization : xxxxxx xxxxxxx\r\nTo: abc\r\n"
        );
        let info = masked("Authentication-Info: rspauth=\"12\", qop=auth\r\n");
        assert_eq!(info, "Authentication-Info: rspauth=\"xx\", qop=auth\r\n");
    }

    #[test]
    fn what_opens_a_door_of_ours_is_struck_out() {
        let token = "01".repeat(40);
        let text = format!(
            "INVITE sip:relay.invalid;agent=a;path=%3Csip%3A{token}%40h%3E;exp=1;sig=00ff SIP/2.0\r\n\
             Path: <sip:{token}@192.0.2.1;lr>\r\nP-Patchbay-Flow: {token}\r\nCall-ID: {token}@h\r\n\r\n"
        );
        let struck = "x".repeat(80);
        let shown = masked(&text);
        assert!(shown.contains(";sig=xxxx SIP/2.0"), "{shown}");
        assert!(shown.contains(&format!("%3Csip%3A{struck}%40h")), "{shown}");
        assert!(shown.contains(&format!("Path: <sip:{struck}@192.0.2.1;lr>")));
        assert!(shown.contains(&format!("P-Patchbay-Flow: {struck}\r\n")));
        assert!(
            shown.contains(&format!("Call-ID: {token}@h")),
            "names the call"
        );
    }

    #[test]
    fn keys_of_media_are_struck_out_and_the_rest_stays() {
        let sdp = "v=0\r\nm=audio 20000 RTP/SAVP 0\r\na=crypto:1 AES inline:abc\r\na=ice-pwd:secret\r\na=sendonly\r\n";
        let shown = masked(sdp);
        assert!(
            !shown.contains("abc") && !shown.contains("secret"),
            "{shown}"
        );
        assert!(
            shown.contains("m=audio 20000 RTP/SAVP 0\r\n") && shown.ends_with("a=sendonly\r\n")
        );
    }

    #[test]
    fn any_bytes_are_taken() {
        bolero::check!().for_each(|bytes: &[u8]| {
            assert_eq!(mask(bytes).len(), bytes.len());
        });
    }
}
