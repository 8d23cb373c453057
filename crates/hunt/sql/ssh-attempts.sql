-- question: Which sources tried SSH, or another port, against which instances, and how often?
-- needs: flow logs; for the names of instances CloudTrail or describe-instances
-- note: A record is no attempt: one long connection has a record every one to ten minutes. source_ports comes nearer. Where direction is empty, a connection that went out may be counted.
-- param: port = 22; another port
-- param: name = ''; only instances with this Name
-- bars: src_addr, records
SELECT i.name, i.instance_id, f.interface_id, f.direction, f.src_addr, count(*) AS records,
       count(DISTINCT f.src_port) AS source_ports,
       count(*) FILTER (WHERE f.action = 'ACCEPT') AS accepted, count(*) FILTER (WHERE f.action = 'REJECT') AS rejected,
       min(f.start_time) AS first_seen, max(f.end_time) AS last_seen
FROM flow_logs f
LEFT JOIN instance_interfaces i ON i.interface_id = f.interface_id
  AND f.start_time < coalesce(i.detached_at, TIMESTAMP '2200-01-01 00:00:00')
  AND f.end_time >= coalesce(i.attached_at, TIMESTAMP '1970-01-01 00:00:00')
WHERE f.protocol = 6 AND f.dst_port = $port AND coalesce(f.direction, 'unknown') <> 'egress'
  AND coalesce(f.initiator, 'unknown') <> 'local' AND ($name = '' OR i.name = $name)
GROUP BY i.name, i.instance_id, f.interface_id, f.direction, f.src_addr
ORDER BY records DESC NULLS LAST, f.src_addr, f.interface_id, i.instance_id, f.direction
