WITH records AS (
  SELECT interface_id, start_time, end_time, CASE log_status WHEN 'SKIPDATA' THEN 'skipdata' ELSE 'ok' END AS status,
         log_status = 'OK' AND action = 'ACCEPT' AS is_accepted
  FROM flow_logs WHERE interface_id IS NOT NULL
), follows AS (
  SELECT r.*, max(end_time) OVER (PARTITION BY interface_id, status ORDER BY start_time, end_time
           ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
  FROM records r
), parted AS (
  -- A gap of up to eleven minutes is none: a record gathers up to ten, and its times may be off by one.
  SELECT f.*, sum(CASE WHEN reached IS NULL OR start_time > reached + INTERVAL '660' SECOND THEN 1 ELSE 0 END)
           OVER (PARTITION BY interface_id, status ORDER BY start_time, end_time ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS part
  FROM follows f
), times AS (
  SELECT interface_id, status, part, min(start_time) AS from_time, max(end_time) AS to_time FROM parted GROUP BY interface_id, status, part
), counts AS (
  SELECT interface_id, count(*) AS records, count(*) FILTER (WHERE is_accepted) AS accepted FROM records GROUP BY interface_id
), grouped AS (
  SELECT DISTINCT interface_id FROM memberships
)
SELECT t.interface_id, t.from_time, t.to_time, t.status, c.records, c.accepted, g.interface_id IS NOT NULL AS groups_known
FROM times t
JOIN counts c ON c.interface_id = t.interface_id
LEFT JOIN grouped g ON g.interface_id = t.interface_id
UNION ALL
SELECT k.interface_id, CAST(NULL AS TIMESTAMP(3)), CAST(NULL AS TIMESTAMP(3)), 'none', 0, 0, g.interface_id IS NOT NULL
FROM (SELECT DISTINCT interface_id FROM interface_facts WHERE interface_id IS NOT NULL) k
LEFT JOIN counts c ON c.interface_id = k.interface_id
LEFT JOIN grouped g ON g.interface_id = k.interface_id
WHERE c.interface_id IS NULL
