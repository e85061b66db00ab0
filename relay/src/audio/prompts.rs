//! The prompts that are compiled in. `scripts/make-prompts` makes them of `relay/audio/*/prompts.txt`.

/// What each language has, beside the numbers from 1 to 99.
pub(super) const SENTENCES: [&str; 12] = [
    "position",
    "in-queue",
    "next",
    "more-than-99",
    "wait",
    "minute",
    "minutes",
    "less-than-minute",
    "more-than-hour",
    "thanks-for-waiting",
    "press-1-callback",
    "goodbye",
];

/// The files of one language, by the names of their clips.
macro_rules! spoken {
    ($language:literal: $($name:literal)*) => {
        [$((
            concat!($language, "/", $name),
            include_bytes!(concat!("../../audio/", $language, "/", $name, ".wav")) as &[u8],
        )),*]
    };
}

type Spoken = (&'static str, &'static [u8]);

/// English: tens before units.
static ENGLISH: [Spoken; 39] = spoken! { "en":
    "position" "in-queue" "next" "more-than-99" "wait" "minute" "minutes" "less-than-minute"
    "more-than-hour" "thanks-for-waiting" "press-1-callback" "goodbye"
    "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15" "16" "17" "18" "19"
    "20" "30" "40" "50" "60" "70" "80" "90"
};

/// German: units and "und" before tens.
static GERMAN: [Spoken; 48] = spoken! { "de":
    "position" "in-queue" "next" "more-than-99" "wait" "minute" "minutes" "less-than-minute"
    "more-than-hour" "thanks-for-waiting" "press-1-callback" "goodbye"
    "1" "2" "3" "4" "5" "6" "7" "8" "9" "10" "11" "12" "13" "14" "15" "16" "17" "18" "19"
    "20" "30" "40" "50" "60" "70" "80" "90"
    "1-and" "2-and" "3-and" "4-and" "5-and" "6-and" "7-and" "8-and" "9-and"
};

/// The names of the clips, and the WAV files.
pub(super) fn spoken() -> impl Iterator<Item = Spoken> {
    ENGLISH.iter().chain(&GERMAN).copied()
}
