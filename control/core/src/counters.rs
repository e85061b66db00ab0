//! What was counted since the start.

use serde::{Deserialize, Serialize};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counts since the start; none ever falls.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counters {
            /// All counters with their names.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Contacts that arrived.
    arrived,
    /// Expressions of rules of which it could not be said whether they hold of a contact, such
    /// as one over a header that is missing.
    expressions_failed,
    /// Answers of servers for which nobody waited any more.
    dropped_late_answer,
    /// Contacts that were typed without their callers' earlier contacts, which were not read in time, or
    /// not at all.
    without_earlier,
    /// Contacts whose callers were told to call somebody else.
    redirected,
    /// Keys pressed in menus that stand for nothing there.
    keys_for_nothing,
    /// Call-backs promised.
    call_backs,
    /// Callers who went on waiting after control was started anew.
    places_kept,
    /// Times that another centre was asked for an agent.
    sites_asked,
    /// Agents that other centres gave.
    sites_offered,
    /// Times that another centre gave none, or could not be asked.
    sites_failed,
    /// Contacts of others that called here to be led to their agents.
    claimed,
    /// Contacts refused, for any reason.
    refused,
    /// Contacts whose caller gave up before the answer.
    abandoned,
    /// Contacts connected.
    connected,
    /// Connected contacts that ended.
    ended,
    /// Contacts adopted from the relay's list.
    adopted,
    /// Offers made.
    offers,
    /// Offers that ended without an answer.
    offers_failed,
    /// Sessions that no contact wanted.
    unwanted_sessions,
    /// Sessions whose end was never reported and that the relay's list no longer had.
    sessions_gone,
    /// Dropped inputs: a contact that already arrived.
    dropped_repeated_contact,
    /// Dropped inputs: a contact that is over or never was.
    dropped_unknown_contact,
    /// Dropped inputs: an offer that is over or never was.
    dropped_unknown_offer,
    /// Dropped inputs: an agent that is not declared.
    dropped_unknown_agent,
    /// Dropped inputs: they do not fit the state, such as a caller giving up after the answer.
    dropped_late,
    /// Dropped inputs: a declaration with problems, or beyond the limits.
    dropped_declaration,
    /// Listed sessions that were not adopted because as many live as may.
    dropped_adoption,
    /// Ended offers and contacts forgotten before their time because too many ended.
    forgotten_early,
}
