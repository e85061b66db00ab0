//! Rows of reports as documents show them.

use super::{By, Key, Subject, Sums};
use crate::table::Row;

/// A row with named cells. Columns are those of `by`, in an order that stays.
#[must_use]
pub fn row(by: By, (from_unix_ms, subject): &Key, sums: &Sums) -> Row {
    let mut row = Row::default();
    row.set("from_unix_ms", *from_unix_ms);
    match subject {
        Subject::All => {}
        Subject::Queue(queue) => row.set("queue", queue.as_str()),
        Subject::Agent(agent) => row.set("agent", agent.as_str()),
    }
    match by {
        By::Queue => contacts(&mut row, sums),
        By::Agent => {
            offers(&mut row, sums);
            time(&mut row, sums);
        }
        By::Time => {
            contacts(&mut row, sums);
            row.set("turned_away", sums.turned_away);
            time(&mut row, sums);
        }
    }
    row
}

/// The names of the columns as a line of CSV.
#[must_use]
pub fn head(by: By) -> String {
    let subject = match by {
        By::Queue => Subject::Queue("".into()),
        By::Agent => Subject::Agent("".into()),
        By::Time => Subject::All,
    };
    row(by, &(0, subject), &Sums::default()).head()
}

fn contacts(row: &mut Row, sums: &Sums) {
    row.set("offered", sums.offered);
    row.set("answered", sums.answered);
    row.set("answered_within", sums.answered_within);
    row.set("abandoned", sums.abandoned);
    row.set("abandoned_within", sums.abandoned_within);
    row.set("refused", sums.refused);
    row.set("redirected", sums.redirected);
    row.set("call_backs", sums.call_backs);
    row.set("called_back", sums.called_back);
    row.set("moved", sums.moved);
    row.set("lost", sums.lost);
    row.set("waiting", sums.waiting);
    row.set("offers", sums.offers);
    row.set("service_level", sums.service_level());
    row.set(
        "service_level_without_short",
        sums.service_level_without_short(),
    );
    row.set("service_level_with_short", sums.service_level_with_short());
    row.set("wait_mean_ms", sums.waits.mean_ms());
    row.set("wait_p50_ms", sums.waits.quantile_ms(0.5));
    row.set("wait_p90_ms", sums.waits.quantile_ms(0.9));
    row.set("wait_p99_ms", sums.waits.quantile_ms(0.99));
    row.set("wait_max_ms", max_of(&sums.waits));
    row.set("abandon_mean_ms", sums.abandon_waits.mean_ms());
    row.set("abandon_max_ms", max_of(&sums.abandon_waits));
    handling(row, sums);
}

fn offers(row: &mut Row, sums: &Sums) {
    row.set("offers", sums.offers);
    row.set("answered", sums.answered);
    row.set("missed", sums.missed);
    row.set("failed", sums.failed);
    handling(row, sums);
}

fn handling(row: &mut Row, sums: &Sums) {
    row.set("ended", sums.talks.count);
    row.set("talk_ms", sums.talks.sum_ms);
    row.set("holds", sums.holds);
    row.set("held_ms", sums.held_ms);
    row.set("wrap_up_ms", sums.wrap_up_ms);
    row.set("handling_mean_ms", sums.handling_ms());
}

fn time(row: &mut Row, sums: &Sums) {
    row.set("busy_ms", sums.busy_ms);
    row.set("free_ms", sums.free_ms);
    row.set("paused_ms", sums.paused_ms);
    row.set("occupancy", sums.occupancy());
}

fn max_of(spread: &super::Spread) -> Option<u64> {
    (spread.count > 0).then_some(spread.max_ms)
}
