//! An io_uring with a socket table and packet buffers, made safe to use.
//!
//! Sockets live in the ring's registered file table, at *slots*; the process keeps no descriptor
//! of them. What the kernel may still read (buffers, addresses, the message layout) is owned
//! here and stays in its place, so that no caller can pull it away.
//!
//! Sends do not wait (`MSG_DONTWAIT`), so that they are over when the system call that submits
//! them returns. Only failures are reported; the buffers of all go back to the pool at once.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, cqueue, opcode, types};
use patchbay_route::limits::{BUFFERS_PER_THREAD, MESSAGE_BUFFERS_PER_THREAD};

use super::address::{self, Addresses};
use super::buffers::{Buffer, Buffers, Sizes};
pub use super::event::{Event, Receive, To};
use super::event::{kind, tag, untag};
use super::message::{Layout, Message};

/// Entries of the submission queue. When it is full it is submitted, so that a large batch
/// leaves in parts.
const SUBMISSIONS: u32 = 512;
/// Packet buffers of both kinds.
const BUFFERS: u32 = BUFFERS_PER_THREAD as u32 + MESSAGE_BUFFERS_PER_THREAD as u32;
/// Entries of the completion queue: more than one wake-up can yield, which is one for each
/// buffer, and the ends of receives and the like.
const COMPLETIONS: u32 = 4 * BUFFERS;

/// How long ending what is under way may take, in seconds.
const END_WITHIN_S: u64 = 1;

/// The ring of one packet thread.
pub struct Ring {
    io: IoUring,
    buffers: Buffers,
    addresses: Addresses,
    layout: Layout,
    /// Buffers of sends that are queued and not submitted.
    unsent: Vec<Buffer>,
}

impl Ring {
    /// A ring for that many sockets, none of them there yet, and that many addresses.
    ///
    /// # Errors
    /// What the kernel says, and at which step.
    pub fn new(
        sockets: u32,
        addresses: u32,
        sizes: Sizes,
    ) -> Result<Ring, (&'static str, io::Error)> {
        let io = builder()
            .build(SUBMISSIONS)
            .map_err(|e| ("io_uring_setup", e))?;
        io.submitter()
            .register_files_sparse(sockets)
            .map_err(|e| ("socket table", e))?;
        let buffers = Buffers::new(&io.submitter(), sizes).map_err(|e| ("packet buffers", e))?;
        Ok(Ring {
            io,
            buffers,
            addresses: Addresses::new(addresses),
            layout: Layout::new(),
            unsent: Vec::with_capacity(BUFFERS as usize),
        })
    }

    /// Puts sockets at the slots from `first` on. The caller's descriptors can be closed then.
    ///
    /// # Errors
    /// What the kernel says; none is in its place then.
    pub fn register<const N: usize>(
        &mut self,
        first: u32,
        sockets: &[OwnedFd; N],
    ) -> io::Result<()> {
        let raw = sockets.each_ref().map(AsRawFd::as_raw_fd);
        let done = self.io.submitter().register_files_update(first, &raw)?;
        if done == N {
            return Ok(());
        }
        let _ = self.io.submitter().register_files_update(first, &[-1; N]);
        Err(io::ErrorKind::Other.into())
    }

    /// Starts a receive that goes on until it ends with [`Event::Received::armed`] false.
    pub fn arm(&mut self, slot: u32, receive: Receive) -> io::Result<()> {
        let group = receive.kind().group();
        let file = types::Fixed(slot);
        let entry = match receive {
            Receive::Messages => {
                opcode::RecvMsgMulti::new(file, self.layout.as_ptr(), group).build()
            }
            Receive::Drain => opcode::RecvMsgMulti::new(file, self.layout.as_ptr(), group)
                .flags(libc::MSG_DONTWAIT as u32)
                .build(),
            Receive::Payloads => opcode::RecvMulti::new(file, group).build(),
        };
        // SAFETY: the kernel reads the layout when this is submitted; it lives as long as the
        // ring. The buffers are the registered pools'.
        unsafe { self.queue(entry.user_data(tag(kind::RECEIVE, receive as u8, slot))) }
    }

