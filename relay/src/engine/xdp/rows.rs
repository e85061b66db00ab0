//! The rows in memory: written here while the program reads them, and read while it counts.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering, fence};

use patchbay_route::settled::{IN_CHANGE, Places, Row};

/// Words of a row, of which the first has its generation.
pub const ROW_WORDS: usize = size_of::<Row>() / 8;
/// Words of what the program is told beside the rows.
pub const PLACES_WORDS: usize = size_of::<Places>() / 8;

/// A row in memory.
pub type RowCell = [AtomicU64; ROW_WORDS];

/// Writes a row. What the program reads in between it does not use.
pub fn write(cell: &RowCell, row: &Row) {
    begin(cell);
    // SAFETY: `Row` is `repr(C)` of integers whose sizes add up to its own, so that it has no
    // padding; `settled` asserts the size.
    let words: [u64; ROW_WORDS] = unsafe { std::mem::transmute(*row) };
    for (at, word) in cell.iter().zip(words).skip(1) {
        at.store(word, Ordering::Relaxed);
    }
    let [first, ..] = cell;
    // Release: who sees the generation sees the rest.
    first.store(words[0], Ordering::Release);
}

/// From now on the program leaves the row's packets to the sockets.
pub fn begin(cell: &RowCell) {
    let [first, ..] = cell;
    first.store(u64::from(IN_CHANGE), Ordering::Relaxed);
    // The generation before everything that is written or read after it.
    fence(Ordering::SeqCst);
}

/// The row as it is at this moment; the program may be counting in it.
pub fn read(cell: &RowCell) -> Row {
    let words = cell.each_ref().map(|word| word.load(Ordering::Relaxed));
    // SAFETY: as in `write`; any bits are a `Row`.
    unsafe { std::mem::transmute(words) }
}

/// Puts what the program is told beside the rows into words.
pub fn places(places: &Places) -> [u64; PLACES_WORDS] {
    // SAFETY: `Places` is `repr(C)` of integers whose sizes add up to its own.
    unsafe { std::mem::transmute(*places) }
}

/// The other way round.
pub fn of_places(words: [u64; PLACES_WORDS]) -> Places {
    // SAFETY: as above; any bits are a `Places`.
    unsafe { std::mem::transmute(words) }
}

const _: () = assert!(ROW_WORDS * 8 == size_of::<Row>());
const _: () = assert!(PLACES_WORDS * 8 == size_of::<Places>());
