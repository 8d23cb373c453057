WITH has AS (
  SELECT m.*, g.group_id FROM memberships m CROSS JOIN UNNEST(split(m.group_ids, ' ')) AS g (group_id) WHERE m.group_ids <> ''
), had AS (
  SELECT m.*, g.group_id FROM memberships m CROSS JOIN UNNEST(split(m.before, ' ')) AS g (group_id) WHERE m.before <> ''
)
SELECT h.attached_at AS event_time, h.event_id, h.interface_id, h.group_id,
       CASE WHEN h.before IS NULL AND NOT h.is_creation THEN 'attached, or there before' ELSE 'attached' END AS change,
       h.actor, h.source_ip, CASE WHEN h.is_creation THEN 'created with it' ELSE 'modified' END AS how
FROM has h
LEFT JOIN had b ON b.interface_id = h.interface_id AND b.n = h.n AND b.group_id = h.group_id
WHERE b.group_id IS NULL
UNION ALL
SELECT b.attached_at, b.event_id, b.interface_id, b.group_id, 'detached', b.actor, b.source_ip,
       CASE WHEN b.is_creation THEN 'created with it' ELSE 'modified' END
FROM had b
LEFT JOIN has h ON h.interface_id = b.interface_id AND h.n = b.n AND h.group_id = b.group_id
WHERE h.group_id IS NULL
