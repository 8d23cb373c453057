-- question: Which ingress rules were used, perhaps used, not used?
-- needs: CloudTrail and flow logs; better with describe-security-group-rules and describe-network-interfaces
-- note: Traffic to Amazon's DNS, time and metadata addresses and DHCP is in no flow log: a rule for it is never used here.
-- param: answer = ''; only one of: used, perhaps used, unused, cannot tell
SELECT u.answer, r.group_id, r.group_name, r.rule_id, r.protocol, r.from_port, r.to_port, r.source, r.opened_at, r.closed_at,
       u.certain, u.perhaps, u.first_used, u.last_used, u.since, u.until, u.reason
FROM rule_use u
JOIN sg_rules r ON r.life = u.life
WHERE $answer = '' OR u.answer = $answer
ORDER BY CASE u.answer WHEN 'unused' THEN 1 WHEN 'cannot tell' THEN 2 WHEN 'perhaps used' THEN 3 ELSE 4 END, r.group_id,
         r.rule_id, r.opened_at NULLS FIRST, u.life
