//! Calendars: when a place is open, with holidays that follow Easter and days that are special.
//!
//! Everything is asked of the local day and minute, so that the changes to summer time and back
//! need no care: an hour that does not exist is never asked for, one that comes twice is open
//! twice.

use super::hours::{self, HoursProblem, Window, zone};
use crate::centre::{self, Holiday, Hours, Special};
use crate::id::CalendarId;
use crate::limits::{MAX_EASTER_DAYS, MAX_ID_BYTES};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// A calendar ready to be asked.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    id: CalendarId,
    zone: TimeZone,
    open: Vec<Window>,
    holidays: Vec<SpecialDay>,
    exceptions: Vec<SpecialDay>,
}

/// What a calendar says of an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State<'a> {
    pub open: bool,
    /// The name of the local day's holiday, also where it takes a part of the day only; empty on
    /// common days.
    pub holiday: &'a str,
}

/// What is wrong with a calendar, with the path within it.
pub(crate) type CalendarProblems = Vec<(String, HoursProblem)>;

impl Calendar {
    /// Reads a declared calendar, or says everything that is wrong with it.
    pub fn new(declared: &centre::Calendar) -> Result<Self, CalendarProblems> {
        let mut problems = CalendarProblems::new();
        let zone = zone(&declared.zone).unwrap_or_else(|wrong| {
            problems.push((wrong.field.into(), wrong));
            TimeZone::UTC
        });
        // A wrong zone is told once, and not of each time.
        let named = if problems.is_empty() {
            declared.zone.as_str()
        } else {
            "UTC"
        };
        let open = windows(declared, named, &mut problems);
        let holidays = declared.holidays.iter().enumerate();
        let holidays = holidays.map(|(index, holiday)| match holiday {
            Holiday::Day(date) => (format!("holidays[{index}]"), whole_day(date)),
            Holiday::Special(special) => (format!("holidays[{index}]"), special.clone()),
        });
        let holidays = specials(holidays, &mut problems);
        let exceptions = declared.exceptions.iter().enumerate();
        let exceptions =
            exceptions.map(|(index, one)| (format!("exceptions[{index}]"), one.clone()));
        let exceptions = specials(exceptions, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            id: declared.id.clone(),
            zone,
            open,
            holidays,
            exceptions,
        })
    }

    /// One that is never open.
    pub fn never(id: &CalendarId) -> Self {
        Self {
            id: id.clone(),
            zone: TimeZone::UTC,
            open: Vec::new(),
            holidays: Vec::new(),
            exceptions: Vec::new(),
        }
    }

    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// What it says of an instant. An exception comes before a holiday, a holiday before the
    /// common times.
    pub fn at(&self, unix_ms: u64) -> State<'_> {
        let Some(local) = self.local(unix_ms) else {
            return State {
                open: false,
                holiday: "",
            };
        };
        let (date, minute) = (local.date(), minute(&local));
        let of_day = |special: &&SpecialDay| special.day.is(date);
        let holiday = self.holidays.iter().find(of_day);
        let closed = self
            .holidays
            .iter()
            .filter(of_day)
            .any(|special| special.contains(minute));
        let opened = self
            .exceptions
            .iter()
            .filter(of_day)
            .any(|special| special.contains(minute));
        let usual = || self.open.iter().any(|window| window.contains(unix_ms));
        State {
            open: opened || (!closed && usual()),
            holiday: holiday.map_or("", |special| special.name.as_str()),
        }
    }

    /// What it says of an instant, for people.
    pub fn told(&self, unix_ms: u64) -> String {
        let State { open, holiday } = self.at(unix_ms);
        let state = if open { "open" } else { "closed" };
        let local = self.local(unix_ms).map_or_else(String::new, |local| {
            local.strftime("%a %Y-%m-%d %H:%M").to_string()
        });
        let why = if holiday.is_empty() { "" } else { ", holiday " };
        format!("{} is {state} ({local}{why}{holiday})", self.id)
    }

    fn local(&self, unix_ms: u64) -> Option<Zoned> {
        let stamp = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
        Some(stamp.to_zoned(self.zone.clone()))
    }
}

fn minute(local: &Zoned) -> u16 {
    let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
    u16::try_from(minute).unwrap_or_default()
}

fn windows(
    declared: &centre::Calendar,
    zone: &str,
    problems: &mut CalendarProblems,
) -> Vec<Window> {
    let always = [centre::Open {
        days: None,
        from: "00:00".into(),
        to: "24:00".into(),
    }];
    let open = declared.open.as_deref().unwrap_or(&always).iter();
    let ready = open.enumerate().filter_map(|(index, open)| {
        let hours = Hours {
            from: open.from.clone(),
            to: open.to.clone(),
            days: open.days.clone(),
            zone: zone.into(),
        };
        Window::new(&hours)
            .map_err(|wrong| {
                let placed = wrong.into_iter();
                problems.extend(placed.map(|one| (format!("open[{index}].{}", one.field), one)));
            })
            .ok()
    });
    ready.collect()
}

