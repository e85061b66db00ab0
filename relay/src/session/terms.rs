//! What both sides were told last, word for word: a refresh by re-INVITE offers it once more (RFC 4028
//! section 7.4), with the version that it had, so that its receiver sees that nothing has changed
//! (RFC 3264 section 8).
//!
//! It is kept while an exchange is under way, and beyond that only where the relay refreshes a phone in
//! this way: no other call pays for it.

use super::Context;
use super::handover::SaidState;
use super::media::{Ends, MediaError, MediaState, SDP_TYPE};
use crate::engine::Side;
use crate::readdress::sdp::Description;
use bytes::Bytes;
use patchbay_sip::Message;

/// The last description that a side was sent, and the last that it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) sent: Bytes,
    /// Its version in `o=`.
    pub(super) version: u64,
    pub(super) heard: Bytes,
}

impl Said {
    /// For the next process.
    pub(super) fn hand_over(&self) -> SaidState {
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        SaidState {
            sent: text(&self.sent),
            version: self.version,
            heard: text(&self.heard),
        }
    }
}

impl SaidState {
    /// In the next process.
    pub(super) fn restore(self) -> Said {
        Said {
            sent: self.sent.into(),
            version: self.version,
            heard: self.heard.into(),
        }
    }
}

/// A description as it went out.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) body: Bytes,
    pub(super) version: u64,
}

/// An exchange that is under way.
#[derive(Debug)]
struct Pending {
    offerer: Side,
    /// The offer as its sender wrote it, and as the other side got it.
    offer: (Bytes, Sent),
    /// The same of the answer.
    answer: Option<(Bytes, Sent)>,
}

/// What was said in a call.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pending: Option<Pending>,
    agreed: Option<[Said; 2]>,
    /// `agreed` stands by itself, without the messages that it came in.
    copied: bool,
}

impl Terms {
    /// Terms that hold.
    pub(super) fn of(agreed: [Said; 2]) -> Terms {
        Terms {
            agreed: Some(agreed),
            ..Terms::default()
        }
    }

    /// The exchange that was answered holds from now on.
    fn settle(&mut self) {
        let Some(Pending {
            offerer,
            offer: (offered, offer),
            answer: Some((answered, answer)),
        }) = self.pending.take()
        else {
            return;
        };
        let said = |sent: Sent, heard| Said {
            sent: sent.body,
            version: sent.version,
            heard,
        };
        let (of_offerer, of_answerer) = (said(answer, offered), said(offer, answered));
        self.copied = false;
        self.agreed = Some(match offerer {
            Side::Client => [of_offerer, of_answerer],
            Side::Agent => [of_answerer, of_offerer],
        });
    }
}

impl MediaState {
    /// An offer of `side` has gone to the other one.
    pub(super) fn note_offer(&mut self, side: Side, heard: &Bytes, sent: Sent) {
        let terms = self.terms.get_or_insert_default();
        terms.settle();
        terms.pending = Some(Pending {
            offerer: side,
            offer: (heard.clone(), sent),
            answer: None,
        });
    }

    /// Its answer has gone back.
    pub(super) fn note_answer(&mut self, heard: &Bytes, sent: Sent) {
        let pending = self.terms.as_mut().and_then(|it| it.pending.as_mut());
        if let Some(pending) = pending {
            pending.answer = Some((heard.clone(), sent));
        }
    }

    /// The answer of the exchange under way holds.
    pub(super) fn settle_terms(&mut self) {
        if let Some(terms) = &mut self.terms {
            terms.settle();
        }
    }

    /// The exchange under way has failed: what held before holds on.
    pub(super) fn forget_pending(&mut self) {
        if let Some(terms) = &mut self.terms {
            terms.pending = None;
        }
    }

    /// Whether a description for `side` is known, or will be once it has answered what it was sent.
    pub(super) fn can_repeat(&self, side: Side) -> bool {
        self.terms.as_ref().is_some_and(|terms| {
            let pending = terms.pending.as_ref();
            let known = pending.is_some_and(|it| it.answer.is_some() || it.offerer != side);
            known || terms.agreed.is_some()
        })
    }

