//! One condition of a rule, ready for comparison.

use super::calendar::Calendar;
use super::expression::{Expression, Shared, Variable};
use super::hours::Window;
use super::pattern::{Address, Pattern};
use super::prefix::Prefix;
use crate::centre::{Many, Rule, When};
use crate::explain::ConditionVerdict;
use crate::facts::Facts;
use crate::id::MenuId;
use crate::media::Usable;

/// What the rules see of a contact, prepared once for all of them.
pub(crate) struct Seen<'a> {
    pub facts: &'a Facts,
    pub usable: &'a Usable,
    pub unix_ms: u64,
    pub calendars: &'a [Calendar],
    pub request_uri: Address,
    pub to: Address,
    pub from: Address,
    /// The variables of expressions.
    pub shared: Shared<'a>,
}

impl<'a> Seen<'a> {
    pub fn new(
        facts: &'a Facts,
        usable: &'a Usable,
        unix_ms: u64,
        calendars: &'a [Calendar],
    ) -> Self {
        Self {
            facts,
            usable,
            unix_ms,
            calendars,
            request_uri: Address::of(&facts.request_uri),
            to: Address::of(&facts.to),
            from: Address::of(&facts.from),
            shared: Shared::default(),
        }
    }
}

/// What is found of a menu that nobody has chosen from.
const NOTHING_YET: &str = "nothing chosen yet";

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    To(Vec<Pattern>),
    Uri(Vec<Pattern>),
    From(Vec<Pattern>),
    Header(String, Vec<Pattern>),
    Medium(Vec<String>),
    Protocol(Vec<Pattern>),
    Codec(Vec<String>),
    Source(Vec<Prefix>),
    Transport(Vec<String>),
    /// What was chosen in a menu.
    Answer(MenuId, Vec<String>),
    /// Nothing was chosen in it yet.
    Unasked(MenuId),
    Hours(Vec<Window>),
    Calendar(Vec<Wanted>),
    /// None for one that validation refuses: it never holds.
    Expression(Option<Expression>),
}

/// A calendar that is to be open, or not to be.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Its place among the calendars of the centre.
    index: usize,
    open: bool,
}

/// A condition with what the declaration wrote.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    condition: Condition,
    wanted: String,
}

impl Declared {
    /// All conditions of a rule. Values that validation refuses are left out, so that a
    /// condition made of nothing else never holds.
    pub fn all(rule: &Rule, calendars: &[Calendar]) -> Vec<Self> {
        let when = &rule.when;
        let mut all = Vec::new();
        let mut add = |condition, wanted| all.push(Self { condition, wanted });
        if let Some(to) = &when.to {
            add(Condition::To(patterns(to)), joined(to));
        }
        if let Some(uri) = &when.uri {
            add(Condition::Uri(patterns(uri)), joined(uri));
        }
        if let Some(from) = &when.from {
            add(Condition::From(patterns(from)), joined(from));
        }
        for (name, value) in &when.header {
            add(
                Condition::Header(name.clone(), patterns(value)),
                joined(value),
            );
        }
        if let Some(medium) = &when.medium {
            add(
                Condition::Medium(medium.as_slice().to_vec()),
                joined(medium),
            );
        }
        if let Some(protocol) = &when.protocol {
            add(Condition::Protocol(patterns(protocol)), joined(protocol));
        }
        if let Some(codec) = &when.codec {
            add(Condition::Codec(codec.as_slice().to_vec()), joined(codec));
        }
        if let Some(source) = &when.source {
            let networks = source.as_slice().iter().filter_map(|s| Prefix::parse(s));
            add(Condition::Source(networks.collect()), joined(source));
        }
        if let Some(transport) = &when.transport {
            let wanted = transport.as_slice().to_vec();
            add(Condition::Transport(wanted), joined(transport));
        }
        if let Some(menu) = &rule.then.menu {
            add(Condition::Unasked(menu.clone()), NOTHING_YET.to_owned());
        }
        for (menu, words) in &when.answer {
            let wanted = words.as_slice().to_vec();
            add(Condition::Answer(menu.clone(), wanted), joined(words));
        }
        all.extend(Self::of_time(when, calendars));
        all
    }

