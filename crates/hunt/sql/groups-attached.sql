-- question: Who attached which security group to which interface?
-- needs: CloudTrail
-- note: The calls carry the whole new set of groups; what is new is the difference from the set before.
SELECT g.event_time, g.change, g.interface_id, g.group_id, s.group_name, g.how, g.actor, g.source_ip, g.event_id
FROM group_changes g
LEFT JOIN security_groups s ON s.group_id = g.group_id
ORDER BY g.event_time NULLS LAST, g.event_id, g.interface_id, g.group_id, g.change
