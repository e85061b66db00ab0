//! Forwarding a packet allocates nothing on the packet thread.
#![allow(clippy::unwrap_used, unsafe_code)]

mod engine_support;
use engine_support::*;
use patchbay_relay::engine::Drill;
use patchbay_relay::engine::allocations::{Counted, is_counted};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

/// The system's allocator, which counts what one thread asks of it, what it frees too.
struct Counting;

static WATCHED: AtomicU32 = AtomicU32::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);

fn count() {
    let watched = WATCHED.load(SeqCst);
    if watched != 0 && rustix::thread::gettid().as_raw_nonzero().get() as u32 == watched {
        COUNT.fetch_add(1, SeqCst);
    }
}

// SAFETY: everything is left to the system's allocator; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted<Counting> = Counted(Counting);

#[test]
fn a_forwarded_packet_costs_no_allocation() {
    let engine = engine(16_300, 16_399);
    let (client, agent, pair) = call(&engine);
    let [at_client, at_agent] = pair.local;
    let exchange = |n: u8| {
        assert_passes(
            &client.rtp,
            at_client.rtp,
            &agent.rtp,
            at_agent.rtp,
            &packet(n, 172),
        );
        assert_passes(
            &agent.rtp,
            at_agent.rtp,
            &client.rtp,
            at_client.rtp,
            &packet(n, 172),
        );
        assert_passes(
            &client.rtcp,
            at_client.rtcp,
            &agent.rtcp,
            at_agent.rtcp,
            &[],
        );
    };
    // The thread's start may allocate; it is over when it has forwarded something.
    let (first_client, first_agent, first) = call(&engine);
    let [in_at, out_at] = first.local;
    assert_passes(
        &first_client.rtp,
        in_at.rtp,
        &first_agent.rtp,
        out_at.rtp,
        b"started",
    );
    WATCHED.store(engine.health()[0].tid, SeqCst);
    // The learning packets and the changes of the table count too.
    for n in 0..200 {
        exchange(n);
    }
    let stranger = socket(ELSEWHERE);
    stranger.send_to(b"dropped", at_agent.rtcp).unwrap();
    let (other_client, other_agent, other) = call(&engine);
    assert_passes(
        &other_client.rtp,
        other.local[0].rtp,
        &other_agent.rtp,
        other.local[1].rtp,
        b"x",
    );
    wait_for("all of it", || engine.totals().received == 603);
    assert_eq!(COUNT.load(SeqCst), 0);
    assert_eq!(engine.totals().forwarded(), 602);
    assert_eq!(engine.totals().allocations, 0);
    assert!(is_counted());

    // The engine's own count does count, and says which thread it was.
    engine.drill(0, Drill::Allocate);
    wait_for("the allocation", || engine.totals().allocations == 1);
    assert_eq!(engine.totals().threads[0].allocations, 1);

    // The count does count.
    WATCHED.store(
        rustix::thread::gettid().as_raw_nonzero().get() as u32,
        SeqCst,
    );
    drop(std::hint::black_box(vec![1; 9]));
    assert!(COUNT.load(SeqCst) > 0);
}
