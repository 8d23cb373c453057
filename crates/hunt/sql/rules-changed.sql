-- question: Which rules were opened, modified and closed, by whom, and what were they before?
-- needs: CloudTrail
-- param: group = ''; only this security group
-- param: rule = ''; only this rule
SELECT event_time, kind, group_id, group_name, rule_id, direction, protocol, from_port, to_port, source, old_protocol,
       old_from_port, old_to_port, old_source, actor, source_ip, how, account_id, region, event_id
FROM rule_changes
WHERE ($group = '' OR group_id = $group) AND ($rule = '' OR rule_id = $rule)
ORDER BY event_time NULLS LAST, event_id, rule_id, kind
