//! The centre's events, told as one line for each thing that a person wants to know.

use patchbay_bench::report::{Paint, clock};
use patchbay_core::centre::Strategy;
use patchbay_core::explain::{Choice, Verdict};
use patchbay_core::{ContactId, Event, What};
use std::collections::HashMap;
use std::time::Duration;

/// Calls that are told about at one time, at most; further ones pass in silence.
const MAX_CALLS: usize = 4_096;
/// Agents whose reasons are told in one line.
const MAX_REASONS: usize = 5;
/// Width of the called address, so that what follows stands in columns.
const ADDRESS_WIDTH: usize = 27;

/// What is known of a call.
#[derive(Default)]
struct Note {
    /// The caller's user part: `caller-7`.
    caller: String,
    to: String,
    call_type: String,
    queue: String,
    agent: String,
    why: String,
    /// It waited, or an agent before the last one did not take it.
    delayed: bool,
    connected: bool,
    setup: Option<Duration>,
}

/// A line, and the set-up time if it tells of one.
pub struct Told {
    /// The line.
    pub line: String,
    /// INVITE to 200 of a call, and whether it was put through at once.
    pub setup: Option<(Duration, bool)>,
}

impl From<String> for Told {
    fn from(line: String) -> Self {
        Self { line, setup: None }
    }
}

/// Everything that is being told.
pub struct Story {
    paint: Paint,
    notes: HashMap<ContactId, Note>,
    callers: HashMap<String, ContactId>,
    /// Set-up times of calls whose events have not come yet.
    early: HashMap<String, Duration>,
}

impl Story {
    pub fn new(paint: Paint) -> Self {
        Self {
            paint,
            notes: HashMap::new(),
            callers: HashMap::new(),
            early: HashMap::new(),
        }
    }

    /// The end of every call that began has been told.
    pub fn is_told(&self) -> bool {
        self.notes.is_empty()
    }

    /// The centre says that something happened.
    pub fn hear(&mut self, event: &Event) -> Option<Told> {
        match &event.what {
            What::ContactTyped {
                contact,
                call_type,
                queue,
                from,
                to,
                ..
            } => {
                self.typed(contact, call_type, &queue.to_string(), from, to);
                None
            }
            What::ContactQueued {
                contact,
                position,
                choice,
                ..
            } => self.queued(contact, *position, choice),
            What::ContactOffered {
                contact,
                agent,
                choice,
                ..
            } => {
                let note = self.notes.get_mut(contact)?;
                note.agent = agent.to_string();
                note.why = reasons(choice);
                None
            }
            What::OfferFailed {
                contact,
                agent,
                why,
                code,
                ..
            } => {
                // 487 is only the echo of our own CANCEL.
                let code = if *code == 487 { 0 } else { *code };
                self.offer_failed(contact, &agent.to_string(), &words(why), code)
            }
            What::ContactConnected { contact, .. } => {
                self.notes.get_mut(contact)?.connected = true;
                self.put_through(contact)
            }
            What::ContactRefused {
                contact,
                status,
                retry_after_s,
                why,
                ..
            } => self.refused(contact, *status, *retry_after_s, &words(why)),
            What::ContactAbandoned { contact, .. } => {
                let head = self.head(contact)?;
                self.forget(contact);
                Some(format!("{head} {}", self.paint.notable("the caller gave up")).into())
            }
            What::ContactEnded { contact, .. } => {
                self.forget(contact);
                None
            }
            _ => None,
        }
    }

    /// A caller's phone says that its call is answered.
    pub fn answered(&mut self, caller: &str, setup: Duration) -> Option<Told> {
        let Some(contact) = self.callers.get(caller).copied() else {
            if self.early.len() < MAX_CALLS {
                self.early.insert(caller.to_owned(), setup);
            }
            return None;
        };
        self.notes.get_mut(&contact)?.setup = Some(setup);
        self.put_through(&contact)
    }

    fn typed(&mut self, contact: &ContactId, call_type: &str, queue: &str, from: &str, to: &str) {
        if self.notes.len() >= MAX_CALLS {
            return;
        }
        let caller = user_of(from).to_owned();
        let setup = self.early.remove(&caller);
        self.callers.insert(caller.clone(), *contact);
        let (to, call_type, queue) = (short(to), call_type.to_owned(), queue.to_owned());
        let note = Note {
            caller,
            to,
            call_type,
            queue,
            setup,
            ..Note::default()
        };
        self.notes.insert(*contact, note);
    }

    fn forget(&mut self, contact: &ContactId) {
        if let Some(note) = self.notes.remove(contact) {
            self.callers.remove(&note.caller);
        }
    }

    /// Time, call and called address.
    fn head(&self, contact: &ContactId) -> Option<String> {
        let note = self.notes.get(contact)?;
        let number = note.caller.strip_prefix("caller-").unwrap_or(&note.caller);
        let to = format!("{:<ADDRESS_WIDTH$}", note.to);
        Some(format!(
            "{} call {number:>3} {to}",
            self.paint.faint(&clock())
        ))
    }

    fn queued(&mut self, contact: &ContactId, position: usize, choice: &Choice) -> Option<Told> {
        let head = self.head(contact)?;
        let note = self.notes.get_mut(contact)?;
        // After a failed offer it is told again that it waits; once is enough.
        if std::mem::replace(&mut note.delayed, true) {
            return None;
        }
        let words = format!("waits in {}, position {position}", note.queue);
        let why = self.paint.faint(&reasons(choice));
        Some(format!("{head} {} {why}", self.paint.notable(&words)).into())
    }

