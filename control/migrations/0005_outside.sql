-- What is connected and carried outside, by whoever asked for an agent or by the caller's own proxy: no
-- relay has it, so that a restarted node knows it by this alone.
CREATE TABLE carried (
    contact TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);
