//! `centre.toml`: reads a declaration and finds every problem of it, each with its line.
//!
//! serde stops at the first error. To find them all, each entry is read on its own, and what an
//! error points at is taken out of it before the entry is read again.

use std::ops::Range;

use patchbay_core::Centre;
use patchbay_core::centre::{Agent, Ask, Calendar, Menu, Offers, Phones, Queue, Rule, Site};
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::advice;
use super::problem::{Fault, Problems, Report, nearest};
use super::reader;
use super::source::Source;

/// The keys of the file's top level; they tell this file from a `patchbay.toml`.
pub const TOP_LEVEL_KEYS: [&str; 9] = [
    "queue", "agent", "calendar", "ask", "menu", "rule", "site", "offers", "phones",
];

/// Errors sought in one entry.
const MAX_ERRORS_PER_ENTRY: usize = 16;

/// A declaration that can be applied, and what was noticed while reading it.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedCentre {
    /// The declaration.
    pub centre: Centre,
    /// Warnings only.
    pub warnings: Problems,
}

/// Reads and checks a declaration.
///
/// # Errors
/// Every problem of the text, warnings included.
pub fn read(source: &Source) -> Result<CheckedCentre, Problems> {
    let mut report = Report::new(source);
    let document = reader::parse(source.text(), &mut report);
    let mut section = reader::Section::new("", document.get_ref());
    let queues = entries::<Queue>("queue", &mut section, &mut report);
    let agents = entries::<Agent>("agent", &mut section, &mut report);
    let asks = entries::<Ask>("ask", &mut section, &mut report);
    let calendars = entries::<Calendar>("calendar", &mut section, &mut report);
    let menus = entries::<Menu>("menu", &mut section, &mut report);
    let rules = entries::<Rule>("rule", &mut section, &mut report);
    let sites = entries::<Site>("site", &mut section, &mut report);
    let offers = section.get("offers").and_then(|value| {
        let span = value.span();
        entry::<Offers>("offers", value.clone(), span, &mut report).0
    });
    let phones = section.get("phones").and_then(|value| {
        let span = value.span();
        entry::<Phones>("phones", value.clone(), span, &mut report).0
    });
    section.finish(&mut report);
    let places = Places {
        queues: queues.places(),
        agents: agents.places(),
        asks: asks.places(),
        calendars: calendars.places(),
        menus: menus.places(),
        rules: rules.places(),
        sites: sites.places(),
    };
    let centre = Centre {
        queues: queues.read,
        agents: agents.read,
        asks: asks.read,
        calendars: calendars.read,
        menus: menus.read,
        rules: rules.read,
        sites: sites.read,
        offers: offers.unwrap_or_default(),
        phones: phones.unwrap_or_default(),
    };
    for problem in patchbay_core::validate(&centre) {
        if let Some(path) = places.original(&problem.path) {
            let span = locate(document.get_ref(), &path);
            let fault = Fault::new(problem.message, problem.remedy);
            report.error(path, span, fault);
        }
    }
    if !report.has_errors() {
        for (path, fault) in advice::of(&centre) {
            let span = locate(document.get_ref(), &path);
            report.warning(path, span, fault);
        }
    }
    let failed = report.has_errors();
    let warnings = report.finish();
    match failed {
        true => Err(warnings),
        false => Ok(CheckedCentre { centre, warnings }),
    }
}

/// Where a path such as `rule[2].then.queue` is in a text; 0 if nothing of it is there.
pub fn place_of(source: &Source, path: &str) -> Range<usize> {
    let (document, _) = DeTable::parse_recoverable(source.text());
    locate(document.get_ref(), path)
}

/// The entries of one kind.
struct Entries<T> {
    read: Vec<T>,
    /// For each of `read`: its index in the file, and whether all of it could be read.
    origin: Vec<(usize, bool)>,
    /// Whether an entry could not be read at all.
    lost: bool,
}

impl<T> Entries<T> {
    fn places(&self) -> Kind {
        Kind {
            origin: self.origin.clone(),
            lost: self.lost,
        }
    }
}

