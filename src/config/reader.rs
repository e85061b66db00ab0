//! Reads a TOML table key by key, gathering what is wrong instead of stopping at the first error.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Fault, Report, nearest};

/// A value of the document with its place.
pub type Value<'d> = Spanned<DeValue<'d>>;

/// A value that was read, with its place for what is only seen later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    /// What was read.
    pub value: T,
    /// Bytes of the text it was read from.
    pub span: Range<usize>,
}

/// One table that is being read; `finish` complains about the keys that nobody asked for.
pub struct Section<'d> {
    path: String,
    table: Option<&'d DeTable<'d>>,
    known: Vec<&'static str>,
    former: Vec<&'static str>,
}

/// Parses a document; what cannot be parsed is reported, and the rest of it is still read.
pub fn parse<'d>(text: &'d str, report: &mut Report<'_>) -> Spanned<DeTable<'d>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let fault = Fault::new(
            format!("not TOML: {}", error.message()),
            "correct the syntax; https://toml.io shows it on one page",
        );
        report.error("", span, fault);
    }
    document
}

impl<'d> Section<'d> {
    /// A table whose keys are called `path.key` in messages.
    pub fn new(path: impl Into<String>, table: &'d DeTable<'d>) -> Section<'d> {
        Section {
            path: path.into(),
            table: Some(table),
            known: Vec::new(),
            former: Vec::new(),
        }
    }

    /// The full name of a key of this table.
    pub fn path_of(&self, key: &str) -> String {
        match self.path.is_empty() {
            true => key.to_owned(),
            false => format!("{}.{key}", self.path),
        }
    }

    /// The value of a key, if it is there.
    pub fn get(&mut self, key: &'static str) -> Option<&'d Value<'d>> {
        self.known.push(key);
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<&'d Value<'d>> {
        let table = self.table?;
        table
            .iter()
            .find(|(name, _)| name.get_ref() == key)
            .map(|(_, value)| value)
    }

    /// Reports a key that another has replaced; `instead` says what to write for its value. It is
    /// never proposed to those who misspell a key.
    pub fn former(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        instead: impl FnOnce(&DeValue<'_>) -> &'static str,
    ) {
        self.former.push(key);
        if let Some(value) = self.find(key) {
            let what = format!("the key `{key}` has been replaced");
            let fault = Fault::new(what, instead(value.get_ref()));
            report.error(self.path_of(key), value.span(), fault);
        }
    }

    /// Reads a key with `read`; `None` if it is absent or wrong (which is then in the report).
    pub fn take<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        read: impl FnOnce(&Value<'_>) -> Result<T, Vec<Fault>>,
    ) -> Option<Placed<T>> {
        let value = self.get(key)?;
        match read(value) {
            Ok(read) => Some(Placed {
                value: read,
                span: value.span(),
            }),
            Err(faults) => {
                for fault in faults {
                    report.error(self.path_of(key), value.span(), fault);
                }
                None
            }
        }
    }

    /// The table under a key; an empty one if it is absent or not a table.
    pub fn section(&mut self, report: &mut Report<'_>, key: &'static str) -> Section<'d> {
        let value = self.get(key);
        let table = value.and_then(|value| value.get_ref().as_table());
        if let (Some(value), None) = (value, table) {
            let fault = Fault::new(
                format!(
                    "is {}, not a table",
                    with_article(value.get_ref().type_str())
                ),
                format!("write it as a section: [{key}] on a line of its own, its keys below"),
            );
            report.error(self.path_of(key), value.span(), fault);
        }
        Section {
            path: self.path_of(key),
            table,
            known: Vec::new(),
            former: Vec::new(),
        }
    }

    /// Reports every key that was not asked for.
    pub fn finish(self, report: &mut Report<'_>) {
        let Some(table) = self.table else { return };
        for (name, _) in table {
            let word = name.get_ref().as_ref();
            if !self.known.contains(&word) && !self.former.contains(&word) {
                let fault = unknown_key(word, &self.known, &self.path);
                report.error(self.path_of(word), name.span(), fault);
            }
        }
    }
}

