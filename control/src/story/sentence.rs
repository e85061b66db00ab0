//! One sentence for people about each event.

use std::collections::BTreeMap;

use patchbay_core::centre::OverflowWhen;
use patchbay_core::explain::{Choice, Considered, Verdict};
use patchbay_core::{Activity, Event, OfferEnd, Status, Way, What};
use patchbay_route::session::{EndedBy, NoticeState};

/// Agents that were passed over and are named in one sentence; the others are counted.
const MAX_NAMED: usize = 4;

/// What an event says, as one sentence without a full stop.
#[must_use]
pub fn sentence(event: &Event) -> String {
    match &event.what {
        What::ControlStarted => "the control node began".to_owned(),
        What::ContactAsking { ask, from, to, .. } => {
            format!("{from} calls {to}: {ask} is asked about it")
        }
        What::ContactAsked { .. } => asked(&event.what),
        What::ContactInMenu {
            menu,
            rule,
            from,
            to,
            ..
        } => format!("{from} calls {to}: rule {rule} lets the caller choose from menu {menu}"),
        What::ContactChose {
            menu, key, answer, ..
        } => match key {
            Some(key) => format!("the caller presses {key} in menu {menu}: {answer}"),
            None => format!("{answer} counts as chosen in menu {menu}"),
        },
        What::ContactTyped { .. } => typed(&event.what),
        What::ContactQueued {
            queue,
            position,
            expected_ms,
            choice,
            ..
        } => {
            let why = passed_over(choice);
            let expected = expected_ms.map_or_else(String::new, |ms| {
                format!(", for {} as is expected", seconds(ms))
            });
            format!("waits in {queue} at position {position}{expected}: {why}")
        }
        What::ContactKept {
            queue, waited_ms, ..
        } => format!(
            "control was started again; the caller keeps its place in {queue}, for which it has waited {}",
            seconds(*waited_ms)
        ),
        What::ContactLate { waited_ms, .. } => format!(
            "was not answered in time after {}: those who still can be go first",
            seconds(*waited_ms)
        ),
        What::ContactRelaxed {
            skills, waited_ms, ..
        } => {
            let after = seconds(*waited_ms);
            match skills.is_empty() {
                true => format!("asks for no skill any more after {after}"),
                false => format!("asks for {} only after {after}", levels(skills)),
            }
        }
        What::SiteAsked { site, .. } => format!("asks {site} for an agent too"),
        What::SiteFailed {
            site,
            why,
            pause_ms,
            ..
        } => format!(
            "{site} gives no agent: {}; it is asked again in {}",
            why.text(),
            seconds(*pause_ms)
        ),
        What::ContactClaimed { agent, .. } => {
            format!("whoever asked for {agent} calls here, and the relay takes the call there")
        }
        What::ContactPressed { key, .. } => format!("the caller presses {key}"),
        What::ContactMoved { .. } | What::ContactRedirected { .. } => overflowed(&event.what),
        What::CallBackPromised { .. }
        | What::CallBackKept { .. }
        | What::CallBackDialled { .. }
        | What::CallBackPutOff { .. } => call_back(&event.what, event.unix_ms),
        What::ContactOffered {
            agent,
            ring_ms,
            choice,
            ..
        } => {
            let why = chosen(choice);
            let ring = seconds(*ring_ms);
            format!("is offered to {agent}{why}; the phone may ring for {ring}")
        }
        What::OfferRinging { agent, .. } => format!("the phone of {agent} rings"),
        What::OfferFailed {
            agent, why, code, ..
        } => {
            let code = match code {
                0 => String::new(),
                code => format!(" ({code})"),
            };
            format!("{agent} {}{code}", failed(*why))
        }
        What::ContactConnected {
            agent,
            carried: Way::Redirect,
            ..
        } => format!("the caller's proxy is told where {agent} is, and calls there itself"),
        What::ContactConnected {
            agent, waited_ms, ..
        } => format!("{agent} answers after {}", seconds(*waited_ms)),
        What::ContactAdopted { agent, .. } => {
            format!("is in a call with {agent}, taken over after a restart of control")
        }
        What::AgentNotice { agent, notice, .. } => {
            format!("the phone of {agent} {}", notified(*notice))
        }
        What::ContactHeld { by, agent, .. } => match by {
            EndedBy::Client => "the caller holds the call".to_owned(),
            _ => format!("{agent} puts the caller on hold"),
        },
        What::ContactResumed { held_ms, .. } => {
            format!("goes on after {} on hold", seconds(*held_ms))
        }
        What::ContactTransferred { by, agent, to, .. } => sent_elsewhere(*by, agent.as_str(), to),
        What::SessionUnwanted { agent, .. } => {
            format!("a session with {agent} lives that nobody wants, and is being ended")
        }
        What::ContactEnded { .. } | What::ContactRefused { .. } | What::ContactAbandoned { .. } => {
            end(&event.what)
        }
        What::AgentStatus {
            agent,
            status,
            reachable,
        } => status_of(agent.as_str(), status, *reachable),
        What::QueueGauge { queue, waiting, .. } => format!("{waiting} wait in {queue}"),
        What::AgentState { agent, activity } => format!("{agent} {}", doing(activity)),
    }
}

