-- The first schema. Plain SQL that SQLite and PostgreSQL both take.
-- Documents are JSON in TEXT: they are written and read whole, and never searched by their content.

-- Declarations of the centre; the one with the highest revision is in force.
CREATE TABLE centre (
    revision BIGINT NOT NULL PRIMARY KEY,
    saved_unix_ms BIGINT NOT NULL,
    body TEXT NOT NULL
);

-- Registered devices of agents, so that a restarted node can ring them at once.
CREATE TABLE binding (
    agent TEXT NOT NULL,
    contact TEXT NOT NULL,
    expires_unix_ms BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (agent, contact)
);

-- Everything that happened; cursors rise by one and are never used again.
CREATE TABLE event (
    cursor BIGINT NOT NULL PRIMARY KEY,
    unix_ms BIGINT NOT NULL,
    contact TEXT,
    body TEXT NOT NULL
);

CREATE INDEX event_of_contact ON event (contact, cursor);

-- Where the story of each contact begins and ends among the events.
CREATE TABLE contact (
    id TEXT NOT NULL PRIMARY KEY,
    first_cursor BIGINT NOT NULL,
    last_cursor BIGINT NOT NULL
);

CREATE INDEX contact_by_age ON contact (first_cursor);