/// What to say about a key that does not exist.
pub fn unknown_key(word: &str, known: &[&'static str], section: &str) -> Fault {
    let remedy = match nearest(word, known.iter().copied()) {
        Some(guess) => format!("did you mean `{guess}`?"),
        None => {
            let mut keys = known.to_vec();
            keys.sort_unstable();
            let place = match section.is_empty() {
                true => "here".to_owned(),
                false => format!("in [{section}]"),
            };
            format!("remove it; the keys {place} are: {}", keys.join(", "))
        }
    };
    Fault::new(format!("there is no key `{word}`"), remedy)
}

/// "a string", "an array".
pub fn with_article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

fn not_a(wanted: &str, value: &Value<'_>, example: &str) -> Vec<Fault> {
    vec![Fault::new(
        format!(
            "is {}, not {wanted}",
            with_article(value.get_ref().type_str())
        ),
        format!("write it like {example}"),
    )]
}

/// A string.
pub fn string(value: &Value<'_>) -> Result<String, Vec<Fault>> {
    match value.get_ref().as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(not_a("a string", value, "\"text\"")),
    }
}

/// `true` or `false`.
pub fn truth(value: &Value<'_>) -> Result<bool, Vec<Fault>> {
    let truth = value.get_ref().as_bool();
    truth.ok_or_else(|| not_a("true or false", value, "true"))
}

/// A whole number within a range.
pub fn number(
    range: std::ops::RangeInclusive<usize>,
) -> impl Fn(&Value<'_>) -> Result<usize, Vec<Fault>> {
    move |value| {
        let Some(integer) = value.get_ref().as_integer() else {
            return Err(not_a("a whole number", value, &range.start().to_string()));
        };
        let remedy = format!("give {} to {}", range.start(), range.end());
        usize::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| vec![Fault::new(format!("{integer} is out of range"), remedy)])
    }
}

/// A whole number within a range, or a word that stands for none.
pub fn number_or(
    word: &'static str,
    range: std::ops::RangeInclusive<usize>,
) -> impl Fn(&Value<'_>) -> Result<Option<usize>, Vec<Fault>> {
    move |value| match value.get_ref().as_str() {
        Some(text) if text == word => Ok(None),
        Some(text) => {
            let remedy = format!("give {} to {}, or \"{word}\"", range.start(), range.end());
            Err(vec![Fault::new(
                format!("`{text}` is not a number"),
                remedy,
            )])
        }
        None => number(range.clone())(value).map(Some),
    }
}

/// A string read by `parse`.
pub fn parsed<T>(
    parse: impl Fn(&str) -> Result<T, Fault>,
) -> impl Fn(&Value<'_>) -> Result<T, Vec<Fault>> {
    move |value| string(value).and_then(|text| parse(&text).map_err(|fault| vec![fault]))
}

/// An array whose elements are read by `read`; every wrong element is reported at its own place.
pub fn list<T>(
    read: impl Fn(&Value<'_>) -> Result<T, Vec<Fault>>,
) -> impl Fn(&Value<'_>) -> Result<Vec<Placed<T>>, Vec<Fault>> {
    move |value| {
        let Some(array) = value.get_ref().as_array() else {
            return Err(not_a("a list", value, "[\"first\", \"second\"]"));
        };
        let mut items = Vec::with_capacity(array.len());
        let mut faults = Vec::new();
        for element in array.iter() {
            match read(element) {
                Ok(item) => items.push(Placed {
                    value: item,
                    span: element.span(),
                }),
                Err(found) => faults.extend(found.into_iter().map(|fault| {
                    let span = fault.span.clone().unwrap_or(element.span());
                    fault.at(span)
                })),
            }
        }
        match faults.is_empty() {
            true => Ok(items),
            false => Err(faults),
        }
    }
}
