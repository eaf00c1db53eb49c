-- The input log: one row a record, however many events it carries.

CREATE TABLE log_state (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    head     INTEGER NOT NULL CHECK (head >= 0)  -- newest position ever given; it outlives trimmed rows
);
INSERT INTO log_state (only_row, head) VALUES (1, 0);

CREATE TABLE record (
    position INTEGER PRIMARY KEY CHECK (position > 0),
    body     BLOB NOT NULL                       -- MessagePack of labeler.reputation.inputs
);