    /// What `side` was sent last. If it has refused another offer since, the version goes on from there.
    pub(super) fn repeated(&mut self, side: Side) -> Option<Bytes> {
        let said = self.terms.as_mut()?.agreed.as_mut()?;
        let said = &mut said[side.index()];
        let (_, version) = self.origin[side.index()].as_mut()?;
        if said.version != *version {
            *version += 1;
            said.version = *version;
            said.sent = with_version(&said.sent, *version);
        }
        Some(said.sent.clone())
    }

    /// Takes the answer of `side` to what it was sent once more. The media follow where it says
    /// something else than before; the other side is asked nothing.
    ///
    /// # Errors
    /// The description is unusable: everything stays as it was.
    pub(super) fn answered_again(
        &mut self,
        cx: &mut Context<'_>,
        ends: Ends,
        side: Side,
        answer: &Message,
    ) -> Result<(), MediaError> {
        let said = self.terms.as_ref().and_then(|it| it.agreed.as_ref());
        let Some(said) = said.filter(|_| !answer.body.is_empty()) else {
            return Ok(());
        };
        let before = &said[side.index()].heard;
        if *before == answer.body {
            return Ok(());
        }
        if !answer.has_content_type(SDP_TYPE) {
            return Err(MediaError::Type);
        }
        let (before, offer) = (before.clone(), said[side.other().index()].heard.clone());
        let now = Description::read(&answer.body)?;
        if Description::read(&before)?.lines() != now.lines() {
            let offer = Description::read(&offer)?;
            self.remember_names(side, &now);
            self.follow(cx, ends, (side.other(), &offer), (side, &now));
        }
        if let Some(said) = self.terms.as_mut().and_then(|it| it.agreed.as_mut()) {
            said[side.index()].heard = Bytes::copy_from_slice(&answer.body);
        }
        Ok(())
    }

    /// Forgets what is not needed any more, when no exchange is under way. `needed` says whether the
    /// relay refreshes a side by what it was sent.
    pub(super) fn trim_terms(&mut self, needed: bool) {
        if self.offer.is_some() || self.terms.is_none() {
            return;
        }
        self.terms
            .take_if(|terms| !needed || terms.agreed.is_none());
        let Some(terms) = self.terms.as_mut().filter(|terms| !terms.copied) else {
            return;
        };
        terms.copied = true;
        for said in terms.agreed.iter_mut().flatten() {
            said.heard = Bytes::copy_from_slice(&said.heard);
        }
    }

    /// For `side` holds what was said in another session.
    pub(super) fn keep_terms_of(&mut self, side: Side, other: &MediaState) {
        let mine = self.terms.as_mut().and_then(|it| it.agreed.as_mut());
        if let (Some(mine), Some(theirs)) = (mine, other.agreed_terms()) {
            mine[side.index()] = theirs[side.index()].clone();
        }
    }

    /// What holds, for the next process.
    pub(super) fn agreed_terms(&self) -> Option<&[Said; 2]> {
        self.terms.as_ref()?.agreed.as_ref()
    }
}

/// The same description with another version in `o=`.
fn with_version(body: &[u8], version: u64) -> Bytes {
    let text = String::from_utf8_lossy(body);
    let line = |line: &str| {
        let mut fields = line.strip_prefix("o=")?.splitn(4, ' ');
        let (name, id, _, rest) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        Some(format!("o={name} {id} {version} {rest}"))
    };
    let lines = text.split_inclusive('\n');
    let lines = lines.map(|it| line(it).unwrap_or_else(|| it.to_owned()));
    lines.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_of_a_description_changes() {
        let before = "v=0\r\no=- 77 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";
        let after = "v=0\r\no=- 77 3 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n";
        assert_eq!(with_version(before.as_bytes(), 3), after);
        assert_eq!(with_version(b"o=broken\r\n", 3), "o=broken\r\n");
    }
}
