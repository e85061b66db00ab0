//! The declaration of a calendar: when a place is open, with its holidays.

use super::problems::Problems;
use super::validate::ids;
use crate::id::CalendarId;
use crate::limits::{MAX_ALTERNATIVES, MAX_CALENDARS, MAX_HOLIDAYS};
use crate::typing::Calendar as Ready;
use serde::{Deserialize, Serialize};

/// A calendar, which rules name: `when = { calendar = "office" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Its identifier.
    pub id: CalendarId,
    /// An IANA time zone such as `Europe/Zurich`; default `UTC`. All its days and times are local.
    #[serde(default = "super::defaults::zone")]
    pub zone: String,
    /// When it is open on common days; of several times any will do. Default: always. An empty
    /// list means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Vec<Open>>,
    /// Days on which it is closed whatever `open` says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Holiday>,
    /// Days on which it is open whatever `open` and `holidays` say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Special>,
}

/// A time of day on some days of the week.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`; default: every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Vec<String>>,
    /// The first minute, `HH:MM`; default `00:00`.
    #[serde(default = "super::defaults::hours_from")]
    pub from: String,
    /// The first minute after it, `HH:MM` up to `24:00`; default `24:00`. Before `from` it means
    /// the next day, unless that is a holiday.
    #[serde(default = "super::defaults::hours_to")]
    pub to: String,
}

/// A holiday: its day alone, or with a name and a part of the day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Holiday {
    /// A day as [`Special::date`] writes it; the whole of it, and the text is its name.
    Day(String),
    /// A day with more.
    Special(Special),
}

/// A day that is not like others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Special {
    /// `2026-12-25`, `*-01-01` for every year, or `easter`, `easter-2`, `easter+39` for a number
    /// of days from Easter Sunday (of the Gregorian calendar).
    pub date: String,
    /// Its name; default: the date as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first minute, `HH:MM`; default `00:00`.
    #[serde(default = "super::defaults::hours_from")]
    pub from: String,
    /// The first minute after it on the same day, `HH:MM` up to `24:00`; default `24:00`.
    #[serde(default = "super::defaults::hours_to")]
    pub to: String,
}

/// Finds all problems; gives the calendars, so that rules can be checked against them. One with
/// problems is never open.
pub(super) fn check(problems: &mut Problems, calendars: &[Calendar]) -> Vec<Ready> {
    problems.at_most("calendar", calendars.len(), MAX_CALENDARS);
    ids(
        problems,
        "calendar",
        calendars.iter().map(|c| c.id.as_str()),
    );
    let each = calendars.iter().enumerate();
    each.map(|(index, calendar)| one(problems, &format!("calendar[{index}]"), calendar))
        .collect()
}

fn one(problems: &mut Problems, path: &str, calendar: &Calendar) -> Ready {
    let open = calendar.open.as_ref().map_or(0, Vec::len);
    problems.at_most(format!("{path}.open"), open, MAX_ALTERNATIVES);
    let days = calendar.holidays.len() + calendar.exceptions.len();
    problems.at_most(format!("{path}.holidays"), days, MAX_HOLIDAYS);
    Ready::new(calendar).unwrap_or_else(|wrong| {
        for (field, wrong) in wrong {
            problems.add(format!("{path}.{field}"), wrong.message, wrong.remedy);
        }
        Ready::never(&calendar.id)
    })
}
