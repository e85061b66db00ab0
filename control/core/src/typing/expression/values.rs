//! The variables of an expression, made of a contact when one asks for them.

use crate::facts::{Earlier, Facts};
use crate::limits::{MAX_SHOWN_BYTES, MAX_SUBJECT_BYTES};
use crate::typing::calendar::{Calendar, State};
use crate::typing::condition::Seen;
use crate::typing::hours::DAYS;
use crate::typing::pattern::Address;
use cel::common::types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Value, objects::Key};
use core::fmt::Write;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

/// A variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variable {
    Uri,
    To,
    From,
    Headers,
    Media,
    Protocols,
    Codecs,
    Source,
    Transport,
    Time,
    Calendar,
    Customer,
    Entitlements,
    Earlier,
    Answers,
}

impl Variable {
    pub const ALL: [Self; 15] = [
        Self::Uri,
        Self::To,
        Self::From,
        Self::Headers,
        Self::Media,
        Self::Protocols,
        Self::Codecs,
        Self::Source,
        Self::Transport,
        Self::Time,
        Self::Calendar,
        Self::Customer,
        Self::Entitlements,
        Self::Earlier,
        Self::Answers,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Uri => "uri",
            Self::To => "to",
            Self::From => "from",
            Self::Headers => "headers",
            Self::Media => "media",
            Self::Protocols => "protocols",
            Self::Codecs => "codecs",
            Self::Source => "source",
            Self::Transport => "transport",
            Self::Time => "time",
            Self::Calendar => "calendar",
            Self::Customer => "customer",
            Self::Entitlements => "entitlements",
            Self::Earlier => "earlier",
            Self::Answers => "answers",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// The fields that it always has and no others; empty if its keys come from outside.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Uri | Self::To | Self::From => &["scheme", "user", "host", "text"],
            Self::Time => &["hour", "minute", "weekday", "day", "month", "year", "date"],
            Self::Earlier => &["contacts", "agent", "queue", "seconds_ago"],
            _ => &[],
        }
    }
}

/// Variables of one contact that are the same for all rules, each made when first asked for.
#[derive(Default)]
pub(crate) struct Shared<'a> {
    made: [OnceLock<Box<dyn Val + 'a>>; Variable::ALL.len()],
}

/// The variables that one rule's expression sees.
pub(super) struct Variables<'s, 'a> {
    seen: &'s Seen<'a>,
    /// The only one that depends on the rule: it is made of the rule's zone.
    time: OnceLock<Box<dyn Val + 'a>>,
    zone: &'s TimeZone,
}

impl<'s, 'a> Variables<'s, 'a> {
    pub fn new(seen: &'s Seen<'a>, zone: &'s TimeZone) -> Self {
        Self {
            seen,
            time: OnceLock::new(),
            zone,
        }
    }
}

impl VariableResolver for Variables<'_, '_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let variable = Variable::named(name)?;
        let made = match variable {
            Variable::Time => self.time.get_or_init(|| time(self.seen.unix_ms, self.zone)),
            _ => self
                .seen
                .shared
                .made
                .get(variable as usize)?
                .get_or_init(|| make(variable, self.seen)),
        };
        Some(CowVal::Borrowed(made.as_ref()))
    }
}

fn make<'a>(variable: Variable, seen: &Seen<'a>) -> Box<dyn Val + 'a> {
    let facts = seen.facts;
    let media = &seen.usable.media;
    match variable {
        Variable::Uri => address(&seen.request_uri),
        Variable::To => address(&seen.to),
        Variable::From => address(&seen.from),
        Variable::Headers => headers(facts),
        Variable::Media => list(media.iter().map(|one| one.kind.as_str())),
        Variable::Protocols => list(media.iter().map(|one| one.protocol.as_str())),
        Variable::Codecs => {
            let codecs = media.iter().flat_map(|one| one.codecs.iter());
            list(codecs.map(String::as_str))
        }
        Variable::Source => {
            let source = facts.source.map(|source| source.ip().to_canonical());
            owned(source.map_or_else(String::new, |ip| ip.to_string()))
        }
        Variable::Transport => text(&facts.transport),
        // It is the rule's own, see `Variables`.
        Variable::Time => time(seen.unix_ms, &TimeZone::UTC),
        Variable::Calendar => calendars(seen.calendars, seen.unix_ms),
        Variable::Customer => texts(&facts.customer),
        Variable::Entitlements => list(facts.entitlements.iter().map(String::as_str)),
        Variable::Earlier => earlier(&facts.earlier),
        Variable::Answers => texts(&facts.answers),
    }
}

/// Without an earlier contact there is no time since it, rather than one that would compare.
fn earlier<'a>(earlier: &'a Earlier) -> Box<dyn Val + 'a> {
    let agent = earlier.agent.as_ref().map_or("", |id| id.as_str());
    let queue = earlier.queue.as_ref().map_or("", |id| id.as_str());
    let always = [
        ("contacts", number(i64::from(earlier.contacts))),
        ("agent", text(agent)),
        ("queue", text(queue)),
    ];
    let ago = earlier.seconds_ago.and_then(|ago| i64::try_from(ago).ok());
    map(always
        .into_iter()
        .chain(ago.map(|ago| ("seconds_ago", number(ago)))))
}

