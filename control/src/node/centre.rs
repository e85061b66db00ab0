//! What changes from one declaration to the next.
