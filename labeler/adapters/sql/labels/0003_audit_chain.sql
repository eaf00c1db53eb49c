-- The audit chain: every label, word, policy and setting, each entry bound to all before it by its hash. The rows of
-- `audit`, written until now, stay as they are; the chain's first entry states how many they are and a digest over them.
CREATE TABLE chain (
    n     INTEGER PRIMARY KEY CHECK (n > 0),            -- 1, 2, 3, …
    about TEXT NOT NULL,                                -- as in the entry, to find it by
    entry BLOB NOT NULL,                                -- canonical bytes (DRISL)
    hash  BLOB NOT NULL CHECK (length(hash) = 32)       -- SHA-256 of the hash before and the entry
);
CREATE INDEX chain_about ON chain (about);
CREATE TRIGGER chain_never_changes BEFORE UPDATE ON chain
BEGIN
    SELECT RAISE(ABORT, 'audit entries never change');
END;
CREATE TRIGGER chain_never_shrinks BEFORE DELETE ON chain
BEGIN
    SELECT RAISE(ABORT, 'audit entries are never deleted');
END;
-- This one also keeps INSERT OR REPLACE out, for which SQLite fires no delete trigger.
CREATE TRIGGER chain_has_no_gaps BEFORE INSERT ON chain
WHEN new.n <> coalesce((SELECT max(n) FROM chain), 0) + 1
BEGIN
    SELECT RAISE(ABORT, 'audit entries have no gaps');
END;
