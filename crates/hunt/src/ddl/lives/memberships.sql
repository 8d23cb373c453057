WITH at_instance AS (
  SELECT f.event_id, i.interface_id,
         row_number() OVER (PARTITION BY f.event_id ORDER BY i.device NULLS FIRST, i.interface_id) AS place
  FROM interface_facts f
  JOIN instance_interfaces i ON i.instance_id = f.instance_id AND i.attached_at <= f.event_time
    AND (i.detached_at IS NULL OR i.detached_at >= f.event_time)
  WHERE f.kind = 'groups' AND f.interface_id IS NULL
), facts AS (
  SELECT coalesce(f.interface_id, a.interface_id) AS interface_id, f.event_time, f.step, f.event_id, f.kind, f.actor, f.source_ip, f.group_ids
  FROM interface_facts f
  LEFT JOIN at_instance a ON a.event_id = f.event_id AND a.place = 1
), sets AS (
  SELECT f.interface_id, f.event_time, f.step, f.event_id, f.actor, f.source_ip,
         coalesce(array_join(array_agg(DISTINCT json_extract_scalar(g.item, '$.groupId') ORDER BY json_extract_scalar(g.item, '$.groupId')), ' '),
                  '') AS group_ids
  FROM facts f
  LEFT JOIN UNNEST(TRY_CAST(json_extract(f.group_ids, '$.items') AS ARRAY(JSON))) AS g (item) ON TRUE
  WHERE f.group_ids IS NOT NULL AND f.interface_id IS NOT NULL
  GROUP BY f.interface_id, f.event_time, f.step, f.event_id, f.actor, f.source_ip
), changed AS (
  SELECT s.*, lag(group_ids) OVER (PARTITION BY interface_id ORDER BY event_time, step, event_id) AS before FROM sets s
), known AS (
  SELECT interface_id, kind, event_time, row_number() OVER (PARTITION BY interface_id ORDER BY event_time, step, event_id) AS place
  FROM facts WHERE interface_id IS NOT NULL
), made AS (
  -- An interface that is first seen at a launch was made with the instance, and goes with it.
  SELECT interface_id, coalesce(max(event_time) FILTER (WHERE kind = 'create'),
                                max(event_time) FILTER (WHERE kind = 'launch' AND place = 1)) AS created_at,
         max(event_time) FILTER (WHERE kind = 'delete') AS deleted_at,
         count(*) FILTER (WHERE kind = 'launch' AND place = 1) > 0 AS with_instance
  FROM known GROUP BY interface_id
), gone AS (
  SELECT i.interface_id, max(f.event_time) AS terminated_at
  FROM instance_interfaces i
  JOIN interface_facts f ON f.kind = 'terminate' AND f.instance_id = i.instance_id AND f.event_time = i.detached_at
  GROUP BY i.interface_id
)
SELECT c.interface_id, c.event_time AS attached_at, c.event_id, c.actor, c.source_ip, c.group_ids, c.before,
       row_number() OVER (PARTITION BY c.interface_id ORDER BY c.event_time, c.step, c.event_id) AS n,
       coalesce(lead(c.event_time) OVER (PARTITION BY c.interface_id ORDER BY c.event_time, c.step, c.event_id), m.deleted_at,
                CASE WHEN m.with_instance THEN t.terminated_at END) AS detached_at,
       coalesce(c.event_time = m.created_at, FALSE) AS is_creation
FROM changed c
JOIN made m ON m.interface_id = c.interface_id
LEFT JOIN gone t ON t.interface_id = c.interface_id
WHERE c.before IS NULL OR c.before <> c.group_ids
