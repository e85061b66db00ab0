//! Files that want to do harm: whatever the bytes, an answer, and never more memory than was said.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{riff, wav};
use crate::audio::{MAX_CLIP_BYTES, read_wav};

/// Fails if a clip is larger than its file allows: at 4 kHz each byte becomes two samples.
fn is_bounded(file: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(clip) = read_wav(file) {
        let samples = clip.samples().len();
        prop_assert!(samples > 0);
        prop_assert!(samples <= MAX_CLIP_BYTES);
        prop_assert!(samples <= 2 * file.len());
    }
    Ok(())
}

/// Numbers that decide something, and any other.
fn tag() -> impl Strategy<Value = u16> {
    prop_oneof![4 => prop_oneof![Just(1), Just(3), Just(6), Just(7), Just(0xfffe)], 1 => any::<u16>()]
}

fn rate() -> impl Strategy<Value = u32> {
    prop_oneof![
        Just(0),
        Just(8_000),
        Just(44_100),
        4_000..=192_000u32,
        any::<u32>()
    ]
}

fn bits() -> impl Strategy<Value = u16> {
    prop_oneof![4 => (0..=9u16).prop_map(|bytes| bytes * 8), 1 => any::<u16>()]
}

proptest! {
    #[test]
    fn any_bytes(file in vec(any::<u8>(), 0..2_048)) {
        is_bounded(&file)?;
    }

    #[test]
    fn any_chunks(chunks in vec((prop_oneof![
        Just(*b"fmt "), Just(*b"data"), any::<[u8; 4]>()], vec(any::<u8>(), 0..64)), 0..8)) {
        let chunks: Vec<_> = chunks.iter().map(|(name, content)| (*name, &content[..])).collect();
        is_bounded(&riff(&chunks))?;
    }

    #[test]
    fn any_numbers_in_a_format(
        (tag, channels, rate, bits) in (tag(), prop_oneof![0..=9u16, any::<u16>()], rate(), bits()),
        data in vec(any::<u8>(), 0..2_048),
    ) {
        is_bounded(&wav(tag, channels, rate, bits, &data))?;
    }

    #[test]
    fn a_good_file_that_was_changed_and_cut(
        (rate, data) in (rate(), vec(any::<u8>(), 0..512)),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = wav(1, 2, rate, 16, &data);
        for (place, byte) in changes {
            // The head decides what is done with the rest.
            let place = place.index(44);
            file[place] = byte;
        }
        is_bounded(&file)?;
        file.truncate(cut.index(file.len()));
        is_bounded(&file)?;
    }

    #[test]
    fn floats_that_are_no_numbers_are_silence_or_loud(data in vec(any::<f32>(), 1..256), rate in 4_000..=192_000u32) {
        let bytes: Vec<u8> = data.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let clip = read_wav(&wav(3, 1, rate, 32, &bytes)).unwrap();
        prop_assert_eq!(clip.samples().len(), (data.len() * 8_000).div_ceil(rate as usize));
    }
}
