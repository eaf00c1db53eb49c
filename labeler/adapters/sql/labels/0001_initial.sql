-- The label log. `label` is what the stream and queries show: one row for each (src, uri, cid, val), the newest.
-- Everything ever published stays in `superseded`, `evidence` and `audit`.

CREATE TABLE log_state (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    head       INTEGER NOT NULL CHECK (head BETWEEN 0 AND 9007199254740991),  -- newest seq ever given; 2^53 - 1 is the wire's limit
    floor      INTEGER NOT NULL CHECK (floor BETWEEN 0 AND head),             -- newest seq ever pruned
    checkpoint INTEGER NOT NULL CHECK (checkpoint >= 0)                       -- position in the input log judged so far
);
INSERT INTO log_state (only_row, head, floor, checkpoint) VALUES (1, 0, 0, 0);

-- Text is stored as it was signed. Comparison is BINARY (byte by byte), SQLite's default, and must stay so.
CREATE TABLE label (
    seq     INTEGER PRIMARY KEY CHECK (seq > 0),
    src     TEXT NOT NULL,
    uri     TEXT NOT NULL,
    cid     TEXT NOT NULL,      -- '' when the label has none
    val     TEXT NOT NULL,
    neg     INTEGER,            -- NULL when the label does not say
    cts     TEXT NOT NULL,
    exp     TEXT,
    ver     INTEGER NOT NULL,
    sig     BLOB NOT NULL,
    key_id  TEXT NOT NULL,      -- did:key of the signer
    expires INTEGER,            -- microseconds since 1970 after which queries leave it out; NULL: never
    body    BLOB NOT NULL       -- the signed label as DAG-CBOR, ready for a frame
);
-- Begins with uri, so that it serves exact and prefix queries too.
CREATE UNIQUE INDEX label_identity ON label (uri, val, src, cid);

CREATE TABLE superseded (
    seq           INTEGER PRIMARY KEY,
    superseded_by INTEGER NOT NULL,
    key_id        TEXT NOT NULL,
    body          BLOB NOT NULL
);

-- Label spec, "Label Distribution Endpoints": a replaced label leaves the stream, its seq stays a gap.
CREATE TRIGGER label_supersedes BEFORE INSERT ON label
BEGIN
    INSERT INTO superseded (seq, superseded_by, key_id, body)
        SELECT seq, new.seq, key_id, body FROM label
        WHERE uri = new.uri AND val = new.val AND src = new.src AND cid = new.cid;
    DELETE FROM label WHERE uri = new.uri AND val = new.val AND src = new.src AND cid = new.cid;
END;

CREATE TABLE evidence (
    seq    INTEGER PRIMARY KEY,
    cid    TEXT NOT NULL,
    record BLOB NOT NULL
);

CREATE TABLE audit (
    id           INTEGER PRIMARY KEY,
    seq          INTEGER NOT NULL,
    checkpoint   INTEGER NOT NULL,  -- the input judged when this was written
    actor        TEXT NOT NULL,     -- a rule or an operator
    reason       TEXT NOT NULL,
    evidence_cid TEXT NOT NULL
);
CREATE TRIGGER audit_never_changes BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows never change');
END;
CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never deleted');
END;
