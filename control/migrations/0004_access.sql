-- Tokens that were given out: of their secrets only digests. Numbers rise and are never used again.
CREATE TABLE token (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    last_used_unix_ms BIGINT,
    body TEXT NOT NULL
);

-- Who changed what, and who was not allowed to. Numbers rise by one; the oldest rows are removed.
CREATE TABLE audit (
    number INTEGER NOT NULL PRIMARY KEY,
    unix_ms BIGINT NOT NULL,
    token TEXT NOT NULL,
    body TEXT NOT NULL
);

CREATE INDEX audit_of_token ON audit (token, number);

-- First answers to requests with an Idempotency-Key, for those that are repeated.
CREATE TABLE answer (
    token TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    created_unix_ms BIGINT NOT NULL,
    fingerprint TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (token, idempotency_key)
);

CREATE INDEX answer_by_age ON answer (created_unix_ms);