    /// The conditions over the time, and the expression, which comes last because it costs most.
    fn of_time(when: &When, calendars: &[Calendar]) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |condition, wanted| all.push(Self { condition, wanted });
        if let Some(hours) = &when.hours {
            let windows = hours.as_slice().iter().filter_map(|h| Window::new(h).ok());
            let windows: Vec<Window> = windows.collect();
            let text: Vec<&str> = windows.iter().map(Window::text).collect();
            let text = text.join(" or ");
            add(Condition::Hours(windows), text);
        }
        if let Some(named) = &when.calendar {
            let wanted = named.as_slice().iter();
            let wanted = wanted.filter_map(|text| Wanted::new(text, calendars));
            add(Condition::Calendar(wanted.collect()), joined(named));
        }
        if let Some(text) = &when.expression {
            let zone = when.zone.as_deref().unwrap_or("UTC");
            let ready = Expression::new(text, zone, calendars).ok();
            add(Condition::Expression(ready), text.clone());
        }
        all
    }

    /// Whether it holds, or why that cannot be said; it then does not.
    pub fn holds(&self, seen: &Seen<'_>) -> Result<bool, String> {
        match &self.condition {
            Condition::Expression(Some(expression)) => expression.holds(seen),
            other => Ok(other.holds(seen)),
        }
    }

    /// Whether it is an expression that names a variable.
    pub fn names(&self, variable: Variable) -> bool {
        match &self.condition {
            Condition::Expression(Some(expression)) => expression.variables().contains(&variable),
            _ => false,
        }
    }

    pub fn verdict(&self, seen: &Seen<'_>) -> ConditionVerdict {
        ConditionVerdict {
            condition: self.condition.name(),
            wanted: self.wanted.clone(),
            found: self.condition.found(seen),
            holds: self.holds(seen).unwrap_or(false),
        }
    }
}

fn patterns(texts: &Many<String>) -> Vec<Pattern> {
    let all = texts.as_slice().iter();
    all.filter_map(|text| Pattern::new(text).ok()).collect()
}

fn joined(texts: &Many<String>) -> String {
    texts.as_slice().join(" or ")
}