fn whole_day(date: &str) -> Special {
    Special {
        date: date.into(),
        name: None,
        from: "00:00".into(),
        to: "24:00".into(),
    }
}

fn specials(
    declared: impl Iterator<Item = (String, Special)>,
    problems: &mut CalendarProblems,
) -> Vec<SpecialDay> {
    let ready = declared.filter_map(|(path, special)| {
        SpecialDay::new(&special)
            .map_err(|wrong| {
                let placed = wrong.into_iter();
                problems.extend(placed.map(|one| (format!("{path}.{}", one.field), one)));
            })
            .ok()
    });
    ready.collect()
}

/// A part of a day that is not like others.
#[derive(Clone, Debug)]
struct SpecialDay {
    day: Day,
    name: String,
    /// Minutes of the day; the second is the first that is outside.
    from: u16,
    to: u16,
}

impl SpecialDay {
    fn new(special: &Special) -> Result<Self, Vec<HoursProblem>> {
        let mut problems = Vec::new();
        let from = hours::minute(&special.from, "from", &mut problems);
        let to = hours::minute(&special.to, "to", &mut problems);
        if problems.is_empty() && from >= to {
            problems.push(HoursProblem {
                field: "to",
                message: format!("{} to {} is no time of one day", special.from, special.to),
                remedy: "end after the beginning, at \"24:00\" at the latest",
            });
        }
        let name = special.name.as_ref();
        if let Some(name) = name.filter(|name| !is_name(name)) {
            problems.push(HoursProblem {
                field: "name",
                message: format!("`{name}` is not a name"),
                remedy: "use a short text, or leave `name` out",
            });
        }
        match Day::parse(&special.date) {
            Ok(day) if problems.is_empty() => Ok(Self {
                day,
                name: name.unwrap_or(&special.date).clone(),
                from,
                to,
            }),
            Ok(_) => Err(problems),
            Err(problem) => {
                problems.push(problem);
                Err(problems)
            }
        }
    }

    fn contains(&self, minute: u16) -> bool {
        (self.from..self.to).contains(&minute)
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_ID_BYTES && !text.chars().any(char::is_control)
}

/// Which day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    Once(Date),
    /// Month and day of every year that has it.
    EveryYear(i8, i8),
    /// Days after Easter Sunday.
    Easter(i32),
}

impl Day {
    fn parse(text: &str) -> Result<Self, HoursProblem> {
        if let Some(offset) = text.strip_prefix("easter") {
            return Self::easter(text, offset);
        }
        // The year of a day of every year must be a leap year for the 29 February.
        let (every_year, whole) = match text.strip_prefix("*-") {
            Some(rest) => (true, format!("2024-{rest}")),
            None => (false, text.to_string()),
        };
        let digits = |at: usize| whole.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
        let shaped = whole.len() == 10 && [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(digits);
        let date: Option<Date> = if shaped { whole.parse().ok() } else { None };
        match date {
            Some(date) if every_year => Ok(Self::EveryYear(date.month(), date.day())),
            Some(date) => Ok(Self::Once(date)),
            None => Err(HoursProblem {
                field: "date",
                message: format!("there is no day `{text}`"),
                remedy: "write \"2026-12-25\", \"*-12-25\" for every year, or \"easter+1\"",
            }),
        }
    }

    fn easter(text: &str, offset: &str) -> Result<Self, HoursProblem> {
        let days = match offset {
            "" => Some(0),
            _ if offset.starts_with(['+', '-']) => offset.parse::<i32>().ok(),
            _ => None,
        };
        days.filter(|days| days.abs() <= MAX_EASTER_DAYS)
            .map(Self::Easter)
            .ok_or_else(|| HoursProblem {
                field: "date",
                message: format!("`{text}` is no number of days from Easter"),
                remedy: "write \"easter\", or \"easter-2\" and \"easter+39\" with at most 80 days",
            })
    }

    fn is(self, date: Date) -> bool {
        match self {
            Self::Once(once) => once == date,
            Self::EveryYear(month, day) => (month, day) == (date.month(), date.day()),
            Self::Easter(days) => easter(date.year())
                .and_then(|sunday| sunday.checked_add(days.days()).ok())
                .is_some_and(|day| day == date),
        }
    }
}

/// Easter Sunday of a year of the Gregorian calendar: the computus of Meeus, Jones and Butcher
/// (J. Meeus, Astronomical Algorithms, chapter 8).
fn easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let sum = h + l - 7 * m + 114;
    let month = i8::try_from(sum / 31).ok()?;
    let day = i8::try_from(sum % 31 + 1).ok()?;
    Date::new(year, month, day).ok()
}

#[cfg(test)]
mod tests;
