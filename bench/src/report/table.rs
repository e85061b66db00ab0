//! Two columns and a remark, aligned.

use super::Paint;

/// How a row is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A figure.
    Plain,
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
}

#[derive(Clone, Debug)]
struct Row {
    label: String,
    value: String,
    remark: String,
    mark: Mark,
}

/// Rows that are printed once all are known.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Without rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a row.
    pub fn row(&mut self, label: &str, value: impl Into<String>) {
        self.marked(label, value, "", Mark::Plain);
    }

    /// Adds a row with a remark and a mark.
    pub fn marked(
        &mut self,
        label: &str,
        value: impl Into<String>,
        remark: impl Into<String>,
        mark: Mark,
    ) {
        let (label, value, remark) = (label.to_owned(), value.into(), remark.into());
        self.rows.push(Row {
            label,
            value,
            remark,
            mark,
        });
    }

    /// The rows as lines.
    #[must_use]
    pub fn render(&self, paint: Paint) -> String {
        let width = |of: fn(&Row) -> &str| {
            self.rows
                .iter()
                .map(|row| of(row).chars().count())
                .max()
                .unwrap_or(0)
        };
        let (labels, values) = (width(|row| &row.label), width(|row| &row.value));
        let mut out = String::new();
        for row in &self.rows {
            let label = format!("{:<labels$}", row.label);
            // Padded before it is painted: escape sequences have no width.
            let value = format!("{:<values$}", row.value);
            let value = match row.mark {
                Mark::Plain => value,
                Mark::Good => paint.good(&value),
                Mark::Bad => paint.bad(&value),
            };
            let line = format!("  {label}  {value}  {}", paint.faint(&row.remark));
            let line = if row.remark.is_empty() {
                line.trim_end()
            } else {
                &line
            };
            out.push_str(line);
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters() {
        let mut table = Table::new();
        table.row("a", "1");
        table.marked("längst", "12 µs", "why", Mark::Good);
        table.marked("b", "3", "x", Mark::Bad);
        let text = table.render(Paint::plain());
        assert_eq!(
            text,
            "  a       1\n  längst  12 µs  why\n  b       3      x\n"
        );
    }
}
