//! The distributor without I/O: call typing, agents, queues, selection.
