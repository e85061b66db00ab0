//! Packet buffers that the kernel takes from a ring and gives back filled.
//!
//! There are two pools. A *message* buffer is for sockets that hear everybody: the kernel writes
//! its description of the datagram (16 bytes), its source address (32) and its control data (80),
//! together [`HEADROOM_BYTES`], then the payload. A *payload* buffer is for sockets that are
//! connected to their learned source: the kernel writes the payload alone, at the same place.
//! Behind both is room that the kernel is not told of.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use patchbay_route::limits::{
    BUFFER_BYTES, BUFFERS_PER_THREAD, HEADROOM_BYTES, MAX_DATAGRAM_BYTES,
    MESSAGE_BUFFERS_PER_THREAD,
};

/// Bytes of the source address in a message buffer.
pub const NAME_BYTES: usize = 32;
/// Bytes of the control data in a message buffer: a time stamp (32) and the address that the
/// datagram was sent to (48 for IPv6), each with its header.
pub const CONTROL_BYTES: usize = 80;

const PAGE: usize = 4096;

// The kernel's `io_uring_recvmsg_out` of 16 bytes comes first.
const _: () = assert!(HEADROOM_BYTES == 16 + NAME_BYTES + CONTROL_BYTES);

/// Which pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With description, source and control data.
    Message,
    /// The payload alone.
    Payload,
}

impl Kind {
    /// The number of its buffer group.
    pub const fn group(self) -> u16 {
        match self {
            Kind::Message => 0,
            Kind::Payload => 1,
        }
    }

    /// Where in a buffer the kernel writes.
    const fn offset(self) -> usize {
        match self {
            Kind::Message => 0,
            Kind::Payload => HEADROOM_BYTES,
        }
    }

    /// How much it may write. One byte more than a payload may have, so that a longer one shows.
    const fn room(self) -> usize {
        match self {
            Kind::Message => HEADROOM_BYTES + MAX_DATAGRAM_BYTES,
            Kind::Payload => MAX_DATAGRAM_BYTES + 1,
        }
    }
}

/// A filled buffer. Who has it may read and send it; nobody else has, until it is given back.
#[derive(Debug)]
#[must_use = "a buffer that is not given back is lost"]
pub struct Buffer {
    /// `None`: the kernel took none, since the datagram was empty.
    place: Option<(Kind, u16)>,
    len: u32,
}

impl Buffer {
    /// What the kernel used for an empty datagram.
    pub const EMPTY: Buffer = Buffer {
        place: None,
        len: 0,
    };
}

/// How many buffers a ring has. Each number is a power of two, at most 32,768.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    messages: u16,
    payloads: Option<u16>,
}

impl Sizes {
    /// For sockets that are connected once their source is learned.
    pub const BOUND: Sizes = Sizes {
        messages: MESSAGE_BUFFERS_PER_THREAD,
        payloads: Some(BUFFERS_PER_THREAD),
    };
    /// For sockets that always hear everybody.
    pub const STEERED: Sizes = Sizes {
        messages: BUFFERS_PER_THREAD,
        payloads: None,
    };
}

/// The pools of a ring.
#[derive(Debug)]
pub struct Buffers {
    messages: Pool,
    payloads: Option<Pool>,
}

impl Buffers {
    /// Allocates the pools, registers them, and provides all buffers.
    ///
    /// # Errors
    /// What the kernel says; no memory is kept then.
    pub fn new(submitter: &Submitter<'_>, sizes: Sizes) -> io::Result<Buffers> {
        let mut messages = Pool::new(Kind::Message, sizes.messages, submitter)?;
        let payloads = sizes
            .payloads
            .map(|count| Pool::new(Kind::Payload, count, submitter));
        match payloads.transpose() {
            Ok(payloads) => Ok(Buffers { messages, payloads }),
            Err(e) => {
                messages.release(submitter);
                Err(e)
            }
        }
    }

    /// The buffer that a completion names, with the length that it tells.
    ///
    /// To be called once for each such completion: the buffer is the caller's from here on.
    pub fn take(&self, kind: Kind, id: u16, len: usize) -> Option<Buffer> {
        let len = u32::try_from(len).ok()?;
        let count = self.pool(kind)?.count;
        (id < count && len as usize <= kind.room()).then_some(Buffer {
            place: Some((kind, id)),
            len,
        })
    }

    /// What the kernel wrote into a buffer.
    pub fn bytes<'a>(&'a self, buffer: &'a Buffer) -> &'a [u8] {
        let Some((kind, id)) = buffer.place else {
            return &[];
        };
        let Some(start) = self.pool(kind).map(|pool| pool.start(id)) else {
            return &[];
        };
        // SAFETY: `take` checked number and length, so that the range is within the buffer; it is
        // initialised (allocated zeroed); the kernel does not write to it while a `Buffer`
        // exists, since that is when it is not provided.
        unsafe {
            let written = start.add(kind.offset());
            std::slice::from_raw_parts(written.as_ptr(), buffer.len as usize)
        }
    }

    /// The payload in a buffer; `None` if a message is cut short.
    pub fn payload<'a>(&'a self, buffer: &'a Buffer) -> Option<&'a [u8]> {
        let bytes = self.bytes(buffer);
        match buffer.place {
            Some((Kind::Message, _)) => bytes.get(HEADROOM_BYTES..),
            Some((Kind::Payload, _)) | None => Some(bytes),
        }
    }

