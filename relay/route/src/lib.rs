//! What relay and control say to each other, and the rows of the routing table.
