//! The relay's file output.
