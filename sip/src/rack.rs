//! [`RAck`]: which reliable provisional answer a PRACK acknowledges.

use std::fmt;

use crate::cseq::CSeq;
use crate::error::HeaderError;

/// The RAck header (RFC 3262 section 7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RAck {
    /// The RSeq of the answer, from 1.
    pub rseq: u32,
    /// The CSeq of the request that was answered.
    pub cseq: CSeq,
}

impl RAck {
    /// Parses the header's value: three words.
    ///
    /// # Errors
    /// [`HeaderError::Malformed`], also for an RSeq of 0.
    pub fn parse(text: &str) -> Result<RAck, HeaderError> {
        const BAD: HeaderError = HeaderError::Malformed("RAck");
        let (rseq, cseq) = text
            .trim()
            .split_once(|c: char| c.is_ascii_whitespace())
            .ok_or(BAD)?;
        Ok(RAck {
            rseq: parse_rseq(rseq).ok_or(BAD)?,
            cseq: CSeq::parse(cseq).map_err(|_| BAD)?,
        })
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.rseq, self.cseq)
    }
}

/// The value of RSeq (RFC 3262 section 7.1): 1 to 2^32 - 1; `None` for anything else.
pub fn parse_rseq(text: &str) -> Option<u32> {
    let text = text.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten()?;
    (number > 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rack_is_read_and_written() {
        let rack = RAck::parse(" 776656  1 INVITE ");
        assert_eq!(rack.map(|r| r.to_string()), Ok("776656 1 INVITE".into()));
    }

    #[test]
    fn what_is_no_rack_is_refused() {
        for bad in [
            "",
            "1",
            "1 INVITE",
            "x 1 INVITE",
            "0 1 INVITE",
            "1 1 INVITE 2",
            "4294967296 1 INVITE",
        ] {
            assert!(RAck::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse_rseq("+1"), None);
    }
}