    /// Ends a receive, which then reports its end.
    pub fn disarm(&mut self, slot: u32, receive: Receive) -> io::Result<()> {
        let cancel = opcode::AsyncCancel::new(tag(kind::RECEIVE, receive as u8, slot)).build();
        // SAFETY: refers to no memory.
        unsafe { self.queue(cancel.user_data(tag(kind::OTHER, 0, slot))) }
    }

    /// Watches a descriptor for being readable.
    pub fn watch(&mut self, bell: BorrowedFd<'_>) -> io::Result<()> {
        let poll = opcode::PollAdd::new(types::Fd(bell.as_raw_fd()), libc::POLLIN as u32)
            .multi(true)
            .build();
        // SAFETY: refers to no memory; the kernel holds the file open while it polls.
        unsafe { self.queue(poll.user_data(tag(kind::BELL, 0, 0))) }
    }

    /// Sets the address that [`To::Address`] and [`Ring::connect`] mean.
    pub fn set_address(&mut self, slot: u32, address: SocketAddr) {
        self.addresses.set(slot, address);
    }

    /// Connects the slot's socket to the slot's address: it then receives from there alone.
    pub fn connect(&mut self, slot: u32, epoch: u8) -> io::Result<()> {
        let Some((address, len)) = self.addresses.get(slot) else {
            return Ok(());
        };
        let connect = opcode::Connect::new(types::Fixed(slot), address, len).build();
        // SAFETY: the kernel reads the address when this is submitted; it lives as long as the
        // ring, and does not move.
        unsafe { self.queue(connect.user_data(tag(kind::CONNECT, epoch, slot))) }
    }

    /// Undoes a connect: the socket receives from everybody again.
    pub fn disconnect(&mut self, slot: u32) -> io::Result<()> {
        let (address, len) = address::unspecified();
        let connect = opcode::Connect::new(types::Fixed(slot), address, len).build();
        // SAFETY: the address is a static.
        unsafe { self.queue(connect.user_data(tag(kind::OTHER, 0, slot))) }
    }

    /// Closes the slot's socket.
    pub fn close(&mut self, slot: u32) -> io::Result<()> {
        let close = opcode::Close::new(types::Fixed(slot)).build();
        // SAFETY: refers to no memory.
        unsafe { self.queue(close.user_data(tag(kind::CLOSE, 0, slot))) }
    }

    /// Sends the payload of a received buffer out of slot `out`. `from` is where it came in, for
    /// [`Event::SendFailed`]. The buffer goes back to the pool by itself.
    ///
    /// # Errors
    /// The queue is full even after submitting it, or no address is set. The buffer is back in
    /// the pool.
    pub fn send(&mut self, out: u32, from: u32, buffer: Buffer, to: To) -> io::Result<()> {
        let Some(payload) = self.buffers.payload(&buffer) else {
            self.buffers.give_back(buffer);
            return Err(io::ErrorKind::InvalidData.into());
        };
        let len = u32::try_from(payload.len()).unwrap_or(0);
        let mut send =
            opcode::Send::new(types::Fixed(out), payload.as_ptr(), len).flags(libc::MSG_DONTWAIT);
        if to == To::Address {
            let Some((address, len)) = self.addresses.get(out) else {
                self.buffers.give_back(buffer);
                return Err(io::ErrorKind::AddrNotAvailable.into());
            };
            send = send.dest_addr(address).dest_addr_len(len);
        }
        let send = send
            .build()
            .flags(Flags::SKIP_SUCCESS)
            .user_data(tag(kind::SEND, 0, from));
        // SAFETY: payload and address are read while the entry is submitted, since the send does
        // not wait. The address lives as long as the ring; the buffer is kept in `unsent` until
        // then (or given back at once if it could not be queued).
        unsafe { self.queue_send(send, buffer) }
    }

