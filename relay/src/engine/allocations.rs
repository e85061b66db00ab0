//! Counts what each thread asks of the allocator, so that "a packet costs no allocation" can be
//! seen on a running relay and not only believed.
//!
//! [`Counted`] goes around a program's global allocator. A thread's count is its own: no thread
//! waits for another, and counting costs one addition to a thread-local word.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

thread_local! {
    /// Initialised at compile time and without a destructor, so that reading it neither
    /// allocates nor fails, at any moment of a thread's life.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// An allocator that counts the allocations of each thread, those that grow or shrink too.
///
/// ```
/// use patchbay_relay::engine::allocations::{Counted, is_counted};
///
/// #[global_allocator]
/// static ALLOCATOR: Counted<std::alloc::System> = Counted(std::alloc::System);
///
/// assert!(is_counted());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted<A>(pub A);

#[inline]
fn count() {
    COUNT.with(|count| count.set(count.get().wrapping_add(1)));
}

// SAFETY: each call is passed on unchanged to an allocator that keeps the contract; counting
// neither allocates nor unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Counted<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { self.0.realloc(memory, layout, size) }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { self.0.dealloc(memory, layout) }
    }
}

/// Allocations of the calling thread since it began; 0 unless the program's global allocator is
/// a [`Counted`].
#[inline]
#[must_use]
pub fn of_this_thread() -> u64 {
    COUNT.with(Cell::get)
}

/// Whether allocations are counted in this program, so that a count of 0 says something.
#[must_use]
pub fn is_counted() -> bool {
    let before = of_this_thread();
    drop(std::hint::black_box(Box::new(0_u8)));
    of_this_thread() != before
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::System;

    #[test]
    fn each_thread_counts_for_itself() {
        let layout = Layout::new::<[u64; 4]>();
        let four = move |allocator: Counted<System>| {
            let before = of_this_thread();
            // SAFETY: the layout has a size; what was allocated with it is freed with it, and
            // growing keeps its alignment.
            unsafe {
                let plain = allocator.alloc(layout);
                let zeroed = allocator.alloc_zeroed(layout);
                let grown = allocator.realloc(plain, layout, 64);
                let larger = Layout::from_size_align_unchecked(64, layout.align());
                allocator.dealloc(grown, larger);
                allocator.dealloc(zeroed, layout);
                allocator.dealloc(allocator.alloc(layout), layout);
            }
            of_this_thread() - before
        };
        assert_eq!(four(Counted(System)), 4);
        let here = of_this_thread();
        let there = std::thread::spawn(move || four(Counted(System))).join();
        assert_eq!(there.ok(), Some(4));
        assert_eq!(of_this_thread(), here);
    }

    #[test]
    fn a_program_with_another_allocator_is_told_so() {
        assert!(!is_counted());
    }
}
