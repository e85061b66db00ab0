//! Times of day in a time zone. The zones' data is built in; the time is an argument.

use crate::centre::Hours;
use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::{TimeZone, TimeZoneDatabase};

const DAY_MINUTES: u16 = 24 * 60;
/// The days of the week as declarations write them.
pub(super) const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A time of day ready for comparison.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    from: u16,
    to: u16,
    days: [bool; 7],
    zone: TimeZone,
    text: String,
}

/// What is wrong with a time of day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HoursProblem {
    pub field: &'static str,
    pub message: String,
    pub remedy: &'static str,
}

impl Window {
    /// Reads a declared time of day, or says everything that is wrong with it.
    pub fn new(hours: &Hours) -> Result<Self, Vec<HoursProblem>> {
        let mut problems = Vec::new();
        let from = minute(&hours.from, "from", &mut problems);
        let to = minute(&hours.to, "to", &mut problems);
        if problems.is_empty() && (from == to || from == DAY_MINUTES) {
            problems.push(HoursProblem {
                field: "to",
                message: format!("from {} to {} is no time at all", hours.from, hours.to),
                remedy: "for a whole day leave out both, or write from \"00:00\" to \"24:00\"",
            });
        }
        let days = days(hours.days.as_deref(), &mut problems);
        let zone = zone(&hours.zone).unwrap_or_else(|problem| {
            problems.push(problem);
            TimeZone::UTC
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            from,
            to,
            days,
            zone,
            text: describe(hours),
        })
    }

    /// Whether the instant lies in it.
    pub fn contains(&self, unix_ms: u64) -> bool {
        let Some((day, minute)) = self.local(unix_ms) else {
            return false;
        };
        let on = |day: usize| self.days.get(day).copied().unwrap_or(false);
        if self.from < self.to {
            on(day) && (self.from..self.to).contains(&minute)
        } else {
            let day_before = (day + 6) % 7;
            (on(day) && minute >= self.from) || (on(day_before) && minute < self.to)
        }
    }

