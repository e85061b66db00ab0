//! Packet buffers that the kernel takes from a ring and gives back filled.
//!
//! One buffer, [`BUFFER_BYTES`] long: the kernel's description of the datagram (16 bytes), its
//! source address (32) and its control data (32), together [`HEADROOM_BYTES`]; then the payload;
//! then room that the kernel is not told of.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use patchbay_route::limits::{
    BUFFER_BYTES, BUFFERS_PER_THREAD, HEADROOM_BYTES, MAX_DATAGRAM_BYTES,
};

/// The ring's only buffer group.
pub const GROUP: u16 = 0;
/// Bytes of the source address in a buffer.
pub const NAME_BYTES: usize = 32;
/// Bytes of the control data in a buffer: one time stamp with its header.
pub const CONTROL_BYTES: usize = 32;

const PAGE: usize = 4096;
const MASK: u16 = BUFFERS_PER_THREAD - 1;
const COUNT: usize = BUFFERS_PER_THREAD as usize;

// The kernel's `io_uring_recvmsg_out` of 16 bytes comes first.
const _: () = assert!(HEADROOM_BYTES == 16 + NAME_BYTES + CONTROL_BYTES);

/// A filled buffer. Who has it may read and send it; nobody else has, until it is given back.
#[derive(Debug)]
#[must_use = "a buffer that is not given back is lost"]
pub struct Buffer {
    id: u16,
    len: usize,
}

/// The pool of a ring, and the ring by which the kernel takes from it.
///
/// The memory is freed by [`Buffers::release`] only. If a thread fails it stays, because the
/// kernel may go on using it for a moment after the ring has been closed.
#[derive(Debug)]
pub struct Buffers {
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    /// Where the next entry goes; the kernel sees it when published.
    tail: u16,
}

impl Buffers {
    /// Allocates the pool, registers it, and provides all of it.
    ///
    /// # Errors
    /// What the kernel says; the memory is freed then.
    pub fn new(submitter: &Submitter<'_>) -> io::Result<Buffers> {
        let entries = allocate(entries_layout()?)?.cast::<BufRingEntry>();
        let memory =
            allocate(memory_layout()?).inspect_err(|_| free(entries.cast(), entries_layout()))?;
        let address = entries.as_ptr() as u64;
        // SAFETY: the entries are page-aligned, zeroed, as many as said, and live until they
        // have been unregistered (`release`), or for ever.
        let registered = unsafe {
            submitter.register_buf_ring_with_flags(address, BUFFERS_PER_THREAD, GROUP, 0)
        };
        if let Err(e) = registered {
            free(entries.cast(), entries_layout());
            free(memory, memory_layout());
            return Err(e);
        }
        let mut buffers = Buffers {
            entries,
            memory,
            tail: 0,
        };
        for id in 0..BUFFERS_PER_THREAD {
            buffers.give_back(Buffer { id, len: 0 });
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The buffer that a completion names, with the length that it tells.
    ///
    /// To be called once for each such completion: the buffer is the caller's from here on.
    pub fn take(&self, id: u16, len: usize) -> Option<Buffer> {
        (id < BUFFERS_PER_THREAD && len <= HEADROOM_BYTES + MAX_DATAGRAM_BYTES)
            .then_some(Buffer { id, len })
    }

    /// What the kernel wrote into a buffer.
    pub fn bytes<'a>(&'a self, buffer: &'a Buffer) -> &'a [u8] {
        // SAFETY: `take` checked number and length, so that the range is within the pool; it is
        // initialised (allocated zeroed); the kernel does not write to it while a `Buffer`
        // exists, since that is when it is not provided.
        unsafe { std::slice::from_raw_parts(self.start(buffer.id).as_ptr(), buffer.len) }
    }

    /// Puts a buffer at the ring's end. The kernel gets it with the next [`Buffers::publish`].
    pub fn give_back(&mut self, buffer: Buffer) {
        let address = self.start(buffer.id).as_ptr() as u64;
        // SAFETY: masked, the index is below the number of entries. The kernel does not read
        // entries beyond the published tail, and there are never more buffers than entries.
        let entry = unsafe { self.entries.add(usize::from(self.tail & MASK)).as_mut() };
        entry.set_addr(address);
        entry.set_len((HEADROOM_BYTES + MAX_DATAGRAM_BYTES) as u32);
        entry.set_bid(buffer.id);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was given back.
    pub fn publish(&mut self) {
        // SAFETY: the tail is where the crate says, inside the registered entries, aligned to 2,
        // and written by this thread only; the kernel reads it. Release: the entries come first.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }

    /// Unregisters the pool and frees it. Nothing may be under way that uses it: no receive is
    /// armed, no send is queued.
    pub fn release(self, submitter: &Submitter<'_>) {
        if submitter.unregister_buf_ring(GROUP).is_ok() {
            free(self.entries.cast(), entries_layout());
            free(self.memory, memory_layout());
        }
    }

    fn start(&self, id: u16) -> NonNull<u8> {
        // SAFETY: every number in use is below the count, so that this is within the memory.
        unsafe { self.memory.add(usize::from(id & MASK) * BUFFER_BYTES) }
    }
}

fn entries_layout() -> io::Result<Layout> {
    layout(COUNT * size_of::<BufRingEntry>())
}

fn memory_layout() -> io::Result<Layout> {
    layout(COUNT * BUFFER_BYTES)
}

fn layout(bytes: usize) -> io::Result<Layout> {
    Layout::from_size_align(bytes, PAGE).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

fn allocate(layout: Layout) -> io::Result<NonNull<u8>> {
    // SAFETY: both layouts have a size above zero.
    NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}

fn free(memory: NonNull<u8>, layout: io::Result<Layout>) {
    if let Ok(layout) = layout {
        // SAFETY: allocated by `allocate` with this layout, and freed once: by `release`, which
        // takes the pool, or by a `new` that fails.
        unsafe { dealloc(memory.as_ptr(), layout) }
    }
}
