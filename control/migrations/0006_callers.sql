-- Who called when, and who answered: found by the caller, for rules that ask for earlier contacts.
-- `story` is the cursor of the contact's first event; rows go when those events do.
CREATE TABLE caller (
    story INTEGER NOT NULL PRIMARY KEY,
    uri TEXT NOT NULL,
    unix_ms BIGINT NOT NULL,
    queue TEXT NOT NULL,
    agent TEXT
);

CREATE INDEX caller_of_uri ON caller (uri, story);