fn text<'a>(text: &'a str) -> Box<dyn Val + 'a> {
    Box::new(CelString::from(clipped(text, MAX_SUBJECT_BYTES)))
}

fn owned<'a>(text: String) -> Box<dyn Val + 'a> {
    Box::new(CelString::from(text))
}

fn number<'a>(number: impl Into<i64>) -> Box<dyn Val + 'a> {
    Box::new(CelInt::from(number.into()))
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Box<dyn Val + 'a> {
    Box::new(CelList::from(texts.map(text).collect::<Vec<_>>()))
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Box<dyn Val + 'a>)>) -> Box<dyn Val + 'a> {
    let entries = entries.into_iter();
    let all: HashMap<_, _> = entries
        .map(|(key, value)| (CelMapKey::from(key), value))
        .collect();
    Box::new(CelMap::from(all))
}

fn texts<'a>(entries: &'a BTreeMap<String, String>) -> Box<dyn Val + 'a> {
    map(entries
        .iter()
        .map(|(key, value)| (key.as_str(), text(value))))
}

fn address<'a>(address: &Address) -> Box<dyn Val + 'a> {
    let whole = clipped(address.as_str(), MAX_SUBJECT_BYTES);
    map([
        ("scheme", owned(address.scheme().to_ascii_lowercase())),
        (
            "user",
            owned(clipped(address.user(), MAX_SUBJECT_BYTES).to_string()),
        ),
        (
            "host",
            owned(clipped(address.host(), MAX_SUBJECT_BYTES).to_ascii_lowercase()),
        ),
        ("text", owned(whole.to_string())),
    ])
}

fn headers<'a>(facts: &'a Facts) -> Box<dyn Val + 'a> {
    let mut named: BTreeMap<String, Vec<Box<dyn Val + 'a>>> = BTreeMap::new();
    for (name, value) in &facts.headers {
        named
            .entry(name.to_ascii_lowercase())
            .or_default()
            .push(text(value));
    }
    let all: HashMap<CelMapKey<'a>, Box<dyn Val + 'a>> = named
        .into_iter()
        .map(|(name, values)| {
            let values: Box<dyn Val + 'a> = Box::new(CelList::from(values));
            (CelMapKey::from(name), values)
        })
        .collect();
    Box::new(CelMap::from(all))
}

fn calendars<'a>(calendars: &'a [Calendar], unix_ms: u64) -> Box<dyn Val + 'a> {
    map(calendars.iter().map(|calendar| {
        let State { open, holiday } = calendar.at(unix_ms);
        let open: Box<dyn Val + 'a> = Box::new(CelBool::from(open));
        (
            calendar.id(),
            map([("open", open), ("holiday", text(holiday))]),
        )
    }))
}

fn time<'a>(unix_ms: u64, zone: &TimeZone) -> Box<dyn Val + 'a> {
    let stamp = i64::try_from(unix_ms).ok();
    let stamp = stamp.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let local = stamp.unwrap_or_default().to_zoned(zone.clone());
    let day = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default();
    let weekday = DAYS.get(day).map_or("", |(name, _)| name);
    map([
        ("hour", number(local.hour())),
        ("minute", number(local.minute())),
        ("weekday", text(weekday)),
        ("day", number(local.day())),
        ("month", number(local.month())),
        ("year", number(local.year())),
        ("date", owned(local.date().to_string())),
    ])
}

fn clipped(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

/// The value of a part of an expression for people, as an expression would write it. Of all headers
/// together only the names are shown: some hold what lets a reader in.
pub(super) fn shown(part: &str, value: &dyn Val) -> String {
    let mut text = String::new();
    match Value::try_from(value) {
        Ok(Value::Map(all)) if part == Variable::Headers.name() => {
            let names: BTreeSet<String> = all.map.keys().map(Key::to_string).collect();
            let names: Vec<String> = names.into_iter().collect();
            text.push_str(&names.join(", "));
        }
        Ok(value) => write_value(&mut text, &value),
        Err(_) => text.push_str(value.get_type().name()),
    }
    if text.len() <= MAX_SHOWN_BYTES {
        return text;
    }
    format!("{}…", clipped(&text, MAX_SHOWN_BYTES))
}

fn write_value(out: &mut String, value: &Value) {
    if out.len() > MAX_SHOWN_BYTES {
        return;
    }
    // Writing to a text cannot fail.
    let _ = match value {
        Value::Int(number) => write!(out, "{number}"),
        Value::UInt(number) => write!(out, "{number}u"),
        Value::Float(number) => write!(out, "{number:?}"),
        Value::Bool(truth) => write!(out, "{truth}"),
        Value::String(text) => write!(out, "{text:?}"),
        Value::List(list) => {
            out.push('[');
            for (index, one) in list.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_value(out, one);
            }
            write!(out, "]")
        }
        Value::Map(map) => {
            let entries: BTreeMap<&Key, &Value> = map.map.iter().collect();
            out.push('{');
            for (index, (key, one)) in entries.into_iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                let _ = match key {
                    Key::String(text) => write!(out, "{comma}{text:?}: "),
                    key => write!(out, "{comma}{key}: "),
                };
                write_value(out, one);
            }
            write!(out, "}}")
        }
        other => write!(out, "{}", other.type_of()),
    };
}
