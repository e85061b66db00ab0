//! Nanoseconds a message: `make bench-sip`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use patchbay_bench_sip::theirs::{rsip_itself, rsipstack};
use patchbay_bench_sip::{Library, messages, ours};
use std::hint::black_box;

/// All three are measured with the allocator that the product ships with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn one<L: Library>(criterion: &mut Criterion, name: &str) {
    for sample in messages::all() {
        let datagram = &sample.datagram[..];
        let mut group = criterion.benchmark_group(sample.name);
        group.throughput(Throughput::Bytes(datagram.len() as u64));
        group.bench_function(format!("parse/{name}"), |bencher| {
            bencher.iter(|| L::parse(black_box(datagram)).is_some());
        });
        group.bench_function(format!("read/{name}"), |bencher| {
            bencher.iter(|| L::read(black_box(datagram)));
        });
        group.bench_function(format!("re-address/{name}"), |bencher| {
            bencher.iter(|| L::readdress(black_box(datagram)));
        });
        group.finish();
    }
}

fn libraries(criterion: &mut Criterion) {
    one::<ours::Ours>(criterion, "patchbay");
    one::<rsip_itself::Library>(criterion, "rsip");
    one::<rsipstack::Library>(criterion, "rsipstack");
}

criterion_group!(all, libraries);
criterion_main!(all);
