//! [`SessionExpires`]: how long a session lasts without being refreshed (RFC 4028).

use std::fmt;

use crate::error::HeaderError;
use crate::headers::Headers;
use crate::name::HeaderName;
use crate::params::Params;

/// The shortest interval that anybody may ask for, in seconds (RFC 4028 section 5).
pub const LEAST_SESSION_S: u32 = 90;

/// Who refreshes, as seen from the request that the header belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Who sent the request.
    Uac,
    /// Who answers it.
    Uas,
}

/// The Session-Expires header (RFC 4028 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// The interval in seconds.
    pub seconds: u32,
    /// Who refreshes; `None` where that is left to the answer.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads the header; `Ok(None)` where there is none.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`].
    pub fn of(headers: &Headers) -> Result<Option<SessionExpires>, HeaderError> {
        headers
            .get(HeaderName::SessionExpires)
            .map(SessionExpires::parse)
            .transpose()
    }

    /// Parses the header's value.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`]; an unknown refresher counts as none.
    pub fn parse(text: &str) -> Result<SessionExpires, HeaderError> {
        const BAD: HeaderError = HeaderError::Malformed("Session-Expires");
        let (seconds, params) = text.split_once(';').unwrap_or((text, ""));
        let params = Params::parse(params).map_err(|_| BAD)?;
        let refresher = match params.value("refresher") {
            Some(word) if word.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(word) if word.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => None,
        };
        Ok(SessionExpires {
            seconds: delta_seconds(seconds).ok_or(BAD)?,
            refresher,
        })
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds)?;
        match self.refresher {
            Some(Refresher::Uac) => f.write_str(";refresher=uac"),
            Some(Refresher::Uas) => f.write_str(";refresher=uas"),
            None => Ok(()),
        }
    }
}

/// The value of Min-SE in seconds (RFC 4028 section 5); [`LEAST_SESSION_S`] where it is absent,
/// unreadable or smaller.
pub fn min_se(headers: &Headers) -> u32 {
    let value = headers.get(HeaderName::MinSe);
    let value = value.and_then(|value| delta_seconds(value.split(';').next().unwrap_or(value)));
    value.unwrap_or(0).max(LEAST_SESSION_S)
}

fn delta_seconds(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_and_written() {
        for text in ["1800", "90;refresher=uac", "4294967295;refresher=uas"] {
            let read = SessionExpires::parse(text).map(|read| read.to_string());
            assert_eq!(read, Ok(text.into()));
        }
        let loose = SessionExpires::parse(" 120 ; Refresher=UAS;x=1");
        let refresher = Some(Refresher::Uas);
        assert_eq!(
            loose,
            Ok(SessionExpires {
                seconds: 120,
                refresher
            })
        );
        for bad in ["", "x", "-1", "12x;refresher=uac"] {
            assert!(SessionExpires::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_least_interval_is_ninety_seconds() {
        let of = |value: &str| {
            let mut headers = Headers::new();
            headers.push(HeaderName::MinSe, value);
            min_se(&headers)
        };
        assert_eq!((of("20"), of("120"), of("x")), (90, 120, 90));
        assert_eq!(min_se(&Headers::new()), 90);
    }
}
