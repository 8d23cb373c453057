-- question: Which security groups does nothing use now?
-- needs: CloudTrail; better with describe-network-interfaces
-- note: A group that a rule of another group names as its source is in use.
SELECT g.group_id, g.group_name, g.vpc_id, g.account_id, g.region, g.created_at, g.created_by,
       CASE WHEN g.members_known THEN 'unused' ELSE 'cannot tell' END AS answer,
       CASE WHEN g.members_known THEN NULL
            ELSE 'an interface from before the records may have it (add describe-network-interfaces)' END AS reason,
       max(m.detached_at) AS last_attached
FROM security_groups g
LEFT JOIN interface_groups m ON m.group_id = g.group_id
LEFT JOIN sg_rules r ON r.source_kind = 'group' AND r.source = g.group_id AND r.group_id <> g.group_id AND r.closed_at IS NULL
WHERE g.deleted_at IS NULL
GROUP BY g.group_id, g.group_name, g.vpc_id, g.account_id, g.region, g.created_at, g.created_by, g.members_known
HAVING count(*) FILTER (WHERE m.interface_id IS NOT NULL AND m.detached_at IS NULL) = 0 AND count(r.rule_id) = 0
ORDER BY g.group_id
