//! Tables for people.

use patchbay_bench::report::Paint;

/// Cells with the names of their columns.
pub type Line = Vec<(&'static str, String)>;

/// Columns as wide as they need to be; those of texts to the left, figures to the right.
pub fn table(lines: &[Line], texts: &[&str], paint: Paint) -> String {
    let Some(first) = lines.first() else {
        return String::new();
    };
    let mut text = String::new();
    let names = first.iter().map(|(name, _)| (*name, (*name).to_owned()));
    let names: Line = names.collect();
    for (index, line) in std::iter::once(&names).chain(lines).enumerate() {
        let mut cells = Vec::new();
        for (column, (name, cell)) in line.iter().enumerate() {
            let all = lines.iter().filter_map(|line| line.get(column));
            let width = all.map(|(_, cell)| cell.chars().count()).max().unwrap_or(0);
            let width = width.max(name.chars().count());
            cells.push(match texts.contains(name) {
                true => format!("{cell:<width$}"),
                false => format!("{cell:>width$}"),
            });
        }
        let joined = cells.join("  ");
        let joined = joined.trim_end();
        match index {
            0 => text.push_str(&paint.faint(joined)),
            _ => text.push_str(joined),
        }
        text.push('\n');
    }
    text
}
