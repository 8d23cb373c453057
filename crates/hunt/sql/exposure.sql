-- question: Who got in while a guarded port was open to the internet, and who is still connected?
-- needs: CloudTrail and flow logs
-- note: A rule that is revoked cuts no connection. "perhaps" is what the log format cannot tell: see doubt.
-- param: any_port = 'no'; yes: rules that are open to the internet on any port
-- finding: true
-- timeline: first_seen, last_seen
SELECT r.group_id, r.rule_id, r.opened_at, r.opened_by, r.closed_at, c.interface_id, c.instance_name, c.src_addr,
       c.dst_port, c.protocol, count(*) AS connections,
       CASE WHEN bool_or(c.certain) THEN 'got in' ELSE 'perhaps' END AS answer,
       count(*) FILTER (WHERE c.last_after IS NOT NULL) AS connected_after_close,
       CAST(sum(c.bytes) AS BIGINT) AS bytes, min(c.first_seen) AS first_seen, max(c.last_seen) AS last_seen,
       CASE WHEN bool_or(c.certain) THEN NULL ELSE min(c.doubt) END AS doubt
FROM (
  SELECT life, interface_id, instance_name, src_addr, src_port, dst_port, protocol, bool_or(certain) AS certain,
         sum(bytes) AS bytes, min(start_time) AS first_seen, max(end_time) AS last_seen,
         max(end_time) FILTER (WHERE phase = 'after') AS last_after,
         min(doubt) FILTER (WHERE phase = 'open') AS doubt
  FROM rule_flows
  WHERE life IS NOT NULL
  GROUP BY life, interface_id, instance_name, src_addr, src_port, dst_port, protocol
  HAVING count(*) FILTER (WHERE phase = 'open') > 0
) c
JOIN sg_rules r ON r.life = c.life
WHERE r.guarded OR (r.internet AND $any_port = 'yes')
GROUP BY r.group_id, r.rule_id, r.opened_at, r.opened_by, r.closed_at, c.interface_id, c.instance_name, c.src_addr,
         c.dst_port, c.protocol
ORDER BY r.opened_at NULLS FIRST, r.group_id, r.rule_id, connections DESC NULLS LAST, c.src_addr, c.interface_id, c.dst_port,
         c.protocol
