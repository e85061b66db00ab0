//! Values of BPF arrays in this process's memory: written here and read by a program in the kernel,
//! or the other way round.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use patchbay_route::steering::PortCell;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What may lie in memory that a program in the kernel writes at any time.
///
/// # Safety
/// The type consists of atomics alone, and all zeros are a value of it.
pub unsafe trait Shared: Sync {}

// SAFETY: it consists of atomics, which may be zero.
unsafe impl Shared for PortCell {}
// SAFETY: as above.
unsafe impl<const N: usize> Shared for [AtomicU64; N] {}

/// The values of one array, whose flags have `BPF_F_MMAPABLE`.
#[derive(Debug)]
pub struct Mapped<T: Shared> {
    values: NonNull<T>,
    len: usize,
}

// SAFETY: the values consist of atomics alone, and the memory stays until this is dropped.
unsafe impl<T: Shared> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for Mapped<T> {}

impl<T: Shared> Mapped<T> {
    /// Maps an array of that many values, whose size is a multiple of 8 bytes.
    ///
    /// # Errors
    /// What the kernel says; it says no if the array is smaller.
    pub fn new(map: impl AsFd, len: usize) -> io::Result<Mapped<T>> {
        assert!(
            size_of::<T>().is_multiple_of(8),
            "values lie next to each other"
        );
        let bytes = len * size_of::<T>();
        // SAFETY: a new mapping at a place that the kernel chooses; the kernel refuses one that is
        // longer than the array's values, which lie next to each other.
        let memory = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                map,
                0,
            )?
        };
        let values = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapped { values, len })
    }

    /// The value at an index.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&T> {
        let index = index as usize;
        // SAFETY: within the mapping, which is aligned to a page and zeroed by the kernel at first.
        (index < self.len).then(|| unsafe { self.values.add(index).as_ref() })
    }
}

impl<T: Shared> Drop for Mapped<T> {
    fn drop(&mut self) {
        let bytes = self.len * size_of::<T>();
        // SAFETY: mapped by `new` with this length; no value is borrowed any more.
        let _ = unsafe { munmap(self.values.as_ptr().cast(), bytes) };
    }
}
