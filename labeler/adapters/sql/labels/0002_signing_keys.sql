-- Which keys current labels are signed with, so that a start need not look at every label to know whether a key was
-- changed (label spec, "Signature Lifecycle"). A key stays listed until re-signing has found no label of it any more.
CREATE TABLE signing_key (
    key_id TEXT PRIMARY KEY
) WITHOUT ROWID;
INSERT INTO signing_key (key_id) SELECT DISTINCT key_id FROM label;
