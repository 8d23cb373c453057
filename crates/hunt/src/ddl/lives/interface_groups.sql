SELECT m.interface_id, g.group_id, m.attached_at, m.detached_at, m.actor AS attached_by
FROM memberships m CROSS JOIN UNNEST(split(m.group_ids, ' ')) AS g (group_id)
WHERE m.group_ids <> ''
