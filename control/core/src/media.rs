//! Which media of a session description can be served (requirement A2).
//!
//! Codecs are not decoded here: the relay passes them on. What counts is that the description
//! offers something which a phone of an agent can be expected to know, so that a caller with
//! nothing usable hears 488 at once and no agent's phone rings for it.

use crate::facts::{Facts, Medium};
use crate::slot::Slot;

const RTP: &[&str] = &[
    "RTP/AVP",
    "RTP/AVPF",
    "RTP/SAVP",
    "RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "UDP/TLS/RTP/SAVPF",
];
const MSRP: &[&str] = &["TCP/MSRP", "TCP/TLS/MSRP", "TCP/WS/MSRP", "TCP/WSS/MSRP"];
const AUDIO: &[&str] = &[
    "PCMU",
    "PCMA",
    "G722",
    "G7221",
    "opus",
    "G729",
    "G729D",
    "G729E",
    "G723",
    "G726-16",
    "G726-24",
    "G726-32",
    "G726-40",
    "G728",
    "GSM",
    "GSM-EFR",
    "GSM-HR-08",
    "iLBC",
    "L8",
    "L16",
    "L24",
    "speex",
    "AMR",
    "AMR-WB",
    "AMR-WB+",
    "EVS",
    "SILK",
    "DVI4",
    "VDVI",
    "LPC",
    "QCELP",
    "EVRC",
    "EVRC0",
    "EVRC1",
    "EVRCB",
    "EVRCWB",
    "MP4A-LATM",
    "mpeg4-generic",
    "iSAC",
    "BV16",
    "BV32",
];
const VIDEO: &[&str] = &[
    "H261",
    "H263",
    "H263-1998",
    "H263-2000",
    "H264",
    "H264-SVC",
    "H265",
    "H266",
    "VP8",
    "VP9",
    "AV1",
    "MP4V-ES",
    "JPEG",
    "MPV",
    "theora",
];
const TEXT: &[&str] = &["t140"];

/// The media that can be served, and for the others why not.
#[derive(Debug, Default)]
pub(crate) struct Usable {
    pub media: Vec<Medium>,
    pub unusable: Vec<String>,
}

impl Usable {
    pub fn of(facts: &Facts) -> Self {
        if let Some(slot) = facts.medium {
            return Self {
                media: slot.media(),
                unusable: Vec::new(),
            };
        }
        let mut usable = Self::default();
        if facts.media.is_empty() && facts.delayed_offer {
            usable.media.push(Medium {
                kind: "audio".into(),
                port: 9,
                protocol: "RTP/AVP".into(),
                codecs: Vec::new(),
            });
        }
        for medium in &facts.media {
            match check(medium) {
                Ok(()) => usable.media.push(medium.clone()),
                Err(why) => usable.unusable.push(why),
            }
        }
        if facts.media.is_empty() && !facts.delayed_offer {
            usable.unusable.push("no session description".into());
        }
        usable
    }

    /// The medium in which a contact is served: a call, unless it can be nothing of the kind.
    pub fn slot(&self, facts: &Facts) -> Slot {
        let has = |kind: &str| {
            self.media
                .iter()
                .any(|one| one.kind.eq_ignore_ascii_case(kind))
        };
        match facts.medium {
            Some(slot) => slot,
            None if has("audio") => Slot::Call,
            None if has("video") => Slot::Video,
            None if has("message") || has("text") => Slot::Chat,
            None => Slot::Call,
        }
    }

    /// The kinds of the usable media in order, each once.
    pub fn kinds(&self) -> Vec<String> {
        let mut kinds: Vec<String> = Vec::new();
        for medium in &self.media {
            let kind = medium.kind.to_ascii_lowercase();
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

fn check(medium: &Medium) -> Result<(), String> {
    let kind = medium.kind.to_ascii_lowercase();
    if medium.port == 0 {
        return Err(format!("{kind}: not wanted (port 0)"));
    }
    let (protocols, codecs): (_, Option<&[&str]>) = match kind.as_str() {
        "audio" => (RTP, Some(AUDIO)),
        "video" => (RTP, Some(VIDEO)),
        "text" => (RTP, Some(TEXT)),
        "message" => (MSRP, None),
        _ => return Err(format!("{kind}: not a medium that can be served")),
    };
    if !among(protocols, &medium.protocol) {
        return Err(format!("{kind}: protocol {} is not known", medium.protocol));
    }
    match codecs {
        Some(known) if !medium.codecs.iter().any(|codec| among(known, codec)) => Err(format!(
            "{kind}: none of its codecs is known ({})",
            medium.codecs.join(", ")
        )),
        _ => Ok(()),
    }
}

fn among(known: &[&str], name: &str) -> bool {
    known.iter().any(|one| one.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn medium(kind: &str, port: u16, protocol: &str, codecs: &[&str]) -> Medium {
        Medium {
            kind: kind.into(),
            port,
            protocol: protocol.into(),
            codecs: codecs.iter().map(|c| (*c).into()).collect(),
        }
    }

    fn kinds(media: &[Medium]) -> Vec<String> {
        Usable::of(&Facts {
            media: media.to_vec(),
            ..Facts::default()
        })
        .kinds()
    }

    // A2
    #[test]
    fn media_with_a_known_protocol_and_codec_are_usable() {
        for (kind, protocol, codecs) in [
            ("audio", "RTP/AVP", &["pcmu", "telephone-event"][..]),
            ("audio", "RTP/SAVP", &["OPUS"]),
            ("audio", "UDP/TLS/RTP/SAVPF", &["x-new", "G722"]),
            ("video", "rtp/avpf", &["VP8"]),
            ("message", "TCP/TLS/MSRP", &[]),
            ("text", "RTP/AVP", &["red", "t140"]),
        ] {
            assert_eq!(kinds(&[medium(kind, 4000, protocol, codecs)]), [kind]);
        }
    }

    // A2
    #[test]
    fn media_that_nobody_could_answer_are_not() {
        for refused in [
            medium("audio", 4000, "RTP/AVP", &["telephone-event", "CN"]),
            medium("audio", 4000, "RTP/AVP", &[]),
            medium("audio", 0, "RTP/AVP", &["PCMU"]),
            medium("audio", 4000, "TCP/MSRP", &["PCMU"]),
            medium("application", 4000, "RTP/AVP", &["PCMU"]),
            medium("message", 4000, "RTP/AVP", &[]),
        ] {
            assert!(
                kinds(core::slice::from_ref(&refused)).is_empty(),
                "{refused:?}"
            );
        }
        assert!(kinds(&[]).is_empty());
    }

    #[test]
    fn a_request_for_an_offer_counts_as_audio() {
        let facts = Facts {
            delayed_offer: true,
            ..Facts::default()
        };
        assert_eq!(Usable::of(&facts).kinds(), ["audio"]);
    }
}
