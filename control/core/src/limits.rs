//! The bounds of everything that the outside can make grow.

use core::time::Duration;

/// Contacts alive at once: waiting, offered and connected. Beyond it a new one is refused with 503.
pub const MAX_LIVE_CONTACTS: usize = 50_000;
/// Agents of one centre, undeclared ones that are still in a call included.
pub const MAX_AGENTS: usize = 20_000;
/// Queues of one centre.
pub const MAX_QUEUES: usize = 1_000;
/// Rules of one centre; every arriving contact is compared with them in order.
pub const MAX_RULES: usize = 1_000;
/// Skills of one agent, and skills required by one rule.
pub const MAX_SKILLS: usize = 64;
/// Languages of one agent.
pub const MAX_LANGUAGES: usize = 16;
/// The highest level of a skill; the lowest is 1.
pub const MAX_SKILL_LEVEL: u8 = 100;
/// Priorities range from minus this to plus this; the higher is served first.
pub const MAX_PRIORITY: i32 = 1_000;
/// Longest identifier of an agent, a queue or a rule, and longest name of a skill, in bytes.
pub const MAX_ID_BYTES: usize = 64;
/// Longest pattern of a rule, in bytes.
pub const MAX_PATTERN_BYTES: usize = 256;
/// Patterns, zones, codecs… in one condition of a rule.
pub const MAX_ALTERNATIVES: usize = 64;
/// Longest expression of a rule, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 2_048;
/// Levels of brackets and of operators in a row within one expression.
pub const MAX_EXPRESSION_DEPTH: usize = 32;
/// Values that the explanation of one expression shows; the others are left out.
pub const MAX_SHOWN_VALUES: usize = 16;
/// Longest value in the explanation of an expression, in bytes; the rest is left out.
pub const MAX_SHOWN_BYTES: usize = 256;
/// Calendars of one centre.
pub const MAX_CALENDARS: usize = 100;
/// Holidays and exceptions of one calendar together.
pub const MAX_HOLIDAYS: usize = 400;
/// Farthest day from Easter Sunday that a calendar can name, in days; all are in Easter's year.
pub const MAX_EASTER_DAYS: i32 = 80;
/// Attributes that one rule gives a contact.
pub const MAX_ATTRIBUTES: usize = 32;
/// Longest value of an attribute, in bytes.
pub const MAX_ATTRIBUTE_BYTES: usize = 256;
/// Values of call information that are told of one contact; the rest is left out.
pub const MAX_INFO_VALUES: usize = 32;
/// Longest part of a fact that a pattern is compared with, or that is told of a contact, in bytes;
/// the rest is ignored.
pub const MAX_SUBJECT_BYTES: usize = 1_024;
/// Contacts of one queue whose expected wait a view of it tells.
pub const MAX_EXPECTED: usize = 50;
/// Agents listed in one explanation; the others are counted.
pub const MAX_EXPLAINED_AGENTS: usize = 16;
/// Agents that one contact passes over at a time because an offer to them failed; when another
/// fails the one that would return first returns at once.
pub const MAX_SKIPPED_AGENTS: usize = 64;
/// Agents that one contact may ring at the same time.
pub const MAX_RING_AT_ONCE: usize = 50;
/// Steps in which one contact asks for less.
pub const MAX_RELAXING_STEPS: usize = 8;
/// Parts of one announcement to callers who wait.
pub const MAX_SAID_PARTS: usize = patchbay_route::waiting::MAX_PARTS;
/// Cases for which a queue may say where contacts go that cannot stay.
pub const MAX_OVERFLOWS: usize = 8;
/// How many times one contact moves to another queue; then it stays where it is.
pub const MAX_MOVES: usize = 4;
/// Calls that one agent takes at a time.
pub const MAX_CAPACITY: usize = 1_000;
/// Callers whose last agent is remembered; the one that was served longest ago is forgotten first.
pub const MAX_LAST_AGENTS: usize = 100_000;
/// Servers that may be asked about contacts.
pub const MAX_ASKS: usize = 16;
/// Contacts that wait for answers of servers at a time; the others do without.
pub const MAX_ASKING: usize = 5_000;
/// Shortest time limit of a question, in milliseconds.
pub const MIN_ASK_MS: u32 = 10;
/// Longest time limit of a question, in milliseconds; the caller hears nothing meanwhile.
pub const MAX_ASK_MS: u32 = 5_000;
/// Shortest key that questions are signed with, in bytes.
pub const MIN_ASK_SECRET_BYTES: usize = 16;
/// Longest answer of a server, in bytes.
pub const MAX_ASK_ANSWER_BYTES: usize = 65_536;
/// Facts that one answer may give.
pub const MAX_RECORD_ENTRIES: usize = 64;
/// Different queues and skills that servers and other centres may ask for, beside those that rules ask
/// for, while one declaration is in force.
pub const MAX_ASKED_WISHES: usize = 256;
/// Longest time for which the server of an automated agent may think about an offer, in milliseconds.
pub const MAX_OFFER_MS: u32 = 30_000;
/// Failures of a server in a row after which it is left alone for [`ASK_PAUSE`].
pub const ASK_FAILURES_IN_A_ROW: u32 = 5;
/// Ended offers and contacts remembered so that late and repeated events are recognised.
pub const MAX_REMEMBERED: usize = 100_000;
/// Problems that the validation of a centre lists.
pub const MAX_PROBLEMS: usize = 1_000;

