//! Rows with named cells, as JSON and as CSV (RFC 4180).

use serde::ser::{Serialize, SerializeMap, Serializer};

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// A share from 0 to 1; four digits are shown.
    Share(f64),
    /// Not known, or not there.
    Nothing,
}

impl From<u64> for Cell {
    fn from(number: u64) -> Cell {
        Cell::Number(number)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<f64> for Cell {
    fn from(share: f64) -> Cell {
        Cell::Share((share * 10_000.0).round() / 10_000.0)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Cell {
        value.map_or(Cell::Nothing, Into::into)
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Text(text) => serializer.serialize_str(text),
            Cell::Number(number) => serializer.serialize_u64(*number),
            Cell::Share(share) => serializer.serialize_f64(*share),
            Cell::Nothing => serializer.serialize_none(),
        }
    }
}

/// Cells with the names of their columns, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(pub Vec<(&'static str, Cell)>);

impl Row {
    /// Adds a cell.
    pub fn set(&mut self, column: &'static str, cell: impl Into<Cell>) {
        self.0.push((column, cell.into()));
    }

    /// The names of the columns as a line of CSV.
    #[must_use]
    pub fn head(&self) -> String {
        let names = self.0.iter().map(|(name, _)| *name);
        let mut line = names.collect::<Vec<_>>().join(",");
        line.push_str("\r\n");
        line
    }

    /// The cells as a line of CSV.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = String::new();
        for (index, (_, cell)) in self.0.iter().enumerate() {
            if index > 0 {
                line.push(',');
            }
            match cell {
                Cell::Text(text) => line.push_str(&quoted(&defused(text))),
                Cell::Number(number) => line.push_str(&number.to_string()),
                Cell::Share(share) => line.push_str(&share.to_string()),
                Cell::Nothing => {}
            }
        }
        line.push_str("\r\n");
        line
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, cell) in &self.0 {
            map.serialize_entry(name, cell)?;
        }
        map.end()
    }
}

/// A text in quotation marks where CSV needs them (RFC 4180 section 2).
#[must_use]
pub fn quoted(text: &str) -> String {
    match text.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// A text that no spreadsheet takes for a formula: a `'` stands before what could be one (OWASP, "CSV
/// Injection"). A sign with nothing but digits after it, such as a telephone number, is none.
#[must_use]
pub fn defused(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next();
    let number = matches!(first, Some('+' | '-'))
        && !chars.as_str().is_empty()
        && chars.all(|c| c.is_ascii_digit());
    let formula = matches!(
        first,
        Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠')
    );
    match formula && !number {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}
