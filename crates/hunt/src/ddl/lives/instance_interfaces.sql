WITH attached AS (
  SELECT interface_id, instance_id, attachment_id, device, event_time AS attached_at,
         row_number() OVER (PARTITION BY interface_id ORDER BY event_time, step, event_id) AS n,
         lead(event_time) OVER (PARTITION BY interface_id ORDER BY event_time, step, event_id) AS next_time
  FROM interface_facts WHERE kind IN ('launch', 'attach')
), ends AS (
  SELECT interface_id, n, next_time AS ended_at FROM attached WHERE next_time IS NOT NULL
  UNION ALL
  SELECT a.interface_id, a.n, f.event_time FROM attached a
  JOIN interface_facts f ON f.kind = 'detach' AND f.attachment_id = a.attachment_id AND f.event_time >= a.attached_at
  UNION ALL
  SELECT a.interface_id, a.n, f.event_time FROM attached a
  JOIN interface_facts f ON f.kind = 'terminate' AND f.instance_id = a.instance_id AND f.event_time >= a.attached_at
  UNION ALL
  SELECT a.interface_id, a.n, f.event_time FROM attached a
  JOIN interface_facts f ON f.kind = 'delete' AND f.interface_id = a.interface_id AND f.event_time >= a.attached_at
), ended AS (
  SELECT interface_id, n, min(ended_at) AS detached_at FROM ends GROUP BY interface_id, n
), tagged AS (
  SELECT c.event_time, 1 AS step, c.event_id, json_extract_scalar(i.item, '$.instanceId') AS instance_id,
         json_extract_scalar(t.item, '$.key') AS tag, json_extract_scalar(t.item, '$.value') AS name
  FROM ec2_calls c
  CROSS JOIN UNNEST(TRY_CAST(json_extract(c.response, '$.instancesSet.items') AS ARRAY(JSON))) AS i (item)
  CROSS JOIN UNNEST(TRY_CAST(json_extract(i.item, '$.tagSet.items') AS ARRAY(JSON))) AS t (item)
  WHERE c.event_name = 'RunInstances'
  UNION ALL
  SELECT c.event_time, 2, c.event_id, json_extract_scalar(r.item, '$.resourceId'), json_extract_scalar(t.item, '$.key'),
         CASE c.event_name WHEN 'CreateTags' THEN json_extract_scalar(t.item, '$.value') END
  FROM ec2_calls c
  CROSS JOIN UNNEST(TRY_CAST(json_extract(c.request, '$.resourcesSet.items') AS ARRAY(JSON))) AS r (item)
  CROSS JOIN UNNEST(TRY_CAST(json_extract(c.request, '$.tagSet.items') AS ARRAY(JSON))) AS t (item)
  WHERE c.event_name IN ('CreateTags', 'DeleteTags')
), names AS (
  SELECT instance_id, nullif(name, '') AS name,
         row_number() OVER (PARTITION BY instance_id ORDER BY event_time DESC, step DESC, event_id DESC) AS place
  FROM tagged WHERE tag = 'Name' AND (step = 2 OR name <> '')
)
SELECT a.instance_id, m.name, a.interface_id, a.attached_at, e.detached_at, a.device
FROM attached a
LEFT JOIN ended e ON e.interface_id = a.interface_id AND e.n = a.n
LEFT JOIN names m ON m.instance_id = a.instance_id AND m.place = 1