impl Condition {
    fn holds(&self, seen: &Seen<'_>) -> bool {
        let media = &seen.usable.media;
        match self {
            Self::To(patterns) => {
                addressed(patterns, &seen.request_uri) || addressed(patterns, &seen.to)
            }
            Self::Uri(patterns) => addressed(patterns, &seen.request_uri),
            Self::From(patterns) => addressed(patterns, &seen.from),
            Self::Header(name, patterns) => {
                values(seen.facts, name).any(|value| patterns.iter().any(|p| p.matches(value)))
            }
            Self::Medium(kinds) => media.iter().any(|medium| among(kinds, &medium.kind)),
            Self::Protocol(patterns) => media
                .iter()
                .any(|medium| patterns.iter().any(|p| p.matches(&medium.protocol))),
            Self::Codec(wanted) => media
                .iter()
                .any(|medium| medium.codecs.iter().any(|codec| among(wanted, codec))),
            Self::Source(prefixes) => seen
                .facts
                .source
                .is_some_and(|source| prefixes.iter().any(|p| p.contains(source.ip()))),
            Self::Transport(wanted) => among(wanted, &seen.facts.transport),
            Self::Answer(menu, words) => {
                let answer = seen.facts.answers.get(menu.as_str());
                answer.is_some_and(|answer| words.contains(answer))
            }
            Self::Unasked(menu) => !seen.facts.answers.contains_key(menu.as_str()),
            Self::Hours(windows) => windows.iter().any(|w| w.contains(seen.unix_ms)),
            Self::Calendar(wanted) => wanted.iter().any(|wanted| {
                let calendar = seen.calendars.get(wanted.index);
                calendar.is_some_and(|one| one.at(seen.unix_ms).open == wanted.open)
            }),
            Self::Expression(expression) => {
                let result = expression.as_ref().map(|one| one.holds(seen));
                result == Some(Ok(true))
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::To(_) => "to".into(),
            Self::Uri(_) => "uri".into(),
            Self::From(_) => "from".into(),
            Self::Header(name, _) => format!("header.{name}"),
            Self::Medium(_) => "medium".into(),
            Self::Protocol(_) => "protocol".into(),
            Self::Codec(_) => "codec".into(),
            Self::Source(_) => "source".into(),
            Self::Transport(_) => "transport".into(),
            Self::Answer(menu, _) => format!("answer.{menu}"),
            Self::Unasked(menu) => format!("menu.{menu}"),
            Self::Hours(_) => "hours".into(),
            Self::Calendar(_) => "calendar".into(),
            Self::Expression(_) => "expression".into(),
        }
    }

    fn found(&self, seen: &Seen<'_>) -> String {
        let media = &seen.usable.media;
        let listed = |texts: Vec<&str>| match texts.is_empty() {
            true => "none".to_string(),
            false => texts.join(", "),
        };
        match self {
            Self::To(_) if seen.request_uri == seen.to => seen.to.as_str().into(),
            Self::To(_) => format!("{} and {}", seen.request_uri.as_str(), seen.to.as_str()),
            Self::Uri(_) => seen.request_uri.as_str().into(),
            Self::From(_) => seen.from.as_str().into(),
            Self::Header(name, _) => listed(values(seen.facts, name).collect()),
            Self::Medium(_) => listed(media.iter().map(|m| m.kind.as_str()).collect()),
            Self::Protocol(_) => listed(media.iter().map(|m| m.protocol.as_str()).collect()),
            Self::Codec(_) => {
                let codecs = media.iter().flat_map(|m| m.codecs.iter());
                listed(codecs.map(String::as_str).collect())
            }
            Self::Source(_) => match seen.facts.source {
                Some(source) => source.ip().to_string(),
                None => "not known".into(),
            },
            Self::Transport(_) => listed(vec![&seen.facts.transport]),
            Self::Answer(menu, _) | Self::Unasked(menu) => {
                let answer = seen.facts.answers.get(menu.as_str());
                answer.map_or(NOTHING_YET, String::as_str).to_owned()
            }
            Self::Hours(windows) => windows
                .first()
                .map_or_else(String::new, |window| window.local_text(seen.unix_ms)),
            Self::Calendar(wanted) => {
                let calendars = wanted
                    .iter()
                    .filter_map(|one| seen.calendars.get(one.index));
                let told: Vec<String> = calendars.map(|one| one.told(seen.unix_ms)).collect();
                told.join(", ")
            }
            Self::Expression(expression) => expression
                .as_ref()
                .map_or_else(String::new, |expression| expression.found(seen)),
        }
    }
}

impl Wanted {
    fn new(text: &str, calendars: &[Calendar]) -> Option<Self> {
        let (id, open) = match text.strip_prefix('!') {
            Some(id) => (id, false),
            None => (text, true),
        };
        let index = calendars.iter().position(|one| one.id() == id)?;
        Some(Self { index, open })
    }
}

fn addressed(patterns: &[Pattern], address: &Address) -> bool {
    patterns.iter().any(|p| p.matches_address(address))
}

fn among(wanted: &[String], name: &str) -> bool {
    wanted.iter().any(|one| one.eq_ignore_ascii_case(name))
}

fn values<'a>(facts: &'a Facts, name: &'a str) -> impl Iterator<Item = &'a str> {
    facts
        .headers
        .iter()
        .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}
