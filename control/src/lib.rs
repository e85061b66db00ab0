//! The distributor: SIP signalling, registrar, API, store.
