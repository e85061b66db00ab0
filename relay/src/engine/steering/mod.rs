//! The table as the port space: the kernel hands over the datagrams of all open media ports, and
//! no port needs a socket.
//!
//! [`Steering`] loads the program of `relay/bpf/steer.bpf.c` into this network namespace and owns
//! it; when it goes, so does the program. [`Space`] is the memory by which program and packet
//! threads agree whose each port is. That needs privileges (CAP_BPF, CAP_NET_ADMIN, CAP_NET_RAW)
//! that a relay can do without: then it has a socket for each port.

mod memory;
mod program;

pub use memory::{Space, SteeredPort};
pub use program::{NotSteered, Steering};