    /// The local time, for people.
    pub fn local_text(&self, unix_ms: u64) -> String {
        match self.local(unix_ms) {
            Some((day, minute)) => format!(
                "{} {:02}:{:02}",
                DAYS.get(day).map_or("", |(name, _)| name),
                minute / 60,
                minute % 60
            ),
            None => "no valid time".into(),
        }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Day from Monday = 0, and minute of the day.
    fn local(&self, unix_ms: u64) -> Option<(usize, u16)> {
        let stamp = Timestamp::from_millisecond(i64::try_from(unix_ms).ok()?).ok()?;
        let local = stamp.to_zoned(self.zone.clone());
        let day = usize::try_from(local.weekday().to_monday_zero_offset()).ok()?;
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        Some((day, u16::try_from(minute).ok()?))
    }
}

fn describe(hours: &Hours) -> String {
    let days = hours
        .days
        .as_ref()
        .map_or("every day".to_string(), |days| days.join(","));
    format!("{}-{} {days} {}", hours.from, hours.to, hours.zone)
}

/// A time of day in minutes; 0 with a problem if it is none.
pub(super) fn minute(text: &str, field: &'static str, problems: &mut Vec<HoursProblem>) -> u16 {
    let read = || {
        let (hour, minute) = text.split_once(':')?;
        let digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(hour) || !digits(minute) {
            return None;
        }
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        let total = hour * 60 + minute;
        (minute < 60 && total <= DAY_MINUTES).then_some(total)
    };
    read().unwrap_or_else(|| {
        problems.push(HoursProblem {
            field,
            message: format!("`{text}` is not a time of day"),
            remedy: "write hours and minutes from \"00:00\" to \"24:00\", such as \"08:30\"",
        });
        0
    })
}

fn days(names: Option<&[String]>, problems: &mut Vec<HoursProblem>) -> [bool; 7] {
    let Some(names) = names else {
        return [true; 7];
    };
    let mut on = [false; 7];
    for name in names {
        let known = DAYS
            .iter()
            .find(|(short, _)| short.eq_ignore_ascii_case(name))
            .and_then(|(_, day)| usize::try_from(day.to_monday_zero_offset()).ok())
            .and_then(|day| on.get_mut(day));
        match known {
            Some(flag) => *flag = true,
            None => problems.push(HoursProblem {
                field: "days",
                message: format!("`{name}` is not a day of the week"),
                remedy: "use mon, tue, wed, thu, fri, sat, sun",
            }),
        }
    }
    if names.is_empty() {
        problems.push(HoursProblem {
            field: "days",
            message: "the list of days is empty, and would never match".into(),
            remedy: "name days, or leave `days` out for every day",
        });
    }
    on
}

/// A zone of the IANA database that is built in.
pub(super) fn zone(name: &str) -> Result<TimeZone, HoursProblem> {
    TimeZoneDatabase::bundled()
        .get(name)
        .map_err(|_| HoursProblem {
            field: "zone",
            message: format!("`{name}` is not a time zone"),
            remedy: "use a name of the IANA database, such as \"Europe/Zurich\" or \"UTC\"",
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn window(from: &str, to: &str, days: &[&str], zone: &str) -> Window {
        Window::new(&Hours {
            from: from.into(),
            to: to.into(),
            days: (!days.is_empty()).then(|| days.iter().map(|d| (*d).into()).collect()),
            zone: zone.into(),
        })
        .unwrap()
    }

    fn at(text: &str) -> u64 {
        let stamp: Timestamp = text.parse().unwrap();
        u64::try_from(stamp.as_millisecond()).unwrap()
    }

    // A3
    #[test]
    fn office_hours_follow_the_zone_and_its_summer_time() {
        let office = window("08:00", "18:00", &["mon", "tue"], "Europe/Zurich");
        // 2026-07-06 is a Monday; summer time is two hours ahead of UTC.
        assert!(office.contains(at("2026-07-06T06:00:00Z")));
        assert!(!office.contains(at("2026-07-06T05:59:59Z")));
        assert!(office.contains(at("2026-07-06T15:59:59Z")));
        assert!(!office.contains(at("2026-07-06T16:00:00Z")));
        // In winter one hour.
        assert!(!office.contains(at("2026-01-05T06:30:00Z")));
        assert!(office.contains(at("2026-01-05T07:00:00Z")));
        assert!(!office.contains(at("2026-01-07T10:00:00Z")), "a Wednesday");
    }

    // A3
    #[test]
    fn a_night_belongs_to_the_day_that_it_begins_on() {
        let night = window("22:00", "06:00", &["fri"], "UTC");
        assert!(night.contains(at("2026-07-03T22:00:00Z")), "Friday night");
        assert!(night.contains(at("2026-07-04T05:59:00Z")), "Saturday early");
        assert!(!night.contains(at("2026-07-03T05:00:00Z")), "Friday early");
        assert!(!night.contains(at("2026-07-04T06:00:00Z")));
    }

    #[test]
    fn a_whole_day_has_no_gap() {
        let day = window("00:00", "24:00", &[], "Asia/Kathmandu");
        for minute in 0..(2 * 1440) {
            assert!(day.contains(1_790_000_000_000 + minute * 60_000));
        }
        assert!(!day.contains(u64::MAX), "a time that no calendar has");
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let wrong = Hours {
            from: "8".into(),
            to: "24:01".into(),
            days: Some(vec!["monday".into()]),
            zone: "Europe/Nowhere".into(),
        };
        let fields: Vec<_> = Window::new(&wrong)
            .unwrap_err()
            .iter()
            .map(|p| p.field)
            .collect();
        assert_eq!(fields, ["from", "to", "days", "zone"]);
        let nothing = Hours {
            from: "08:00".into(),
            to: "08:00".into(),
            days: None,
            zone: "UTC".into(),
        };
        assert_eq!(Window::new(&nothing).unwrap_err()[0].field, "to");
    }
}