    /// Sends a message's payload with headers before it out of the raw socket `out`, to the address
    /// that was set for slot `to`. `from` is for [`Event::SendFailed`]. The buffer goes back to the
    /// pool by itself.
    ///
    /// # Errors
    /// As [`Ring::send`].
    pub fn send_framed(
        &mut self,
        out: u32,
        to: u32,
        from: u32,
        buffer: Buffer,
        head: &[u8],
    ) -> io::Result<()> {
        let frame = self.buffers.frame(&buffer, head);
        let (Some(frame), Some((address, address_len))) = (frame, self.addresses.get(to)) else {
            self.buffers.give_back(buffer);
            return Err(io::ErrorKind::InvalidData.into());
        };
        let len = u32::try_from(frame.len()).unwrap_or(0);
        let send = opcode::Send::new(types::Fixed(out), frame.as_ptr(), len)
            .flags(libc::MSG_DONTWAIT)
            .dest_addr(address)
            .dest_addr_len(address_len)
            .build()
            .flags(Flags::SKIP_SUCCESS)
            .user_data(tag(kind::SEND, 0, from));
        // SAFETY: as in `send`: frame and address stay until the entry has been submitted.
        unsafe { self.queue_send(send, buffer) }
    }

    /// Gives a buffer back that is not sent.
    pub fn give_back(&mut self, buffer: Buffer) {
        self.buffers.give_back(buffer);
    }

    /// Reads the message in a buffer of [`Receive::Messages`] or [`Receive::Drain`].
    pub fn message<'a>(&'a self, buffer: &'a Buffer) -> Option<Message<'a>> {
        self.layout.parse(self.buffers.bytes(buffer))
    }

    /// Reads the payload in a buffer of [`Receive::Payloads`].
    pub fn payload<'a>(&'a self, buffer: &'a Buffer) -> &'a [u8] {
        self.buffers.bytes(buffer)
    }

    /// Submits what is queued.
    ///
    /// # Errors
    /// The kernel refuses to go on.
    pub fn submit(&mut self) -> io::Result<()> {
        self.enter(0)
    }

    /// Submits what is queued, and waits until there is an event, or for that many nanoseconds.
    ///
    /// # Errors
    /// The kernel refuses to go on.
    pub fn wait(&mut self, longest_ns: Option<u64>) -> io::Result<()> {
        let Some(ns) = longest_ns else {
            return self.enter(1);
        };
        self.buffers.publish();
        let limit = types::Timespec::from(std::time::Duration::from_nanos(ns));
        let args = types::SubmitArgs::new().timespec(&limit);
        let entered = self.io.submitter().submit_with_args(1, &args);
        self.entered(entered)
    }

    fn enter(&mut self, want: usize) -> io::Result<()> {
        self.buffers.publish();
        let entered = self.io.submit_and_wait(want);
        self.entered(entered)
    }

