//! Many columns, aligned.

use crate::report::Paint;

/// On which side of its column a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// How a cell is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Plain,
    Good,
    Bad,
    Faint,
    Strong,
}

/// Text with a look.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    look: Look,
}

impl Cell {
    pub fn new(text: impl Into<String>, look: Look) -> Self {
        Self {
            text: text.into(),
            look,
        }
    }

    pub fn plain(text: impl Into<String>) -> Self {
        Self::new(text, Look::Plain)
    }
}

/// A table whose columns are as wide as they need to be.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    columns: Vec<(&'static str, Align)>,
    /// An empty row is a gap.
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Leaves out the columns in which nothing is written.
    fn used(&self) -> Vec<bool> {
        let written = |column: usize| {
            let mut cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.any(|cell| !cell.text.is_empty())
        };
        (0..self.columns.len()).map(written).collect()
    }

    fn width(&self, column: usize, header: &str) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.text.chars().count()).max();
        widest.unwrap_or(0).max(header.chars().count())
    }

    /// The lines, each with its end.
    pub fn render(&self, paint: Paint) -> String {
        let used = self.used();
        let header = self.columns.iter();
        let header = header.map(|(title, _)| Cell::new(*title, Look::Faint));
        let header: Vec<Cell> = header.collect();
        let mut out = String::new();
        for row in std::iter::once(&header).chain(&self.rows) {
            let mut line = String::new();
            let cells = self.columns.iter().zip(row).zip(&used).enumerate();
            for (column, (((title, align), cell), used)) in cells {
                if *used {
                    let width = self.width(column, title);
                    line.push_str("  ");
                    // Padded before it is painted: escape sequences have no width.
                    line.push_str(&painted(
                        paint,
                        &padded(&cell.text, width, *align),
                        cell.look,
                    ));
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

fn padded(text: &str, width: usize, align: Align) -> String {
    match align {
        Align::Left => format!("{text:<width$}"),
        Align::Right => format!("{text:>width$}"),
    }
}

fn painted(paint: Paint, text: &str, look: Look) -> String {
    match look {
        Look::Plain => text.to_owned(),
        Look::Good => paint.good(text),
        Look::Bad => paint.bad(text),
        Look::Faint => paint.faint(text),
        Look::Strong => paint.strong(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_needed_and_empty_ones_are_left_out() {
        let mut grid = Grid::new(&[
            ("name", Align::Left),
            ("nothing", Align::Right),
            ("µs", Align::Right),
        ]);
        let cell = Cell::plain;
        grid.row(vec![cell("längster"), cell(""), cell("7")]);
        grid.row(Vec::new());
        grid.row(vec![cell("b"), cell(""), Cell::new("1 234", Look::Bad)]);
        assert_eq!(
            grid.render(Paint::plain()),
            "  name         µs\n  längster      7\n\n  b         1 234\n"
        );
    }
}
