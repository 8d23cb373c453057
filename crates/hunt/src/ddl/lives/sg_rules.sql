WITH ordered AS (
  SELECT f.*, row_number() OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id) AS n,
         lag(kind) OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id) AS before,
         lead(kind) OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id) AS next_kind,
         lead(event_time) OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id) AS next_time,
         lead(event_id) OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id) AS next_event,
         lead(actor) OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id) AS next_actor,
         lead(source_ip) OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id) AS next_ip,
         -- What a change does not name stays as it was.
         last_value(traffic) IGNORE NULLS OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id
           ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS has_traffic,
         last_value(source) IGNORE NULLS OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id
           ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS has_source,
         last_value(source_kind) IGNORE NULLS OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id
           ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS has_kind,
         last_value(direction) IGNORE NULLS OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id
           ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS has_direction,
         last_value(group_id) IGNORE NULLS OVER (PARTITION BY rule_id ORDER BY event_time, kind DESC, event_id
           ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS has_group
  FROM rule_facts f
  WHERE kind <> 'match'
), lives AS (
  SELECT rule_id, n, has_group AS group_id, account_id, region, has_direction AS direction, has_traffic AS traffic,
         has_source AS source, has_kind AS source_kind, kind, event_time, event_id, actor, source_ip,
         CASE WHEN kind <> 'close' THEN event_time END AS opened_at, next_kind, next_time, next_event, next_actor, next_ip
  FROM ordered
  -- A rule that is first seen when it is closed was there before the records, if the answer says what it was.
  WHERE has_group IS NOT NULL
    AND (kind IN ('open', 'modify') OR (traffic IS NOT NULL AND (before IS NULL OR before = 'close')))
), ends AS (
  SELECT rule_id, n, event_time, 1 AS step, 'revoked' AS how, event_id, actor, source_ip FROM lives WHERE kind = 'close'
  UNION ALL
  SELECT rule_id, n, next_time, 1, CASE next_kind WHEN 'modify' THEN 'modified' ELSE 'revoked' END, next_event, next_actor, next_ip
  FROM lives WHERE kind <> 'close' AND next_kind IN ('modify', 'close')
  UNION ALL
  SELECT l.rule_id, l.n, m.event_time, 2, 'revoked', m.event_id, m.actor, m.source_ip
  FROM lives l
  JOIN rule_facts m ON m.kind = 'match' AND m.traffic = l.traffic AND m.source = l.source AND m.event_time >= l.opened_at
    AND (m.group_id = l.group_id OR m.group_id IS NULL) AND (m.direction = l.direction OR l.direction IS NULL)
  UNION ALL
  SELECT l.rule_id, l.n, d.event_time, 3, 'group deleted', d.event_id, d.actor, d.source_ip
  FROM lives l
  JOIN group_facts d ON d.kind = 'delete' AND d.group_id = l.group_id AND d.event_time >= l.opened_at
), ended AS (
  SELECT e.*, row_number() OVER (PARTITION BY rule_id, n ORDER BY event_time, step, event_id) AS place FROM ends e
)
SELECT l.rule_id, l.n, l.group_id, g.group_name, l.account_id, l.region, l.direction,
       TRY_CAST(nullif(split_part(l.traffic, '|', 1), '') AS INTEGER) AS protocol,
       CASE WHEN split_part(l.traffic, '|', 1) NOT IN ('1', '58')
            THEN TRY_CAST(nullif(split_part(l.traffic, '|', 2), '') AS INTEGER) END AS from_port,
       CASE WHEN split_part(l.traffic, '|', 1) NOT IN ('1', '58')
            THEN TRY_CAST(nullif(split_part(l.traffic, '|', 3), '') AS INTEGER) END AS to_port,
       CASE WHEN split_part(l.traffic, '|', 1) IN ('1', '58')
            THEN TRY_CAST(nullif(split_part(l.traffic, '|', 2), '') AS INTEGER) END AS icmp_type,
       CASE WHEN split_part(l.traffic, '|', 1) IN ('1', '58')
            THEN TRY_CAST(nullif(split_part(l.traffic, '|', 3), '') AS INTEGER) END AS icmp_code,
       coalesce(l.source, 'unknown') AS source, l.source_kind, l.opened_at,
       CASE WHEN l.kind <> 'close' THEN l.actor END AS opened_by,
       CASE WHEN l.kind <> 'close' THEN l.source_ip END AS opened_from,
       CASE l.kind WHEN 'open' THEN 'authorized' WHEN 'modify' THEN 'modified' ELSE 'before the records' END AS opened_how,
       CASE WHEN l.kind <> 'close' THEN l.event_id END AS opened_event,
       e.event_time AS closed_at, e.actor AS closed_by, e.source_ip AS closed_from, e.how AS closed_how, e.event_id AS closed_event
FROM lives l
LEFT JOIN ended e ON e.rule_id = l.rule_id AND e.n = l.n AND e.place = 1
LEFT JOIN security_groups g ON g.group_id = l.group_id