fn call_back(what: &What, now: u64) -> String {
    let when = |due: u64| match due.saturating_sub(now) {
        0 => "as soon as an agent is free".to_owned(),
        ahead => format!("in {}", seconds(ahead)),
    };
    match what {
        What::CallBackPromised {
            to, due_unix_ms, ..
        } => format!("{to} will be called {}", when(*due_unix_ms)),
        What::CallBackKept {
            to, due_unix_ms, ..
        } => format!(
            "control was started again; {to} is still to be called {}",
            when(*due_unix_ms)
        ),
        What::CallBackDialled { agent, to, .. } => format!("{agent} takes it and {to} is called"),
        What::CallBackPutOff {
            due_unix_ms, tries, ..
        } => format!(
            "the customer is called again {}, after {tries} times",
            when(*due_unix_ms)
        ),
        _ => String::new(),
    }
}

fn sent_elsewhere(by: EndedBy, agent: &str, to: &str) -> String {
    let to = match to {
        "" => "another phone",
        to => to,
    };
    match by {
        EndedBy::Client => format!("the caller transfers {agent} to {to}"),
        _ => format!("{agent} transfers the caller to {to}"),
    }
}

fn asked(what: &What) -> String {
    let What::ContactAsked {
        ask,
        took_ms,
        facts,
        decision,
        failure,
        detail,
        ..
    } = what
    else {
        return String::new();
    };
    if let Some(why) = failure {
        let detail = match detail.is_empty() {
            true => String::new(),
            false => format!(" ({detail})"),
        };
        return format!("{ask} {}{detail}", why.text());
    }
    let mut text = format!("{ask} answers after {took_ms} ms");
    if !facts.is_empty() {
        text.push_str(&format!(" with {}", facts.join(", ")));
    }
    match decision {
        Some(decision) => text.push_str(&format!(" and decides: {decision}")),
        None => text.push_str(" and leaves it to the rules"),
    }
    text
}

fn typed(what: &What) -> String {
    let What::ContactTyped {
        call_type,
        rule,
        because,
        queue,
        skills,
        priority,
        from,
        to,
        ..
    } = what
    else {
        return String::new();
    };
    let mut text = format!("{from} calls {to}: rule {rule} makes it {call_type} for {queue}");
    if !because.is_empty() {
        text.push_str(&format!(", because {}", because.join(", ")));
    }
    if !skills.is_empty() {
        text.push_str(&format!("; needs {}", levels(skills)));
    }
    if *priority != 0 {
        text.push_str(&format!("; priority {priority}"));
    }
    text
}

fn levels(skills: &BTreeMap<String, u8>) -> String {
    let skills = skills
        .iter()
        .map(|(skill, level)| format!("{skill} {level}"));
    skills.collect::<Vec<String>>().join(", ")
}

fn overflowed(what: &What) -> String {
    let (goes, when, waited_ms) = match what {
        What::ContactMoved {
            from,
            queue,
            when,
            waited_ms,
            ..
        } => (format!("goes from {from} to {queue}"), when, waited_ms),
        What::ContactRedirected {
            to,
            when,
            waited_ms,
            ..
        } => {
            let goes = format!("the caller is told to call {to}");
            match when {
                Some(when) => (goes, when, waited_ms),
                None => return format!("{goes} after {}", seconds(*waited_ms)),
            }
        }
        _ => return String::new(),
    };
    let why = match when {
        OverflowWhen::Full => "the queue is full",
        OverflowWhen::NoAgents => "no agent of the queue is logged in and reachable",
        OverflowWhen::Pressed => "the caller chose so by a key",
        OverflowWhen::Waited => "it has waited long enough there",
    };
    format!("{goes} after {}: {why}", seconds(*waited_ms))
}

fn end(what: &What) -> String {
    match what {
        What::ContactEnded {
            cause, by, talk_ms, ..
        } => {
            let who = match by {
                Some(EndedBy::Client) => "the caller ends the call",
                Some(EndedBy::Agent) => "the agent ends the call",
                Some(EndedBy::Relay) => "the relay ends the call",
                Some(EndedBy::Control) => "control ends the call",
                None => "the call ends",
            };
            let cause = name(cause);
            format!("{who} after {} of talk ({cause})", seconds(*talk_ms))
        }
        What::ContactRefused {
            status,
            why,
            waited_ms,
            ..
        } => {
            let after = seconds(*waited_ms);
            format!("is refused with {status} after {after}: {}", why.text())
        }
        What::ContactAbandoned {
            agent, waited_ms, ..
        } => {
            let ringing = agent.as_ref();
            let ringing = ringing.map_or_else(String::new, |agent| {
                format!(" while the phone of {agent} was being called")
            });
            format!("the caller gives up after {}{ringing}", seconds(*waited_ms))
        }
        _ => String::new(),
    }
}

