//! [`Headers`]: the ordered header lines of a message.

use crate::name::HeaderName;
use crate::scan::{SplitCommas, split_commas};
use crate::text::Text;

/// Header lines in their order, none lost, repeated ones kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(HeaderName, Text)>);

impl Headers {
    /// No headers.
    pub const fn new() -> Headers {
        Headers(Vec::new())
    }

    /// No headers, with room for `capacity`.
    pub fn with_capacity(capacity: usize) -> Headers {
        Headers(Vec::with_capacity(capacity))
    }

    /// The value of the first line called `name`.
    pub fn get(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.text(name).map(Text::as_str)
    }

    /// The first line called `name` as [`Text`], which keeps bytes that are not UTF-8.
    pub fn text(&self, name: impl Into<HeaderName>) -> Option<&Text> {
        let name = name.into();
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// Field values of all lines called `name`, in order, as they are written.
    pub fn all(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &str> {
        let name = name.into();
        self.0
            .iter()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The elements of the comma-separated lists of all lines called `name` (RFC 3261 section 7.3.1).
    /// Not for headers in which a comma is part of the value, such as Date or WWW-Authenticate.
    pub fn all_split(&self, name: impl Into<HeaderName>) -> impl Iterator<Item = &str> {
        self.all(name)
            .flat_map(split_commas as fn(&str) -> SplitCommas<'_>)
    }

    /// True where a line is called `name`.
    pub fn contains(&self, name: impl Into<HeaderName>) -> bool {
        self.text(name).is_some()
    }

    /// True where the list header `name` names `token` (without case), as Supported and Require do.
    pub fn lists(&self, name: impl Into<HeaderName>, token: &str) -> bool {
        self.all_split(name)
            .any(|item| item.eq_ignore_ascii_case(token))
    }

    /// Adds a line at the end.
    pub fn push(&mut self, name: impl Into<HeaderName>, value: impl Into<Text>) {
        self.0.push((name.into(), value.into()));
    }

    /// Adds a line before all others, so that it is the topmost of its name.
    pub fn push_front(&mut self, name: impl Into<HeaderName>, value: impl Into<Text>) {
        self.0.insert(0, (name.into(), value.into()));
    }

    /// Replaces all lines called `name` by one, which stands where the first stood.
    pub fn set(&mut self, name: impl Into<HeaderName>, value: impl Into<Text>) {
        let name = name.into();
        let Some(at) = self.position(&name) else {
            self.0.push((name, value.into()));
            return;
        };
        let mut index = 0;
        self.0.retain(|(key, _)| {
            index += 1;
            index <= at + 1 || *key != name
        });
        if let Some(entry) = self.0.get_mut(at) {
            entry.1 = value.into();
        }
    }

    /// Removes all lines called `name`; true where there was one.
    pub fn remove(&mut self, name: impl Into<HeaderName>) -> bool {
        let name = name.into();
        let before = self.0.len();
        self.0.retain(|(key, _)| *key != name);
        self.0.len() != before
    }

    /// Removes and returns the first value of `name`. Of the hop lists (Via, Route, ...) one *element*
    /// is removed, even where a line holds several; of other headers the whole line.
    pub fn remove_first(&mut self, name: impl Into<HeaderName>) -> Option<Text> {
        let name = name.into();
        let at = self.position(&name)?;
        if !name.is_hop_list() {
            return Some(self.0.remove(at).1);
        }
        match self.split_first(at) {
            None => Some(self.0.remove(at).1),
            Some((first, rest)) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.1 = rest;
                }
                Some(first)
            }
        }
    }

    /// Replaces the first value of `name`: one element of a hop list, otherwise the whole first line.
    /// False where there is none.
    pub fn set_first(&mut self, name: impl Into<HeaderName>, value: impl Into<Text>) -> bool {
        let name = name.into();
        let Some(at) = self.position(&name) else {
            return false;
        };
        let rest = if name.is_hop_list() {
            self.split_first(at).map(|(_, rest)| rest)
        } else {
            None
        };
        if let Some(rest) = rest {
            self.0.insert(at + 1, (name, rest));
        }
        if let Some(entry) = self.0.get_mut(at) {
            entry.1 = value.into();
        }
        true
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &Text)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Number of lines.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True where there is no line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, name: &HeaderName) -> Option<usize> {
        self.0.iter().position(|(key, _)| key == name)
    }

    /// First element and remainder of the list in line `at`; `None` where it has one element.
    fn split_first(&self, at: usize) -> Option<(Text, Text)> {
        let mut items = split_commas(self.0.get(at)?.1.as_str());
        let first = items.next()?;
        let rest = items.collect::<Vec<_>>();
        (!rest.is_empty()).then(|| (first.into(), rest.join(", ").into()))
    }
}

impl Extend<(HeaderName, Text)> for Headers {
    fn extend<I: IntoIterator<Item = (HeaderName, Text)>>(&mut self, lines: I) {
        self.0.extend(lines);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample() -> Headers {
        let mut headers = Headers::new();
        headers.push("v", "SIP/2.0/UDP a;branch=1, SIP/2.0/UDP b");
        headers.push("X-A", "1, 2");
        headers.push("Via", "SIP/2.0/UDP c");
        headers.push("x-a", "3");
        headers
    }

    #[test]
    fn order_and_repeats_are_kept() {
        let headers = sample();
        assert_eq!(headers.all("X-a").collect::<Vec<_>>(), ["1, 2", "3"]);
        assert_eq!(
            headers.all_split("X-A").collect::<Vec<_>>(),
            ["1", "2", "3"]
        );
        assert_eq!(headers.all_split(HeaderName::Via).count(), 3);
    }

    #[test]
    fn remove_first_takes_one_hop() {
        let mut headers = sample();
        assert_eq!(
            headers.remove_first(HeaderName::Via).unwrap(),
            "SIP/2.0/UDP a;branch=1"
        );
        assert_eq!(
            headers.remove_first(HeaderName::Via).unwrap(),
            "SIP/2.0/UDP b"
        );
        assert_eq!(
            headers.remove_first(HeaderName::Via).unwrap(),
            "SIP/2.0/UDP c"
        );
        assert_eq!(headers.remove_first(HeaderName::Via), None);
        assert_eq!(headers.remove_first("X-A").unwrap(), "1, 2");
    }

    #[test]
    fn set_first_keeps_the_other_hops() {
        let mut headers = sample();
        assert!(headers.set_first(HeaderName::Via, "SIP/2.0/UDP z"));
        let vias: Vec<_> = headers.all_split(HeaderName::Via).collect();
        assert_eq!(vias, ["SIP/2.0/UDP z", "SIP/2.0/UDP b", "SIP/2.0/UDP c"]);
    }

    #[test]
    fn set_leaves_one_line_where_the_first_was() {
        let mut headers = sample();
        headers.set("x-A", "9");
        assert_eq!(headers.all("X-A").collect::<Vec<_>>(), ["9"]);
        assert_eq!(headers.iter().nth(1).unwrap().1, "9");
        headers.set("New", "n");
        assert_eq!(headers.len(), 4);
        assert!(headers.remove("new"));
        assert!(!headers.remove("new"));
    }
}
