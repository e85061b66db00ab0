//! SIP without I/O: wire, URIs, headers, transactions, dialogs, digest.
