//! What the Contact headers of a REGISTER ask for (RFC 3261 section 10.2).

use patchbay_sip::{HeaderName, Message, NameAddr};

use super::answer::Answer;
use super::limits::{
    DEFAULT_EXPIRES_S, MAX_BINDINGS_PER_AGENT, MAX_CONTACT_BYTES, MAX_INSTANCE_BYTES, MAX_PATHS,
};
use super::{Expiry, outbound};

/// One binding that a REGISTER asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// The Contact URI.
    pub contact: String,
    /// Seconds; 0 asks for removal.
    pub expires_s: u64,
    /// q in thousandths.
    pub q_milli: u16,
    /// The device's instance, a URN.
    pub instance: Option<String>,
    /// Which of the device's flows it is, if the registration is by flow.
    pub reg_id: Option<u32>,
}

impl Wish {
    /// What names the binding that is meant; see [`super::Binding::key`].
    pub fn flow(&self) -> Option<(&str, u32)> {
        Some((self.instance.as_deref()?, self.reg_id?))
    }
}

/// What a REGISTER asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wishes {
    /// No Contact: tell the bindings.
    Query,
    /// `Contact: *` with `Expires: 0`: remove all bindings.
    RemoveAll,
    /// Set or remove these.
    Set(Vec<Wish>),
}

/// Reads the wishes, or says with which answer they are refused.
pub(super) fn wishes(request: &Message, expiry: &Expiry) -> Result<Wishes, Answer> {
    let values: Vec<&str> = request.headers.all_split(HeaderName::Contact).collect();
    let common = common_expires(request)?;
    if values.is_empty() {
        return Ok(Wishes::Query);
    }
    if values.iter().any(|value| value.trim() == "*") {
        return match (values.len(), common) {
            (1, Some(0)) => Ok(Wishes::RemoveAll),
            _ => Err(Answer::new(400, "Contact Star Needs Expires Zero")),
        };
    }
    if values.len() > MAX_BINDINGS_PER_AGENT {
        return Err(Answer::new(403, "Too Many Contacts"));
    }
    let wishes = values.into_iter().map(|value| wish(value, common, expiry));
    let mut wishes: Vec<Wish> = wishes.collect::<Result<_, _>>()?;
    outbound::check(request, &mut wishes)?;
    Ok(Wishes::Set(wishes))
}

/// The Path of a REGISTER, first hop first (RFC 3327).
pub(super) fn path(request: &Message) -> Result<Vec<String>, Answer> {
    let path: Vec<String> = request
        .headers
        .all_split(HeaderName::Path)
        .map(|value| value.trim().to_owned())
        .collect();
    let length: usize = path.iter().map(String::len).sum();
    if path.len() > MAX_PATHS || length > MAX_CONTACT_BYTES {
        return Err(Answer::new(403, "Path Too Long"));
    }
    if path.iter().any(|value| NameAddr::parse(value).is_err()) {
        return Err(Answer::new(400, "Bad Path"));
    }
    Ok(path)
}

fn common_expires(request: &Message) -> Result<Option<u64>, Answer> {
    match request.headers.get(HeaderName::Expires) {
        None => Ok(None),
        Some(value) => seconds(value)
            .map(Some)
            .ok_or(Answer::new(400, "Bad Expires")),
    }
}

fn wish(value: &str, common: Option<u64>, expiry: &Expiry) -> Result<Wish, Answer> {
    let bad = || Answer::new(400, "Bad Contact");
    let contact = NameAddr::parse(value).map_err(|_| bad())?;
    let uri = contact.uri.to_string();
    if !contact.uri.is_sip() {
        return Err(Answer::new(400, "Contact Is Not A SIP URI"));
    }
    if uri.len() > MAX_CONTACT_BYTES {
        return Err(Answer::new(403, "Contact Too Long"));
    }
    let expires_s = match contact.params.value("expires") {
        // RFC 3261 section 10.2.1.1: a malformed value counts as 3600.
        Some(value) => seconds(value).unwrap_or(DEFAULT_EXPIRES_S),
        None => common.unwrap_or(DEFAULT_EXPIRES_S.clamp(expiry.min_s, expiry.max_s)),
    };
    if expires_s > 0 && expires_s < expiry.min_s {
        let least = expiry.min_s.to_string();
        return Err(Answer::new(423, "Interval Too Brief").with(HeaderName::MinExpires, least));
    }
    let q_milli = match contact.params.value("q") {
        None => 1000,
        Some(value) => q(value).ok_or_else(bad)?,
    };
    Ok(Wish {
        contact: uri,
        expires_s: expires_s.min(expiry.max_s),
        q_milli,
        instance: instance(&contact),
        reg_id: outbound::reg_id(&contact)?,
    })
}

/// The URN in `+sip.instance="<urn:…>"` (RFC 5626 section 4.1); none for what is no URN.
fn instance(contact: &NameAddr) -> Option<String> {
    let value = contact.params.unquoted("+sip.instance")?;
    let urn = value.trim().strip_prefix('<')?.strip_suffix('>')?;
    let scheme = urn.get(..4)?;
    let plain = urn.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    (scheme.eq_ignore_ascii_case("urn:") && plain && urn.len() <= MAX_INSTANCE_BYTES)
        .then(|| urn.to_owned())
}

/// Delta seconds; more than 32 bits hold counts as the greatest that they hold.
fn seconds(value: &str) -> Option<u64> {
    let value = value.trim();
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(
        value
            .parse()
            .map_or(u64::from(u32::MAX), |v: u64| v.min(u64::from(u32::MAX))),
    )
}

/// `0`, `0.5`, `1.000` and so on in thousandths.
fn q(value: &str) -> Option<u16> {
    let (whole, part) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    if part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part: u16 = format!("{part:0<3}").parse().ok()?;
    match whole {
        "0" => Some(part),
        "1" if part == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_and_seconds_are_read_strictly() {
        assert_eq!(q("0.5"), Some(500));
        assert_eq!(q("1"), Some(1000));
        assert_eq!(q("0.001"), Some(1));
        assert_eq!(q("1.1"), None);
        assert_eq!(q("0.1234"), None);
        assert_eq!(q("x"), None);
        assert_eq!(seconds("60"), Some(60));
        assert_eq!(
            seconds("99999999999999999999999"),
            Some(u64::from(u32::MAX))
        );
        assert_eq!(seconds("-1"), None);
        assert_eq!(seconds(""), None);
    }
}