fn entries<T: DeserializeOwned>(
    kind: &'static str,
    section: &mut reader::Section<'_>,
    report: &mut Report<'_>,
) -> Entries<T> {
    let mut entries = Entries {
        read: Vec::new(),
        origin: Vec::new(),
        lost: false,
    };
    let Some(value) = section.get(kind) else {
        return entries;
    };
    let Some(elements) = value.get_ref().as_array() else {
        let what = format!("is {}", reader::with_article(value.get_ref().type_str()));
        let remedy = format!("write each {kind} below a line [[{kind}]], with two brackets");
        report.error(kind, value.span(), Fault::new(what, remedy));
        entries.lost = true;
        return entries;
    };
    for (index, element) in elements.iter().enumerate() {
        let path = format!("{kind}[{index}]");
        let (read, whole) = entry::<T>(&path, element.clone(), element.span(), report);
        match read {
            Some(read) => {
                entries.read.push(read);
                entries.origin.push((index, whole));
            }
            None => entries.lost = true,
        }
    }
    entries
}

/// Reads one entry, as far as it goes; also says whether nothing had to be taken out of it.
fn entry<T: DeserializeOwned>(
    path: &str,
    mut value: Spanned<DeValue<'_>>,
    span: Range<usize>,
    report: &mut Report<'_>,
) -> (Option<T>, bool) {
    let mut taken: Vec<String> = Vec::new();
    while taken.len() < MAX_ERRORS_PER_ENTRY {
        let error = match T::deserialize(ValueDeserializer::from(value.clone())) {
            Ok(read) => return (Some(read), taken.is_empty()),
            Err(error) => error,
        };
        let at = error.span().unwrap_or(span.clone());
        let removed = remove(&mut value, &at);
        let full = match &removed {
            Some(inner) => format!("{path}.{inner}"),
            None => path.to_owned(),
        };
        if !misses_one_of(&taken, error.message()) {
            report.error(full, at, in_words(error.message()));
        }
        match removed {
            Some(removed) => taken.push(removed),
            None => return (None, false),
        }
    }
    (None, false)
}

/// Whether serde only misses a key that was taken out because of its value.
fn misses_one_of(taken: &[String], message: &str) -> bool {
    let missing = message.strip_prefix("missing field `");
    let missing = missing.and_then(|rest| rest.split('`').next());
    missing.is_some_and(|key| {
        taken
            .iter()
            .any(|path| path.rsplit('.').next() == Some(key))
    })
}

/// Takes out the innermost key whose name or value lies at `span`; gives its path.
fn remove(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    let covers = |outer: &Range<usize>| outer.start <= span.start && span.end <= outer.end;
    match value.get_mut() {
        DeValue::Table(table) => {
            let found = table
                .iter()
                .find(|(name, value)| covers(&name.span()) || covers(&value.span()))
                .map(|(name, _)| name.clone())?;
            let name = found.get_ref().to_string();
            let inner = match covers(&found.span()) {
                true => None,
                false => table.get_mut(&found).and_then(|value| remove(value, span)),
            };
            if inner.is_none() {
                table.remove(&found);
            }
            Some(inner.map_or(name.clone(), |inner| format!("{name}.{inner}")))
        }
        // An element alone cannot be taken out: the list is then another one. Tables in it can.
        DeValue::Array(array) => array.iter_mut().enumerate().find_map(|(index, element)| {
            let inner = covers(&element.span()).then(|| remove(element, span))?;
            inner.map(|inner| format!("[{index}].{inner}"))
        }),
        _ => None,
    }
}

/// An error of serde in other words.
fn in_words(message: &str) -> Fault {
    let message = message.lines().next().unwrap_or("").trim();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field")
        && let Some((word, known)) = quoted.split_first()
    {
        let remedy = match nearest(word, known.iter().copied()) {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => format!("remove it; the keys here are: {}", known.join(", ")),
        };
        return Fault::new(format!("there is no key `{word}`"), remedy);
    }
    if message.starts_with("unknown variant")
        && let Some((word, known)) = quoted.split_first()
    {
        let remedy = match nearest(word, known.iter().copied()) {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => format!("write one of: {}", known.join(", ")),
        };
        return Fault::new(format!("there is no `{word}` here"), remedy);
    }
    if message.starts_with("missing field")
        && let Some(word) = quoted.first()
    {
        return Fault::new(format!("`{word}` is missing"), format!("add {word} = …"));
    }
    if message.contains("untagged enum") {
        let remedy = "give one value or a list of them, such as \"a\" or [\"a\", \"b\"]";
        return Fault::new("is not of the right kind", remedy);
    }
    let remedy = "correct the value; examples/centre.toml shows all keys";
    match message.rsplit_once(", expected ") {
        Some((found, wanted)) => {
            let found = found.split_once(": ").map_or(found, |(_, found)| found);
            Fault::new(
                format!("is the {found}, not {}", kind_in_words(wanted)),
                remedy,
            )
        }
        None => Fault::new(message, remedy),
    }
}

