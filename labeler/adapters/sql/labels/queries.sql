-- The statements of the label log. In the find statements every pattern is a half-open range of uris, and {asked}
-- stands for as many `(?, ?)` as there are patterns.

-- name: contradictions
SELECT 'log_state has no row' WHERE NOT EXISTS (SELECT 1 FROM log_state)
UNION ALL
SELECT 'the newest label is ' || newest || ', the recorded head ' || head
FROM log_state, (
    SELECT max(coalesce((SELECT max(seq) FROM label), 0), coalesce((SELECT max(seq) FROM superseded), 0)) AS newest
)
WHERE newest > head;

-- name: bounds
SELECT floor, head, checkpoint FROM log_state;

-- name: raise_head
UPDATE log_state SET head = ?;

-- name: move
UPDATE log_state SET head = ?, checkpoint = ?;

-- name: insert_label
INSERT INTO label (seq, src, uri, cid, val, neg, cts, exp, ver, sig, key_id, expires, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_evidence
INSERT INTO evidence (seq, cid, record) VALUES (?, ?, ?);

-- name: insert_link
INSERT INTO chain (n, about, entry, hash) VALUES (?, ?, ?, ?);

-- name: audit_head
SELECT n, about, entry, hash FROM chain ORDER BY n DESC LIMIT 1;

-- name: audit
SELECT n, about, entry, hash FROM chain WHERE n > ? ORDER BY n LIMIT ?;

-- name: audit_about
SELECT n, about, entry, hash FROM chain WHERE about = ? AND n > ? ORDER BY n LIMIT ?;

-- name: old_audit
-- Written by versions before there was a chain.
SELECT id, seq, checkpoint, actor, reason, evidence_cid FROM audit WHERE id > ? ORDER BY id LIMIT ?;

-- name: kept
WITH published (seq) AS (
    SELECT seq FROM evidence WHERE seq > ? UNION SELECT seq FROM label WHERE seq > ?
    UNION SELECT seq FROM superseded WHERE seq > ? ORDER BY 1 LIMIT ?
)
SELECT published.seq, record, coalesce(label.body, superseded.body), superseded_by
FROM published
LEFT JOIN evidence ON evidence.seq = published.seq
LEFT JOIN label ON label.seq = published.seq
LEFT JOIN superseded ON superseded.seq = published.seq
ORDER BY published.seq;

-- name: read
SELECT seq, body FROM label WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: evidence
SELECT record FROM evidence WHERE seq = ?;

-- name: prune_labels
DELETE FROM label WHERE seq < ?;

-- name: prune_superseded
DELETE FROM superseded WHERE seq < ?;

-- name: move_floor
UPDATE log_state SET floor = max(floor, min(? - 1, head));

-- name: keys
SELECT key_id FROM signing_key;

-- name: note_key
INSERT OR IGNORE INTO signing_key (key_id) VALUES (?);

-- name: forget_keys
DELETE FROM signing_key WHERE key_id <> ?;

-- name: stale
SELECT seq, body FROM label WHERE seq > ? AND src = ? AND key_id <> ? ORDER BY seq LIMIT ?;

-- name: replace_signature
UPDATE label SET sig = ?, key_id = ?, body = ? WHERE seq = ?;

-- name: count_asked
-- How many labels match, counted up to a bound: chooses between the two below.
WITH asked (low, high) AS (VALUES {asked})
SELECT count(*) FROM (
    SELECT 1 FROM asked CROSS JOIN label ON label.uri >= asked.low AND label.uri < asked.high LIMIT ?
);

-- name: find_few
-- Look the matches up by uri, then put them in order.
WITH asked (low, high) AS (VALUES {asked})
SELECT seq, body FROM label
WHERE seq IN (
        SELECT label.seq FROM asked CROSS JOIN label ON label.uri >= asked.low AND label.uri < asked.high
        WHERE label.seq > ?
    )
    AND (expires IS NULL OR expires > ?)
ORDER BY seq LIMIT ?;

-- name: find_many
-- Walk in order, leave out what was not asked for, stop at the limit.
WITH asked (low, high) AS (VALUES {asked})
SELECT seq, body FROM label
WHERE EXISTS (SELECT 1 FROM asked WHERE label.uri >= asked.low AND label.uri < asked.high)
    AND seq > ? AND (expires IS NULL OR expires > ?)
ORDER BY seq LIMIT ?;
