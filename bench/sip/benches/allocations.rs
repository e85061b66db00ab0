//! Allocations and bytes asked for a message: the second half of `make bench-sip`.

use patchbay_bench_sip::theirs::{rsip_itself, rsipstack};
use patchbay_bench_sip::{Library, messages, ours};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations, growing ones too, and bytes, of one run.
fn cost<T>(work: impl FnOnce() -> T) -> String {
    let region = Region::new(ALLOCATOR);
    let done = work();
    let used = region.change();
    drop(done);
    let count = used.allocations + used.reallocations;
    format!("{count:>4} {:>6} B", used.bytes_allocated)
}

fn one<L: Library>(name: &str) {
    for sample in messages::all() {
        let datagram = &sample.datagram[..];
        println!(
            "{:<20} {name:<10} {} {} {}",
            sample.name,
            cost(|| L::parse(datagram)),
            cost(|| L::read(datagram)),
            cost(|| L::readdress(datagram)),
        );
    }
}

fn main() {
    println!("message              library    parse          read           re-address");
    one::<ours::Ours>("patchbay");
    one::<rsip_itself::Library>("rsip");
    one::<rsipstack::Library>("rsipstack");
}
