//! Calls as a list.

use std::fmt::Write;

use patchbay_bench::report::Paint;

use super::ladder::cut;
use super::reading::Kind;
use super::story::Story;

/// A line for each call.
pub fn list(stories: &[Story], paint: Paint) -> String {
    if stories.is_empty() {
        return String::new();
    }
    let title = format!(
        "{:<27} {:<16} {:<16} {:>8} {:<24} Call-ID",
        "began", "from", "to", "messages", "last answer"
    );
    let mut text = format!("{}\n", paint.strong(&title));
    for story in stories {
        let Some(first) = story.steps.first() else {
            continue;
        };
        let messages: usize = story.steps.iter().map(|step| step.times).sum();
        let answers = story.steps.iter().rev();
        let answer = answers
            .filter(|step| step.reading.kind != Kind::Request)
            .map(|step| step.reading.label.as_str())
            .next();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<27} {:<16} {:<16} {:>8} {:<24} {}",
            clock(first.at_unix_us),
            cut(&first.reading.from, 16),
            cut(&first.reading.to, 16),
            messages,
            cut(answer.unwrap_or("none"), 24),
            story.call
        );
    }
    text.push_str("\npatchbay sip trace --call-id ID shows one of them\n");
    text
}

/// A time of the day as people read it: `2026-11-22 05:12:01.123 UTC`.
pub fn clock(unix_us: u64) -> String {
    let seconds = unix_us / 1_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let ms = unix_us / 1000 % 1000;
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{ms:03} UTC")
}

/// The date of a day, counted from 1970-01-01. Years are counted from March, so that the odd day is
/// the last of its year; 400 years have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = year + era * 400;
    match month < 10 {
        true => (year, month + 3, day),
        false => (year + 1, month - 9, day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, shown) in [
            (0, "1970-01-01 00:00:00.000 UTC"),
            (951_782_400, "2000-02-29 00:00:00.000 UTC"),
            (951_868_799, "2000-02-29 23:59:59.000 UTC"),
            (1_709_251_200, "2024-03-01 00:00:00.000 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00.000 UTC"),
        ] {
            assert_eq!(clock(seconds * 1_000_000), shown);
        }
    }
}