/// Other centres that one centre asks for agents.
pub const MAX_SITES: usize = 32;
/// Contacts of one queue that ask one other centre for an agent at a time.
pub const MAX_ASKED_THERE: usize = 1_000;
/// Menus of one centre.
pub const MAX_MENUS: usize = 100;
/// Choices of one menu: the keys of a phone.
pub const MAX_CHOICES: usize = 12;
/// Words of one link, and so the tiers that it may pass.
pub const MAX_CHOICE_WORDS: usize = 8;
/// Call-backs that one queue may promise at a time.
pub const MAX_CALL_BACKS: u32 = 10_000;
/// Farthest time that a call-back may be promised for, in seconds.
pub const MAX_CALL_BACK_AHEAD_S: u32 = 30 * 86_400;
/// Most calls to one customer who does not answer.
pub const MAX_CALL_BACK_ATTEMPTS: u32 = 10;
/// Longest URI of a customer who is to be called, in bytes.
pub const MAX_CALL_BACK_URI_BYTES: usize = 256;

/// How long an offer may stay unanswered by the relay after it was cancelled. A SIP transaction
/// gives up after 32 s (64·T1, RFC 3261 section 17.1.1.2); this is a little more.
pub const OFFER_GUARD: Duration = Duration::from_secs(35);
/// How long a contact of somebody outside waits without being asked about before it counts as
/// abandoned.
pub const ASKER_SILENCE: Duration = Duration::from_secs(120);
/// How long after a caller begins to hear something a menu is said: the way to its phone has to be open.
pub const MENU_BEGINS: Duration = Duration::from_secs(1);
/// The longest wait elsewhere that counts for a contact's place.
pub const MAX_WAITED_ELSEWHERE: Duration = Duration::from_secs(86_400);
/// How long a caller who is to be called back is kept on the line when the promise cannot be written.
pub const PROMISE_GUARD: Duration = Duration::from_secs(10);
/// How long an ended offer or contact is remembered.
pub const REMEMBER: Duration = Duration::from_secs(120);
/// How fast an agent's past work fades from its occupancy: after this time it counts 1/e.
pub const OCCUPANCY_FADES: Duration = Duration::from_secs(3_600);
/// The time within which a queue without a service level is taken to want its contacts answered,
/// where it shares agents with others.
pub const USUAL_SERVICE_LEVEL: Duration = Duration::from_secs(60);
/// How long contacts wait at the start for the relays to tell who is in a call.
pub const CALLS_UNKNOWN: Duration = Duration::from_secs(2);
/// How often the relay's list of sessions is asked for while an agent holds an offer or a call.
pub const RECONCILE_EVERY: Duration = Duration::from_secs(30);
/// How far back earlier contacts of a caller are looked for.
pub const EARLIER_WINDOW: Duration = Duration::from_secs(24 * 3_600);
/// Earlier contacts of one caller that are counted.
pub const MAX_EARLIER: usize = 100;
/// How long a contact waits for the list of its caller's earlier contacts; with a server that is asked
/// meanwhile, as long as for that one's answer if that is longer.
pub const EARLIER_TIME: Duration = Duration::from_millis(200);
/// How long no contact of a queue asks another centre that gave no agent; doubled with each failure in a row, up
/// to [`LONGEST_SITE_PAUSE`].
pub const SITE_PAUSE: Duration = Duration::from_secs(5);
/// The longest such time.
pub const LONGEST_SITE_PAUSE: Duration = Duration::from_secs(80);
/// How long a server is left alone that failed [`ASK_FAILURES_IN_A_ROW`] times.
pub const ASK_PAUSE: Duration = Duration::from_secs(10);
/// Retry-After of a refusal that is not the queue's: not configured, too many contacts. Seconds.
pub const OVERLOAD_RETRY_AFTER_S: u32 = 5;
