//! Session descriptions (RFC 8866, RFC 3264), every line of which is kept.

mod hide;
mod lines;
mod media;
mod values;
mod write;

use std::net::IpAddr;

use bytes::Bytes;

pub use lines::{Attribute, Media, Session};
pub use media::{Codec, Direction, MediaKind, MediaView};
pub use values::{Connection, Origin};

/// Longest description in bytes.
pub const MAX_SDP_BYTES: usize = 32_768;
/// Most media sections.
pub const MAX_MEDIA: usize = 32;
/// The type of a body that is a session description.
pub const MIME: &str = "application/sdp";

/// Why a session description was refused: answer 400, or 488 for [`SdpError::TooManyMedia`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`MAX_SDP_BYTES`].
    #[error("session description too long")]
    TooLong,
    /// More than [`MAX_MEDIA`] sections.
    #[error("too many media sections")]
    TooManyMedia,
    /// Not of its syntax; the text names the line.
    #[error("malformed session description: {0}")]
    Malformed(String),
    /// There is no such media section.
    #[error("no media section {0}")]
    NoMedia(usize),
}

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sdp {
    session: Session,
}

impl Sdp {
    /// Parses a description. White space in the user name of `o=`, which is common and wrong, is made
    /// harmless first, and so are versions too long for 64 bits.
    ///
    /// # Errors
    /// [`SdpError`].
    pub fn parse(body: &[u8]) -> Result<Sdp, SdpError> {
        if body.len() > MAX_SDP_BYTES {
            return Err(SdpError::TooLong);
        }
        let session = Session::parse(body)?;
        if session.medias.len() > MAX_MEDIA {
            return Err(SdpError::TooManyMedia);
        }
        Ok(Sdp { session })
    }

    /// The bytes to send.
    pub fn encode(&self) -> Bytes {
        Bytes::from(write::session(&self.session))
    }

    /// Its lines.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The same, to change.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Number of media sections.
    pub fn len(&self) -> usize {
        self.session.medias.len()
    }

    /// True without media sections.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Media section `index`, from 0.
    pub fn media(&self, index: usize) -> Option<MediaView<'_>> {
        let media = self.session.medias.get(index)?;
        Some(MediaView::new(&self.session, media))
    }

    /// All media sections in order.
    pub fn medias(&self) -> impl Iterator<Item = MediaView<'_>> {
        self.session
            .medias
            .iter()
            .map(|media| MediaView::new(&self.session, media))
    }

    /// The first section of `kind` that is not refused by port 0, with its index.
    pub fn first_active(&self, kind: MediaKind<'_>) -> Option<(usize, MediaView<'_>)> {
        self.medias()
            .enumerate()
            .find(|(_, media)| media.kind() == kind && media.port() != 0)
    }

    /// The address of session level.
    pub fn connection(&self) -> Option<IpAddr> {
        media::address(self.session.connection.as_ref()?)
    }
}
