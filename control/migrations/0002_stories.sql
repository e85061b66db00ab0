-- Events are found by the story they belong to, not by the name of their contact: names are random
-- and would be written all over an index, while stories are numbered in their order. A contact is
-- written once, with its first event.
-- SQLite takes INTEGER PRIMARY KEY as the row's own number and needs no index beside the table;
-- PostgreSQL would have BIGINT in its place.

ALTER TABLE event RENAME TO event_by_contact;
ALTER TABLE contact RENAME TO contact_by_name;

CREATE TABLE contact (
    first_cursor INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL
);

INSERT INTO contact (first_cursor, id) SELECT first_cursor, id FROM contact_by_name;

CREATE UNIQUE INDEX contact_of_id ON contact (id);

-- `story` is the cursor of the first event about the same contact.
CREATE TABLE event (
    cursor INTEGER NOT NULL PRIMARY KEY,
    unix_ms BIGINT NOT NULL,
    story BIGINT,
    body TEXT NOT NULL
);

INSERT INTO event (cursor, unix_ms, story, body)
    SELECT e.cursor, e.unix_ms, c.first_cursor, e.body
    FROM event_by_contact AS e LEFT JOIN contact_by_name AS c ON c.id = e.contact;

CREATE INDEX event_of_story ON event (story, cursor);

DROP TABLE event_by_contact;
DROP TABLE contact_by_name;