    fn entered(&mut self, entered: io::Result<usize>) -> io::Result<()> {
        match entered {
            Ok(_) => {}
            // Interrupted, the time is over, or the kernel wants completions to be taken first:
            // all three pass.
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(libc::EINTR | libc::ETIME | libc::EBUSY | libc::EAGAIN)
                ) => {}
            Err(e) => return Err(e),
        }
        // An entry that the kernel has not taken may be one of the sends.
        if self.io.submission().is_empty() && !self.unsent.is_empty() {
            for buffer in self.unsent.drain(..) {
                self.buffers.give_back(buffer);
            }
            self.buffers.publish();
        }
        Ok(())
    }

    /// The next event that has arrived.
    pub fn next(&mut self) -> Option<Event> {
        let entry = self.io.completion().next()?;
        let (kind, epoch, slot) = untag(entry.user_data());
        let (result, armed) = (entry.result(), cqueue::more(entry.flags()));
        Some(match kind {
            kind::RECEIVE => {
                let buffer = cqueue::buffer_select(entry.flags());
                let receive = Receive::from_tag(epoch);
                Event::Received {
                    slot,
                    receive,
                    outcome: self.outcome(receive, result, buffer),
                    armed,
                }
            }
            kind::SEND if result < 0 => Event::SendFailed {
                from: slot,
                errno: -result,
            },
            kind::CONNECT => Event::Connected {
                slot,
                epoch,
                ok: result >= 0,
            },
            kind::CLOSE => Event::Closed { slot },
            kind::BELL => Event::Woken { armed },
            _ => Event::Other,
        })
    }

    fn outcome(
        &mut self,
        receive: Receive,
        result: i32,
        buffer: Option<u16>,
    ) -> Result<Buffer, i32> {
        let len = usize::try_from(result).map_err(|_| -result);
        let taken = buffer.map(|id| (id, len.unwrap_or(0)));
        let taken = taken.and_then(|(id, len)| self.buffers.take(receive.kind(), id, len));
        match (len, buffer, taken) {
            (Ok(_), Some(_), Some(buffer)) => Ok(buffer),
            (Ok(_), Some(_), None) => Err(libc::EBADMSG),
            // An empty datagram takes no buffer, and ends the receive.
            (Ok(0), None, _) if receive == Receive::Payloads => Ok(Buffer::EMPTY),
            (Ok(_), None, _) => Err(libc::ENODATA),
            (Err(errno), _, unused) => {
                if let Some(unused) = unused {
                    self.buffers.give_back(unused);
                }
                Err(errno)
            }
        }
    }

    /// Queues a send, and keeps its buffer until that has been submitted.
    ///
    /// # Safety
    /// As [`Ring::queue`].
    unsafe fn queue_send(&mut self, send: Entry, buffer: Buffer) -> io::Result<()> {
        // SAFETY: the caller's promise.
        match unsafe { self.queue(send) } {
            Ok(()) => {
                self.unsent.push(buffer);
                Ok(())
            }
            Err(e) => {
                self.buffers.give_back(buffer);
                Err(e)
            }
        }
    }

    /// Puts an entry into the submission queue, making room if it is full.
    ///
    /// # Safety
    /// What the entry points to must stay until the kernel is done with it.
    unsafe fn queue(&mut self, entry: Entry) -> io::Result<()> {
        // SAFETY: the caller's promise.
        if unsafe { self.io.submission().push(&entry) }.is_ok() {
            return Ok(());
        }
        self.submit()?;
        // SAFETY: the caller's promise.
        unsafe { self.io.submission().push(&entry) }.map_err(|_| io::ErrorKind::WouldBlock.into())
    }
}

impl Drop for Ring {
    /// Ends whatever is under way, so that the packet buffers can be freed. If that fails they stay
    /// allocated, because the kernel may still write to them.
    fn drop(&mut self) {
        let submitter = self.io.submitter();
        let within = types::Timespec::new().sec(END_WITHIN_S);
        match submitter.register_sync_cancel(Some(within), types::CancelBuilder::any()) {
            Ok(()) => self.buffers.release(&submitter),
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.buffers.release(&submitter),
            Err(_) => {}
        }
    }
}

/// The kind of ring that the packet engine needs.
pub fn builder() -> io_uring::Builder {
    let mut builder = IoUring::builder();
    builder
        .setup_cqsize(COMPLETIONS)
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all();
    builder
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Resident memory of this process, in pages.
    fn resident() -> u64 {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn a_ring_that_is_dropped_amid_its_work_leaves_no_memory_behind() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let bell = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).unwrap();
        let work = || {
            let mut ring = Ring::new(1, 1, Sizes::BOUND).unwrap();
            ring.register(0, &[socket.try_clone().unwrap().into()])
                .unwrap();
            ring.arm(0, Receive::Messages).unwrap();
            ring.watch(std::os::fd::AsFd::as_fd(&bell)).unwrap();
            ring.submit().unwrap();
        };
        work();
        let before = resident();
        // Each has touched a page of each of its buffers, 5 MB.
        (0..40).for_each(|_| work());
        assert!(resident() < before + 40 * 1280 / 4, "they are freed");
    }
}
