//! Events as rows: which story each belongs to, and statements that write many at once.

use std::collections::hash_map::Entry;

use patchbay_core::{ContactId, Event, What};
use rustc_hash::FxHashMap;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::error::json_while;
use super::events::contact_of;
use super::{StoreError, signed};

/// Contacts whose stories the writer remembers; of others the store is asked.
pub const MAX_STORIES: usize = 262_144;

/// Rows in one INSERT, largest first. Each number is a statement of its own, prepared once and kept.
const ROWS_A_STATEMENT: [usize; 6] = [64, 32, 16, 8, 4, 1];

/// Room for the JSON of most events, in bytes.
const USUAL_BODY_BYTES: usize = 512;

/// The stories that contacts of late belong to: the cursor of each one's first event.
#[derive(Debug, Default)]
pub struct Stories(FxHashMap<ContactId, i64>);

impl Stories {
    /// The contacts that may have a story which is not remembered.
    pub fn unknown(&self, events: &[Event]) -> Vec<ContactId> {
        let mut known: Vec<ContactId> = Vec::new();
        let contacts = events.iter().filter_map(|event| {
            let contact = contact_of(event)?;
            match event.what {
                // A contact's first event: it has no story yet, or one that is remembered.
                What::ContactAsking { .. } | What::ContactTyped { .. } => {
                    known.push(contact);
                    None
                }
                _ => {
                    (!self.0.contains_key(&contact) && !known.contains(&contact)).then_some(contact)
                }
            }
        });
        let mut unknown: Vec<ContactId> = contacts.collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// Remembers what has been written.
    pub fn learn(&mut self, written: Vec<Told>) {
        for Told {
            contact,
            first,
            over,
        } in written
        {
            match over {
                true => {
                    self.0.remove(&contact);
                }
                false => {
                    if self.0.len() >= MAX_STORIES {
                        self.0.clear();
                    }
                    self.0.insert(contact, first);
                }
            }
        }
    }
}

/// Where a contact's story begins, and whether it is likely to go on.
#[derive(Debug)]
pub struct Told {
    contact: ContactId,
    first: i64,
    over: bool,
}

/// Rows to be written together.
pub struct Batch {
    events: Vec<Row>,
    contacts: Vec<(i64, ContactId)>,
    told: Vec<Told>,
    callers: Vec<Caller>,
}

/// A contact as earlier ones are found; for one that is known only what is new counts.
struct Caller {
    story: i64,
    uri: String,
    unix_ms: i64,
    queue: String,
    agent: Option<String>,
}

struct Row {
    cursor: i64,
    unix_ms: i64,
    story: Option<i64>,
    body: String,
}

impl Batch {
    /// The rows of `events`, which come after `last_cursor`; `found` are stories that the store has.
    ///
    /// # Errors
    /// [`StoreError::Json`] if an event cannot be written.
    pub fn new(
        events: &[Event],
        last_cursor: u64,
        stories: &Stories,
        found: Vec<(ContactId, i64)>,
    ) -> Result<Batch, StoreError> {
        let mut begun: FxHashMap<ContactId, i64> = found.into_iter().collect();
        let mut batch = Batch {
            events: Vec::with_capacity(events.len()),
            contacts: Vec::new(),
            told: Vec::new(),
            callers: Vec::new(),
        };
        for (event, cursor) in events.iter().zip(last_cursor + 1..) {
            let cursor = signed(cursor);
            let story = contact_of(event).map(|contact| {
                let known = stories.0.get(&contact).copied();
                let first = known.unwrap_or_else(|| match begun.entry(contact) {
                    Entry::Occupied(first) => *first.get(),
                    Entry::Vacant(place) => {
                        batch.contacts.push((cursor, contact));
                        *place.insert(cursor)
                    }
                });
                let over = is_last(&event.what);
                if over || known.is_none() {
                    batch.told.push(Told {
                        contact,
                        first,
                        over,
                    });
                }
                first
            });
            batch
                .callers
                .extend(story.and_then(|story| caller(story, event)));
            batch.events.push(Row {
                cursor,
                unix_ms: signed(event.unix_ms),
                story,
                body: body(event)?,
            });
        }
        Ok(batch)
    }
}

/// What is kept of a contact by its caller, when it is typed and when it is answered.
fn caller(story: i64, event: &Event) -> Option<Caller> {
    let (uri, queue, agent) = match &event.what {
        What::ContactTyped { from, queue, .. } if !from.is_empty() => (from.as_str(), queue, None),
        What::ContactConnected { queue, agent, .. } => ("", queue, Some(agent.to_string())),
        _ => return None,
    };
    Some(Caller {
        story,
        uri: uri.to_owned(),
        unix_ms: signed(event.unix_ms),
        queue: queue.to_string(),
        agent,
    })
}

fn body(event: &Event) -> Result<String, StoreError> {
    let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
    serde_json::to_writer(&mut body, event).map_err(json_while("write an event"))?;
    // JSON is UTF-8.
    Ok(String::from_utf8(body).unwrap_or_default())
}

/// Nothing more is expected of the contact after this.
fn is_last(what: &What) -> bool {
    matches!(
        what,
        What::ContactEnded { .. }
            | What::ContactRefused { .. }
            | What::ContactRedirected { .. }
            | What::ContactAbandoned { .. }
    )
}

/// The stories that the store has of contacts.
pub async fn stories_of(
    connection: &mut SqliteConnection,
    contacts: Vec<ContactId>,
) -> Result<Vec<(ContactId, i64)>, sqlx::Error> {
    let mut found = Vec::new();
    for contact in contacts {
        let first: Option<(i64,)> =
            sqlx::query_as("SELECT first_cursor FROM contact WHERE id = $1")
                .bind(contact.to_string())
                .fetch_optional(&mut *connection)
                .await?;
        found.extend(first.map(|(first,)| (contact, first)));
    }
    Ok(found)
}

/// Writes rows, and says where their stories begin.
pub async fn insert(
    connection: &mut SqliteConnection,
    batch: Batch,
) -> Result<Vec<Told>, sqlx::Error> {
    let mut events = batch.events.into_iter();
    while let Some(rows) = portion(events.len()) {
        let into = "INSERT INTO event (cursor, unix_ms, story, body) ";
        let mut statement = QueryBuilder::<Sqlite>::new(into);
        statement.push_values(events.by_ref().take(rows), |mut values, row| {
            values
                .push_bind(row.cursor)
                .push_bind(row.unix_ms)
                .push_bind(row.story)
                .push_bind(row.body);
        });
        statement.build().execute(&mut *connection).await?;
    }
    let mut contacts = batch.contacts.into_iter();
    while let Some(rows) = portion(contacts.len()) {
        let into = "INSERT INTO contact (first_cursor, id) ";
        let mut statement = QueryBuilder::<Sqlite>::new(into);
        statement.push_values(
            contacts.by_ref().take(rows),
            |mut values, (first, contact)| {
                values.push_bind(first).push_bind(contact.to_string());
            },
        );
        // A batch that could never be written would keep all events after it out.
        statement.push(" ON CONFLICT DO NOTHING");
        statement.build().execute(&mut *connection).await?;
    }
    insert_callers(connection, batch.callers).await?;
    Ok(batch.told)
}

async fn insert_callers(
    connection: &mut SqliteConnection,
    callers: Vec<Caller>,
) -> Result<(), sqlx::Error> {
    let mut callers = callers.into_iter();
    while let Some(rows) = portion(callers.len()) {
        let into = "INSERT INTO caller (story, uri, unix_ms, queue, agent) ";
        let mut statement = QueryBuilder::<Sqlite>::new(into);
        statement.push_values(callers.by_ref().take(rows), |mut values, row| {
            values
                .push_bind(row.story)
                .push_bind(row.uri)
                .push_bind(row.unix_ms)
                .push_bind(row.queue)
                .push_bind(row.agent);
        });
        // Who answers comes later than who called.
        let known =
            " ON CONFLICT (story) DO UPDATE SET queue = excluded.queue, agent = excluded.agent";
        statement.push(known);
        statement.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// How many of so many rows the next statement takes; none without rows.
fn portion(rows: usize) -> Option<usize> {
    let mut sizes = ROWS_A_STATEMENT.into_iter();
    sizes.find(|size| *size <= rows)
}