    fn offer_failed(
        &mut self,
        contact: &ContactId,
        agent: &str,
        why: &str,
        code: u16,
    ) -> Option<Told> {
        let head = self.head(contact)?;
        self.notes.get_mut(contact)?.delayed = true;
        let code = if code == 0 {
            String::new()
        } else {
            format!(" {code}")
        };
        let words = self.paint.notable(&format!("{agent}: {why}{code}"));
        Some(format!("{head} {words}").into())
    }

    fn refused(
        &mut self,
        contact: &ContactId,
        status: u16,
        retry_after_s: Option<u32>,
        why: &str,
    ) -> Option<Told> {
        let head = self.head(contact)?;
        let note = self.notes.get(contact)?;
        let kind = format!("type={} queue={}", note.call_type, note.queue);
        let retry = retry_after_s.map_or(String::new(), |s| format!(", Retry-After {s}"));
        let words = self
            .paint
            .notable(&format!("refused {status} ({why}{retry})"));
        self.forget(contact);
        Some(format!("{head} {kind} {words}").into())
    }

    /// The line of a call that is put through, once both sides have said so. Callers that are not
    /// ours tell us nothing.
    fn put_through(&mut self, contact: &ContactId) -> Option<Told> {
        let head = self.head(contact)?;
        let note = self.notes.get(contact)?;
        let ours = note.caller.starts_with("caller-");
        if !note.connected || (ours && note.setup.is_none()) {
            return None;
        }
        let Note {
            call_type,
            queue,
            agent,
            why,
            delayed,
            setup,
            ..
        } = note;
        let kind = format!("type={call_type} queue={queue}");
        let agent = self.paint.good(&format!("→ {agent}"));
        let took = setup.map_or(String::new(), |setup| {
            format!(" set-up {:.1} ms", setup.as_secs_f64() * 1e3)
        });
        let line = format!("{head} {kind} {agent} {}{took}", self.paint.faint(why));
        Some(Told {
            line,
            setup: setup.map(|setup| (setup, !delayed)),
        })
    }
}

/// `caller-7` of `sip:caller-7@127.0.0.1:5060`.
fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or(rest, |(user, _)| user)
}

/// A URI without its parameters.
fn short(uri: &str) -> String {
    uri.split(';').next().unwrap_or(uri).to_owned()
}

/// An enum's JSON name with spaces: `no answer`.
fn words(value: &impl serde::Serialize) -> String {
    let name = serde_json::to_value(value).ok();
    let name = name
        .as_ref()
        .and_then(|name| name.as_str())
        .unwrap_or("for some reason");
    name.replace('_', " ")
}

/// What made an agent the first of the free.
fn chosen_by(strategy: Strategy, idle_ms: u64, score: Option<u64>) -> String {
    let score = score.unwrap_or_default();
    match strategy {
        Strategy::LongestIdle => format!("longest idle {}", seconds(idle_ms)),
        Strategy::RingAll => "all ring".to_owned(),
        Strategy::LeastOccupied => format!("least occupied {score} %"),
        Strategy::RoundRobin => "next in turn".to_owned(),
        Strategy::TopDown => format!("first of tier {score}"),
        Strategy::SkillBest => format!("best skilled {score}"),
        Strategy::WeightedRandom => "drawn by lot".to_owned(),
    }
}

/// Why this agent, and why not the others.
fn reasons(choice: &Choice) -> String {
    let told = choice.considered.iter().filter_map(|considered| {
        let agent = &considered.agent;
        Some(match &considered.verdict {
            Verdict::Chosen { .. } if choice.free <= 1 => "the only one free".to_owned(),
            Verdict::Chosen { .. } if choice.last_agent => "served this caller before".to_owned(),
            Verdict::Chosen { idle_ms, score } => chosen_by(choice.strategy, *idle_ms, *score),
            Verdict::LessIdle { idle_ms } => format!("{agent} idle {}", seconds(*idle_ms)),
            Verdict::RanksLower { .. } => format!("{agent} comes after"),
            Verdict::NotTheLast => format!("{agent} is not the one who knows this caller"),
            Verdict::LacksSkill { skill, has: 0, .. } => format!("{agent} lacks {skill}"),
            Verdict::LacksSkill { skill, needs, has } => {
                format!("{agent} has {skill} {has} of {needs}")
            }
            Verdict::FailedBefore => format!("{agent} failed before"),
            Verdict::Resting => format!("{agent} rests after a failed offer"),
            Verdict::Reserved => format!("{agent} ringing"),
            Verdict::InCall => format!("{agent} in a call"),
            Verdict::WrapUp => format!("{agent} in wrap-up"),
            Verdict::Paused { .. } => format!("{agent} paused"),
            Verdict::LoggedOut => format!("{agent} logged out"),
            Verdict::Unreachable => format!("{agent} not registered"),
            // Of another medium or queue, or of yesterday: not worth a word.
            Verdict::NotInMedium | Verdict::NotInQueue | Verdict::Removed => return None,
        })
    });
    let mut told: Vec<String> = told.take(MAX_REASONS).collect();
    if told.is_empty() {
        return String::new();
    }
    let first = told.remove(0);
    let rest = told.join(", ");
    if rest.is_empty() {
        format!("({first})")
    } else {
        format!("({first}; {rest})")
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1e3)
}

#[cfg(test)]
#[path = "story_tests.rs"]
mod tests;
