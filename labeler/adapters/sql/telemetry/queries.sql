-- name: contradictions
-- The newest record is at the head, unless all were trimmed.
SELECT 'log_state has no row' WHERE NOT EXISTS (SELECT 1 FROM log_state)
UNION ALL
SELECT 'the newest record is ' || newest || ', the recorded head ' || head
FROM log_state, (SELECT max(position) AS newest FROM record)
WHERE newest <> head;

-- name: head
SELECT head FROM log_state;

-- name: move_head
UPDATE log_state SET head = ?;

-- name: insert_record
INSERT INTO record (position, body) VALUES (?, ?);

-- name: read
SELECT position, body FROM record WHERE position > ? ORDER BY position LIMIT ?;

-- name: trim
DELETE FROM record WHERE position < ?;