    /// Writes headers in front of the payload in a message's buffer, over what the kernel said of
    /// it: the datagram as it leaves. `None` if there is no room, or the message is cut short.
    pub fn frame<'a>(&'a mut self, buffer: &'a Buffer, head: &[u8]) -> Option<&'a [u8]> {
        let Some((Kind::Message, id)) = buffer.place else {
            return None;
        };
        let from = HEADROOM_BYTES.checked_sub(head.len())?;
        let len = (buffer.len as usize).checked_sub(from)?;
        // SAFETY: `take` checked number and length, so that the range is within the buffer; it is
        // initialised, and nobody else has it while a `Buffer` exists. `head` cannot be part of
        // it, because `self` is borrowed for writing.
        unsafe {
            let start = self.messages.start(id).add(from);
            std::ptr::copy_nonoverlapping(head.as_ptr(), start.as_ptr(), head.len());
            Some(std::slice::from_raw_parts(start.as_ptr(), len))
        }
    }

    /// Puts a buffer at its ring's end. The kernel gets it with the next [`Buffers::publish`].
    pub fn give_back(&mut self, buffer: Buffer) {
        match (buffer.place, &mut self.payloads) {
            (Some((Kind::Message, id)), _) => self.messages.give_back(id),
            (Some((Kind::Payload, id)), Some(payloads)) => payloads.give_back(id),
            (Some((Kind::Payload, _)), None) | (None, _) => {}
        }
    }

    /// Shows the kernel what was given back.
    pub fn publish(&mut self) {
        self.messages.publish();
        if let Some(payloads) = &mut self.payloads {
            payloads.publish();
        }
    }

    /// Unregisters the pools and frees them; they are empty from then on. Nothing may be under way
    /// that uses them: no receive is armed, and none is any more.
    pub fn release(&mut self, submitter: &Submitter<'_>) {
        self.messages.release(submitter);
        if let Some(payloads) = &mut self.payloads {
            payloads.release(submitter);
        }
    }

    fn pool(&self, kind: Kind) -> Option<&Pool> {
        match kind {
            Kind::Message => Some(&self.messages),
            Kind::Payload => self.payloads.as_ref(),
        }
    }
}

/// One pool, and the ring by which the kernel takes from it.
///
/// The memory is freed by [`Pool::release`] only, once the kernel has given the pool back: it may go
/// on using it for a moment after a ring has been closed.
#[derive(Debug)]
struct Pool {
    kind: Kind,
    count: u16,
    entries: NonNull<BufRingEntry>,
    memory: NonNull<u8>,
    /// Where the next entry goes.
    tail: u16,
    /// What the kernel has been shown.
    published: u16,
}

impl Pool {
    fn new(kind: Kind, count: u16, submitter: &Submitter<'_>) -> io::Result<Pool> {
        let entries = allocate(entries_layout(count)?)?.cast::<BufRingEntry>();
        let memory = allocate(memory_layout(count)?)
            .inspect_err(|_| free(entries.cast(), entries_layout(count)))?;
        let address = entries.as_ptr() as u64;
        // SAFETY: the entries are page-aligned, zeroed, as many as said, and live until they
        // have been unregistered (`release`), or for ever.
        let registered =
            unsafe { submitter.register_buf_ring_with_flags(address, count, kind.group(), 0) };
        if let Err(e) = registered {
            free(entries.cast(), entries_layout(count));
            free(memory, memory_layout(count));
            return Err(e);
        }
        let mut pool = Pool {
            kind,
            count,
            entries,
            memory,
            tail: 0,
            published: 0,
        };
        for id in 0..count {
            pool.touch(id);
            pool.give_back(id);
        }
        pool.publish();
        Ok(pool)
    }

    /// Makes the kernel find the memory of a usual packet now, not when the first one comes.
    fn touch(&mut self, id: u16) {
        let start = self.start(id);
        // SAFETY: within the buffer; nobody else has it yet.
        unsafe { start.write_bytes(0, HEADROOM_BYTES) };
    }

    fn give_back(&mut self, id: u16) {
        let kind = self.kind;
        let address = self.start(id).as_ptr() as u64 + kind.offset() as u64;
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: masked, the index is below the number of entries. The kernel does not read
        // entries beyond the published tail, and there are never more buffers than entries.
        let entry = unsafe { self.entries.add(index).as_mut() };
        entry.set_addr(address);
        entry.set_len(kind.room() as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&mut self) {
        if self.tail == self.published {
            return;
        }
        self.published = self.tail;
        // SAFETY: the tail is where the crate says, inside the registered entries, aligned to 2,
        // and written by this thread only; the kernel reads it. Release: the entries come first.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }

    fn release(&mut self, submitter: &Submitter<'_>) {
        if self.count > 0 && submitter.unregister_buf_ring(self.kind.group()).is_ok() {
            let count = std::mem::take(&mut self.count);
            free(self.entries.cast(), entries_layout(count));
            free(self.memory, memory_layout(count));
        }
    }

    fn start(&self, id: u16) -> NonNull<u8> {
        let index = usize::from(id & (self.count - 1));
        // SAFETY: every number in use is below the count, so that this is within the memory.
        unsafe { self.memory.add(index * BUFFER_BYTES) }
    }
}

fn entries_layout(count: u16) -> io::Result<Layout> {
    layout(usize::from(count) * size_of::<BufRingEntry>())
}

fn memory_layout(count: u16) -> io::Result<Layout> {
    layout(usize::from(count) * BUFFER_BYTES)
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
