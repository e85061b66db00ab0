//! Re-addressing without state or I/O: what of one side's message the other side may see, and
//! with which addresses in it.

pub mod dialog_info;
pub mod headers;
pub mod sdp;
