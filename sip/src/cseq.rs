//! [`CSeq`]: a request's place in its dialog.

use std::fmt;

use crate::error::HeaderError;
use crate::method::Method;
use crate::scan::is_token;

/// The CSeq header (RFC 3261 section 20.16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// The number, below 2^31 (RFC 3261 section 8.1.1.5).
    pub number: u32,
    /// The method, that of the request.
    pub method: Method,
}

impl CSeq {
    /// A CSeq of its parts.
    pub fn new(number: u32, method: Method) -> CSeq {
        CSeq { number, method }
    }

    /// Parses the header's value.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`], also for a number of 2^31 or more.
    pub fn parse(text: &str) -> Result<CSeq, HeaderError> {
        const BAD: HeaderError = HeaderError::Malformed("CSeq");
        let mut words = text.split_ascii_whitespace();
        let (Some(number), Some(method), None) = (words.next(), words.next(), words.next()) else {
            return Err(BAD);
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) || !is_token(method) {
            return Err(BAD);
        }
        let number = number.parse::<u32>().map_err(|_| BAD)?;
        if number >= 1 << 31 {
            return Err(BAD);
        }
        Ok(CSeq {
            number,
            method: Method::from(method),
        })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method)
    }
}

impl From<CSeq> for crate::text::Text {
    fn from(cseq: CSeq) -> Self {
        crate::text::Text::written(&cseq)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_have_their_range() {
        assert_eq!(
            CSeq::parse(" 0009  INVITE ").unwrap(),
            CSeq::new(9, Method::Invite)
        );
        assert!(CSeq::parse("2147483647 OPTIONS").is_ok());
        for bad in [
            "2147483648 OPTIONS",
            "36893488147419103232 REGISTER",
            "-1 BYE",
            "1",
            "1 A B",
            "+1 BYE",
        ] {
            assert_eq!(
                CSeq::parse(bad),
                Err(HeaderError::Malformed("CSeq")),
                "{bad}"
            );
        }
    }
}
