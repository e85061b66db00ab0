//! What it costs to send a message on that belongs to a call: allocations, from the datagram as it came to
//! the datagram as it goes, through everything that the relay does with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unsafe_code)]

#[allow(unused_macros, dead_code)]
#[path = "session/carrying.rs"]
mod carrying;
#[path = "session/support.rs"]
mod support;

use bytes::Bytes;
use patchbay_relay::edge::Output;
use patchbay_sip::Message;
use patchbay_sip::transaction::Flow;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::*;

/// The system's allocator, which counts what the thread of a test asks of it.
struct Counting;

thread_local! {
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static SIZES: Cell<[u32; 128]> = const { Cell::new([0; 128]) };
}

fn count(bytes: usize) {
    if COUNTS.get() {
        let mut sizes = SIZES.get();
        if let Some(size) = sizes.get_mut(COUNT.get()) {
            *size = u32::try_from(bytes).unwrap_or(u32::MAX);
        }
        SIZES.set(sizes);
        COUNT.set(COUNT.get() + 1);
        BYTES.set(BYTES.get() + bytes);
    }
}

// SAFETY: everything is left to the system's allocator; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a piece of work asked of the allocator.
#[derive(Debug)]
#[allow(dead_code, reason = "shown where a limit is passed")]
struct Cost {
    count: usize,
    bytes: usize,
    sizes: Vec<u32>,
}

fn cost<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    COUNT.set(0);
    BYTES.set(0);
    COUNTS.set(true);
    let done = work();
    COUNTS.set(false);
    let count = COUNT.get();
    let sizes = SIZES.get();
    let cost = Cost {
        count,
        bytes: BYTES.get(),
        sizes: sizes[..count.min(sizes.len())].to_vec(),
    };
    (done, cost)
}

/// Gives the relay a datagram, and takes what it sends on; nothing else is counted.
fn passes(bed: &mut Bed, flow: Flow, message: &Message) -> (Vec<Bytes>, Cost) {
    let (bytes, now) = (message.encode(), bed.now());
    let mut sent = Vec::with_capacity(16);
    let ((), cost) = cost(|| {
        bed.core.receive(bytes, flow, now);
        while let Some(output) = bed.core.poll() {
            if let Output::Send { message, .. } = output {
                sent.push(message.bytes());
            }
        }
    });
    (sent, cost)
}

/// A request of the caller's as phones write it.
fn asks(method: &str, call: &Call, cseq: u32) -> Message {
    let mut request = in_dialog(method, &call.ok, cseq, CALLER);
    request.headers.push("User-Agent", "a phone");
    request
}

/// Sends a request and its answer through a call that stands, several times, since tables grow now and
/// then; the last time counts.
fn through(method: &str, body: &[u8]) -> [Cost; 2] {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    // There is sound all the while.
    bed.media.lock().unwrap().last_packet_age = Some(std::time::Duration::ZERO);
    let mut costs = None;
    for cseq in 2..40 {
        let mut request = asks(method, &call, cseq);
        if !body.is_empty() {
            request.set_body("text/plain", body.to_vec());
        }
        let (sent, there) = passes(&mut bed, udp(CALLER), &request);
        let passed = Message::parse(sent.last().unwrap().clone()).unwrap();
        assert_eq!(name(&passed), method);
        assert_eq!(passed.body, body);
        let (sent, back) = passes(&mut bed, udp(AGENT), &answer(&passed, 200, "anna"));
        let passed = Message::parse(sent.last().unwrap().clone()).unwrap();
        assert_eq!(name(&passed), "200");
        costs = Some([there, back]);
        // Transactions end, and their places are used again.
        bed.pass(std::time::Duration::from_secs(40));
        bed.collect();
    }
    costs.unwrap()
}

// B6
#[test]
fn a_request_inside_a_call_and_its_answer_cost_few_allocations() {
    let [there, back] = through("INFO", b"Signal=5\r\n");
    eprintln!("INFO {there:?}\n200 {back:?}");
    assert!(there.count <= MOST_OF_REQUEST, "{there:?}");
    assert!(back.count <= MOST_OF_RESPONSE, "{back:?}");
}

// B6
#[test]
fn a_body_is_held_once_more_at_most_however_large() {
    // Beyond 1,300 bytes it would be a matter of TCP.
    let large = vec![b'x'; 800];
    let [small, _] = through("MESSAGE", b"x");
    let [there, _] = through("MESSAGE", &large);
    // The one copy is the datagram that goes on.
    let more = there.bytes - small.bytes;
    assert!(more < large.len() + large.len() / 8, "{small:?} {there:?}");
    assert_eq!(there.count, small.count, "{small:?} {there:?}");
}

// B6
#[test]
fn reading_a_message_copies_no_body() {
    let mut bed = Bed::new();
    let call = establish(&mut bed);
    let mut request = asks("MESSAGE", &call, 2);
    request.set_body("text/plain", vec![b'x'; 8000]);
    let datagram = request.encode();
    let (read, cost) = cost(|| Message::parse(datagram.clone()).unwrap());
    let inside = datagram.as_ptr_range().contains(&read.body.as_ptr());
    assert!(inside, "the body is where it was received");
    assert!(cost.bytes < 8000, "{cost:?}");
}

/// What is reached; a change that needs more shall know it.
const MOST_OF_REQUEST: usize = 12;
const MOST_OF_RESPONSE: usize = 8;
