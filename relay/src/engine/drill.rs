//! Things that a packet thread should never do, on demand: how else would a test, or an operator
//! who rehearses, see what happens then?

use std::panic::resume_unwind;

/// What a packet thread is to do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drill {
    /// End with an error.
    Fail,
    /// Panic.
    Panic,
    /// Allocate memory once.
    Allocate,
}

/// The drill asks for an error.
#[derive(Clone, Copy, Debug)]
pub struct Asked;

impl Drill {
    /// Does it, on the thread that calls.
    pub(super) fn carry_out(self) -> Result<(), Asked> {
        match self {
            Drill::Fail => Err(Asked),
            // Without the panic hook's report: nobody is to look for a defect.
            Drill::Panic => resume_unwind(Box::new("asked to panic")),
            Drill::Allocate => {
                drop(std::hint::black_box(Box::new(0_u64)));
                Ok(())
            }
        }
    }
}
