//! Reading the events of a range of time, page by page.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::limits::{DEFAULT_RANGE_MS, MAX_RANGE_MS, MAX_READINGS, MAX_TAIL_EVENTS, READING_PAGE};
use super::problem::{Failure, Kind};
use crate::node::StoredEvent;
use crate::store::Store;
use crate::story::Range;

/// The range that a query names: the last day unless it says otherwise.
///
/// # Errors
/// [`Kind::Malformed`] for a moment that cannot be read, or a range that is empty or too long.
pub fn range(from: Option<&str>, to: Option<&str>, now: u64) -> Result<Range, Failure> {
    let to = to.map_or(Ok(now), |text| moment("to", text))?;
    let from = match from {
        Some(text) => moment("from", text)?,
        None => to.saturating_sub(DEFAULT_RANGE_MS),
    };
    let wrong = |detail: String| Err(Failure::new(Kind::Malformed, detail));
    if from >= to {
        return wrong("`from` must be before `to`, which is now unless given".to_owned());
    }
    if to - from > MAX_RANGE_MS {
        let days = MAX_RANGE_MS / 86_400_000;
        return wrong(format!("ask for {days} days at most"));
    }
    Ok(Range { from, to })
}

/// A moment: milliseconds of Unix time, RFC 3339, or a day, which begins at midnight UTC.
///
/// # Errors
/// [`Kind::Malformed`] if it is none; `name` is that of the parameter.
pub fn moment(name: &str, text: &str) -> Result<u64, Failure> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let read = match digits {
        true => text.parse().ok(),
        false => {
            // In a query a `+` that is not escaped means a space.
            let text = text.replace(' ', "+");
            let moment = text.parse::<Timestamp>().ok().or_else(|| {
                let day: Date = text.parse().ok()?;
                day.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp())
            });
            moment.and_then(|moment| u64::try_from(moment.as_millisecond()).ok())
        }
    };
    let detail = || {
        format!(
            "`{name}` is no moment: write 2026-11-22T08:00:00Z, 2026-11-22T08:00:00+01:00, \
             2026-11-22, or milliseconds of Unix time"
        )
    };
    read.ok_or_else(|| Failure::new(Kind::Malformed, detail()))
}

/// The events from the beginning of a range on.
pub struct Reading {
    store: Store,
    range: Range,
    cursor: u64,
    tail: usize,
    _permit: OwnedSemaphorePermit,
}

impl Reading {
    /// Finds the beginning.
    ///
    /// # Errors
    /// [`Kind::Busy`] while as many are under way as may be.
    pub async fn open(shared: &Shared, range: Range) -> Result<Reading, Failure> {
        let permit = shared.readings.clone().try_acquire_owned();
        let permit = permit.map_err(|_| {
            let detail = format!("{MAX_READINGS} reports are being made; try again");
            Failure::new(Kind::Busy, detail)
        })?;
        let store = shared.api.store.clone();
        let cursor = store.cursor_before(range.from).await?;
        Ok(Reading {
            store,
            range,
            cursor,
            tail: 0,
            _permit: permit,
        })
    }

    /// What agents did before.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn before(&self) -> Result<Vec<StoredEvent>, Failure> {
        Ok(self.store.agents_before(self.cursor).await?)
    }

    /// The next page. `settled`: what comes after the range is not needed. None at the end: of the
    /// events, of what is needed, or of [`MAX_TAIL_EVENTS`] after the range.
    ///
    /// # Errors
    /// If the store fails, or has removed what was to be read.
    pub async fn next(&mut self, settled: bool) -> Result<Option<Vec<StoredEvent>>, Failure> {
        if self.tail > MAX_TAIL_EVENTS || (self.tail > 0 && settled) {
            return Ok(None);
        }
        if self.store.pruned_to().await > self.cursor {
            let detail = "events were removed while they were read; ask for a later range";
            return Err(Failure::new(Kind::Gone, detail));
        }
        let page = self.store.events_after(self.cursor, READING_PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        self.cursor = last.cursor;
        let late = page.iter().filter(|event| event.unix_ms >= self.range.to);
        self.tail += late.count();
        Ok(Some(page))
    }
}
