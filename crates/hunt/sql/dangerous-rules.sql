-- question: Who opened a guarded port to the internet?
-- needs: CloudTrail
-- note: The judgement is the guard's own, with every rule that the group had at the time, as far as the records tell.
-- finding: true
-- timeline: event_time, closed_at
SELECT event_time, account_id, region, group_id, rule_id, verdict, guard, transport, from_port, to_port, family, source,
       with_rules, actor, source_ip, closed_at
FROM dangerous_rules
ORDER BY event_time NULLS FIRST, group_id, rule_id, guard, family, from_port
