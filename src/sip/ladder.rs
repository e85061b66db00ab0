//! A call as a ladder: a column for each party, an arrow for each message.

use patchbay_bench::report::Paint;

use super::list::clock;
use super::reading::{Kind, harmless};
use super::story::{Step, Story};

/// Room for the times in front of the ladder.
const LEFT: usize = 19;
/// The narrowest and the widest distance of two columns.
const GAPS: [usize; 2] = [18, 36];
/// Room on either side for half a name.
const MARGIN: usize = 8;

/// How a ladder is to look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns of the screen.
    pub width: usize,
    /// The messages themselves too.
    pub full: bool,
    pub paint: Paint,
}

/// The whole ladder.
pub fn ladder(story: &Story, look: Look) -> String {
    let mut text = title(story, look.paint);
    let columns = Columns::of(story, look);
    text.push_str(&columns.head(story, look.paint));
    let mut before = None;
    for step in &story.steps {
        let start = story.steps.first().map_or(0, |first| first.at_unix_us);
        text.push_str(&columns.row(step, (start, before), look));
        before = Some(step.at_unix_us);
    }
    text
}

/// What stands above a ladder.
pub fn title(story: &Story, paint: Paint) -> String {
    let began = story.steps.first().map_or(0, |first| first.at_unix_us);
    let contact = match story.contact.is_empty() {
        true => String::new(),
        false => format!(" · contact {}", story.contact),
    };
    let call = match story.call.is_empty() {
        true => "no call",
        false => &story.call,
    };
    let call = paint.strong(call);
    format!("{call}{contact} · {}\n\n", clock(began))
}

/// Where the columns stand.
pub struct Columns {
    /// Of each party, by its place in the story.
    at: Vec<usize>,
    gap: usize,
}

impl Columns {
    /// Spreads the parties over the width.
    pub fn of(story: &Story, look: Look) -> Columns {
        let order = story.columns();
        let gaps = order.len().saturating_sub(1).max(1);
        let [least, most] = GAPS;
        let room = look.width.saturating_sub(LEFT + 2 * MARGIN);
        let gap = (room / gaps).clamp(least, most);
        let mut at = vec![0; order.len()];
        for (column, place) in order.iter().enumerate() {
            at[*place] = LEFT + MARGIN + column * gap;
        }
        Columns { at, gap }
    }

    /// Names and addresses.
    pub fn head(&self, story: &Story, paint: Paint) -> String {
        let names: Vec<String> = story.parties.iter().map(|p| p.name.clone()).collect();
        let addresses: Vec<String> = story
            .parties
            .iter()
            .map(|p| p.address.to_string())
            .collect();
        let names = paint.strong(&self.centred(&names));
        let addresses = paint.faint(&self.centred(&addresses));
        format!("{names}\n{addresses}\n")
    }

    /// Each text with its middle at its column.
    fn centred(&self, texts: &[String]) -> String {
        let mut placed: Vec<(usize, String)> = Vec::new();
        for (text, at) in texts.iter().zip(&self.at) {
            let text = cut(text, self.gap - 1);
            placed.push((at.saturating_sub(text.chars().count() / 2), text));
        }
        placed.sort();
        let mut line = String::new();
        for (at, text) in placed {
            let used = line.chars().count();
            line.extend(std::iter::repeat_n(' ', at.saturating_sub(used)));
            line.push_str(&text);
        }
        line
    }

    /// The arrow of a step, with the time since the beginning and since the step before.
    pub fn row(&self, step: &Step, (start, before): (u64, Option<u64>), look: Look) -> String {
        let since = step.at_unix_us.saturating_sub(start);
        let after = before.map(|before| after(step.at_unix_us.saturating_sub(before)));
        let times = format!("{:>9.3} {:>8}", seconds(since), after.unwrap_or_default());
        let (begin, label, end, below) = self.arrow(step);
        let label = painted(&label, step.reading.kind, look.paint);
        let times = look.paint.faint(&times);
        let mut row = format!("{times}{begin}{label}{}\n", end.trim_end());
        if let Some(below) = below {
            row.push_str(&look.paint.faint(&self.below(step, &below)));
            row.push('\n');
        }
        if look.full {
            let lines = step.text.lines();
            let lines = lines.map(|line| format!("    {}\n", harmless(line)));
            row.push('\n');
            row.extend(lines);
            row.push('\n');
        }
        row
    }

    /// What stands before the label, the label, and what stands behind it; and what of it has to
    /// stand below, because there is no room for it between the columns.
    fn arrow(&self, step: &Step) -> (String, String, String, Option<String>) {
        let (from, to) = (self.at[step.from], self.at[step.to]);
        let (low, high) = (from.min(to), from.max(to));
        let mut line = self.bars();
        for (at, cell) in line.iter_mut().enumerate().take(high).skip(low + 1) {
            *cell = if self.at.contains(&at) { '┼' } else { '─' };
        }
        match from < to {
            true => line[high - 1] = '>',
            false => line[low + 1] = '<',
        }
        // Two cells on the left and one on the right, of which one is the head of the arrow.
        let room = high - low - 6;
        let mut label = step.reading.label.clone();
        if step.times > 1 {
            label = format!("{label} ×{}", step.times);
        }
        let note = &step.reading.note;
        let whole = format!("{label} {note}");
        let (label, below) = match note.is_empty() || whole.chars().count() <= room {
            true => (whole.trim_end().to_owned(), None),
            false => (label, Some(note.clone())),
        };
        let label = format!(" {} ", cut(&label, room));
        let begin = low + 3;
        let end = begin + label.chars().count();
        let text = |cells: &[char]| cells.iter().collect::<String>();
        // The times stand in front.
        (
            text(&line[LEFT - 1..begin]),
            label,
            text(&line[end..]),
            below,
        )
    }

    /// A line with nothing but the columns.
    fn bars(&self) -> Vec<char> {
        let width = self.at.iter().max().map_or(0, |last| last + 1);
        let mut line = vec![' '; width];
        for at in &self.at {
            line[*at] = '│';
        }
        line
    }

    /// A note below its arrow.
    fn below(&self, step: &Step, note: &str) -> String {
        let low = self.at[step.from].min(self.at[step.to]);
        let mut line = self.bars();
        for (offset, character) in format!(" {note} ").chars().enumerate() {
            match line.get_mut(low + 2 + offset) {
                Some(cell) => *cell = character,
                None => line.push(character),
            }
        }
        line.iter().collect::<String>().trim_end().to_owned()
    }
}

fn painted(label: &str, kind: Kind, paint: Paint) -> String {
    match kind {
        Kind::Request => paint.strong(label),
        Kind::Provisional => paint.faint(label),
        Kind::Success => paint.good(label),
        Kind::Redirection => paint.notable(label),
        Kind::Failure => paint.bad(label),
    }
}

/// A text of at most so many characters; what is cut off is marked.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[expect(clippy::cast_precision_loss, reason = "shown to a thousandth")]
fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// `+1.2ms`, `+3.02s`.
fn after(us: u64) -> String {
    match us {
        0..1_000_000 => format!("+{:.1}ms", seconds(us) * 1e3),
        _ => format!("+{:.2}s", seconds(us)),
    }
}
