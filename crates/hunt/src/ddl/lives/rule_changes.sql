WITH lives AS (
  SELECT r.*, lag(closed_at) OVER (PARTITION BY rule_id ORDER BY n) AS before_closed_at,
         lag(protocol) OVER (PARTITION BY rule_id ORDER BY n) AS before_protocol,
         lag(from_port) OVER (PARTITION BY rule_id ORDER BY n) AS before_from_port,
         lag(to_port) OVER (PARTITION BY rule_id ORDER BY n) AS before_to_port,
         lag(source) OVER (PARTITION BY rule_id ORDER BY n) AS before_source
  FROM sg_rules r
)
SELECT opened_at AS event_time, opened_event AS event_id, CASE opened_how WHEN 'modified' THEN 'modify' ELSE 'open' END AS kind,
       rule_id, group_id, group_name, account_id, region, direction, protocol, from_port, to_port, icmp_type, icmp_code,
       source, source_kind,
       CASE WHEN opened_how = 'modified' AND before_closed_at = opened_at THEN before_protocol END AS old_protocol,
       CASE WHEN opened_how = 'modified' AND before_closed_at = opened_at THEN before_from_port END AS old_from_port,
       CASE WHEN opened_how = 'modified' AND before_closed_at = opened_at THEN before_to_port END AS old_to_port,
       CASE WHEN opened_how = 'modified' AND before_closed_at = opened_at THEN before_source END AS old_source,
       opened_by AS actor, opened_from AS source_ip, opened_how AS how
FROM lives WHERE opened_at IS NOT NULL
UNION ALL
SELECT closed_at, closed_event, 'close', rule_id, group_id, group_name, account_id, region, direction, protocol, from_port, to_port,
       icmp_type, icmp_code, source, source_kind, CAST(NULL AS INTEGER), CAST(NULL AS INTEGER), CAST(NULL AS INTEGER), CAST(NULL AS VARCHAR), closed_by,
       closed_from, closed_how
FROM lives WHERE closed_how IN ('revoked', 'group deleted')
