-- Calls that are promised to customers: a restarted node makes them all the same.
CREATE TABLE call_back (
    contact TEXT NOT NULL PRIMARY KEY,
    arrived_unix_ms INTEGER NOT NULL,
    body TEXT NOT NULL
);