/// A type of Rust in other words.
fn kind_in_words(kind: &str) -> &str {
    match kind {
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number from 0 on",
        "i32" | "i64" => "a whole number",
        "bool" | "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// What of a kind could be read.
struct Kind {
    origin: Vec<(usize, bool)>,
    lost: bool,
}

impl Kind {
    fn whole(&self) -> bool {
        !self.lost && self.origin.iter().all(|(_, whole)| *whole)
    }
}

/// Leads from the entries that could be read back to the file.
struct Places {
    queues: Kind,
    agents: Kind,
    asks: Kind,
    calendars: Kind,
    menus: Kind,
    rules: Kind,
    sites: Kind,
}

impl Places {
    /// The path in the file of a problem in what could be read; `None` if the problem may only come
    /// from what could not.
    fn original(&self, path: &str) -> Option<String> {
        let of_queues =
            path.ends_with(".queue") || path.ends_with(".on_failure") || path.contains(".queues");
        if of_queues && self.queues.lost {
            return None;
        }
        let of_menus = path.ends_with(".menu") || path.contains(".when.answer.");
        if of_menus && self.menus.lost {
            return None;
        }
        let of_calendars = [".calendar", ".calendar[", ".expression", "].when"];
        if self.calendars.lost && of_calendars.iter().any(|part| path.contains(part)) {
            return None;
        }
        let (kind, rest) = match path.split_once('[') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (path, None),
        };
        let entries = match kind {
            "queue" => &self.queues,
            "agent" => &self.agents,
            "ask" => &self.asks,
            "calendar" => &self.calendars,
            "menu" => &self.menus,
            "rule" => &self.rules,
            "site" => &self.sites,
            _ => return Some(path.to_owned()),
        };
        let Some((index, rest)) = rest.and_then(|rest| rest.split_once(']')) else {
            return entries.whole().then(|| path.to_owned());
        };
        let (original, whole) = *entries.origin.get(index.parse::<usize>().ok()?)?;
        whole.then(|| format!("{kind}[{original}]{rest}"))
    }
}

/// The bytes that a path names, or the nearest thing around it that is there.
fn locate(document: &DeTable<'_>, path: &str) -> Range<usize> {
    let Some((name, value, rest)) = step(document, path) else {
        return 0..0;
    };
    let mut here = value;
    // A section's value has no text of its own; its name has.
    let mut span = if value.span().is_empty() {
        name
    } else {
        value.span()
    };
    let mut rest = rest;
    loop {
        let next = match here.get_ref() {
            DeValue::Table(table) => step(table, rest.trim_start_matches('.')),
            DeValue::Array(array) => element(rest).and_then(|(index, rest)| {
                let value = array.get(index)?;
                Some((value.span(), value, rest))
            }),
            _ => None,
        };
        let Some((name, value, left)) = next else {
            return span;
        };
        span = if value.span().is_empty() {
            name
        } else {
            value.span()
        };
        (here, rest) = (value, left);
    }
}

/// The longest key of a table that a path begins with, its value, and the rest of the path.
fn step<'t, 'd, 'p>(
    table: &'t DeTable<'d>,
    path: &'p str,
) -> Option<(Range<usize>, &'t Spanned<DeValue<'d>>, &'p str)> {
    table
        .iter()
        .filter_map(|(name, value)| {
            let rest = path.strip_prefix(name.get_ref().as_ref())?;
            let whole = rest.is_empty() || rest.starts_with(['.', '[']);
            whole.then(|| (name.span(), value, rest))
        })
        .min_by_key(|(_, _, rest)| rest.len())
}

/// `[2].then` as 2 and `.then`.
fn element(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}