fn chosen(choice: &Choice) -> String {
    let verdict = choice
        .considered
        .iter()
        .find(|one| choice.chosen.as_ref() == Some(&one.agent));
    match verdict.map(|one| &one.verdict) {
        Some(Verdict::Chosen { idle_ms, .. }) => format!(
            ", idle for {}, of {} free and {} qualified",
            seconds(*idle_ms),
            choice.free,
            choice.qualified
        ),
        _ => String::new(),
    }
}

fn passed_over(choice: &Choice) -> String {
    if choice.considered.is_empty() {
        return "no agent is qualified".to_owned();
    }
    let named = choice.considered.iter().take(MAX_NAMED);
    let named: Vec<String> = named.map(verdict).collect();
    let more = match choice.considered.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more are not free"),
    };
    format!("{}{more}", named.join(", "))
}

fn verdict(considered: &Considered) -> String {
    let agent = &considered.agent;
    match &considered.verdict {
        Verdict::FailedBefore => format!("{agent} failed it a moment ago"),
        Verdict::Resting => format!("{agent} rests after an offer that failed"),
        Verdict::Reserved => format!("the phone of {agent} is being called"),
        Verdict::InCall => format!("{agent} is in a call"),
        Verdict::WrapUp => format!("{agent} is in wrap-up"),
        Verdict::Paused { reason } if reason.is_empty() => format!("{agent} is paused"),
        Verdict::Paused { reason } => format!("{agent} is paused ({reason})"),
        Verdict::LoggedOut => format!("{agent} is logged out"),
        Verdict::Unreachable => format!("{agent} has no phone registered"),
        Verdict::NotInMedium => format!("{agent} takes nothing in this medium"),
        Verdict::NotInQueue => format!("{agent} does not serve the queue"),
        Verdict::LacksSkill {
            skill, needs, has, ..
        } => format!("{agent} has {skill} {has} and not {needs}"),
        _ => format!("{agent} is not free"),
    }
}

fn failed(why: OfferEnd) -> &'static str {
    match why {
        OfferEnd::Busy => "is busy",
        OfferEnd::NoAnswer => "does not answer",
        OfferEnd::Declined => "declines",
        OfferEnd::Unreachable => "is not reached",
        OfferEnd::NotAcceptable => "has a phone that cannot take this medium or codec",
        OfferEnd::RelayFull => "is not called: the relay has no room",
        OfferEnd::Error => "has a phone that fails",
        OfferEnd::CustomerAway => "calls the customer, who does not answer",
        OfferEnd::CallerGone => "is not needed: the caller gave up",
        OfferEnd::AgentLeft => "logs out while the phone is being called",
        OfferEnd::AnsweredElsewhere => "is not needed: another agent answered first",
        OfferEnd::Ended => "is not needed: the session ended before the answer",
        OfferEnd::Guard => "is freed: the relay never said how the offer ended",
    }
}

fn notified(notice: NoticeState) -> &'static str {
    match notice {
        NoticeState::Off => "is not asked to tell when the call ends",
        NoticeState::Asked => "is asked to tell when the call ends",
        NoticeState::Active => "tells when the call ends",
        NoticeState::Refused => "does not tell when the call ends",
        NoticeState::Silent => "was asked to tell when the call ends, and says nothing",
    }
}

fn status_of(agent: &str, status: &Status, reachable: bool) -> String {
    let status = match status {
        Status::Ready => "is ready".to_owned(),
        Status::Paused { reason } if reason.is_empty() => "is paused".to_owned(),
        Status::Paused { reason } => format!("is paused ({reason})"),
        Status::LoggedOut => "is logged out".to_owned(),
    };
    let reach = match reachable {
        true => "can be reached",
        false => "cannot be reached",
    };
    format!("{agent} {status} and {reach}")
}

fn doing(activity: &Activity) -> &'static str {
    match activity {
        Activity::Idle => "has nothing to do",
        Activity::Reserved { .. } => "is being called",
        Activity::InCall { .. } => "is in a call",
        Activity::WrapUp { .. } => "finishes the work of the last call",
        Activity::Resting { .. } => "is left alone for a moment",
    }
}

/// As JSON names it: `media_timeout`.
pub(crate) fn name(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Such as `7.2 s`, `3 min 20 s`, `1 h 05 min`.
pub(crate) fn seconds(ms: u64) -> String {
    let s = ms / 1_000;
    match s {
        0..60 => format!("{}.{} s", s, ms % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", s / 60, s % 60),
        _ => format!("{} h {:02} min", s / 3_600, s % 3_600 / 60),
    }
}
