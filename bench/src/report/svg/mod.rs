//! Pictures of reports: elements and axes.

pub(crate) mod canvas;
pub(crate) mod scale;
