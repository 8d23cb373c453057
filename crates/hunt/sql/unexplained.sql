-- question: Which connections from outside were accepted though no known rule admits them?
-- needs: CloudTrail and flow logs
-- note: It measures how complete our knowledge is: rules and interfaces older than the records are not known.
SELECT interface_id, instance_id, instance_name, groups_known, protocol, dst_port, src_addr, count(*) AS records,
       min(start_time) AS first_seen, max(end_time) AS last_seen
FROM rule_flows
WHERE life IS NULL AND initiator = 'remote'
GROUP BY interface_id, instance_id, instance_name, groups_known, protocol, dst_port, src_addr
ORDER BY records DESC NULLS LAST, interface_id, protocol, dst_port, src_addr, instance_id
