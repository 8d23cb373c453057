WITH launched AS (
  SELECT c.event_time, c.event_id, c.actor, c.source_ip, json_extract_scalar(i.item, '$.instanceId') AS instance_id, n.item
  FROM ec2_calls c
  CROSS JOIN UNNEST(TRY_CAST(json_extract(c.response, '$.instancesSet.items') AS ARRAY(JSON))) AS i (item)
  CROSS JOIN UNNEST(TRY_CAST(json_extract(i.item, '$.networkInterfaceSet.items') AS ARRAY(JSON))) AS n (item)
  WHERE c.event_name = 'RunInstances'
)
SELECT event_time, event_id, actor, source_ip, 1 AS step, 'launch' AS kind,
       json_extract_scalar(item, '$.networkInterfaceId') AS interface_id, instance_id,
       json_extract_scalar(item, '$.attachment.attachmentId') AS attachment_id,
       TRY_CAST(json_extract_scalar(item, '$.attachment.deviceIndex') AS INTEGER) AS device,
       json_extract(item, '$.groupSet') AS group_ids
FROM launched
UNION ALL
SELECT event_time, event_id, actor, source_ip, 2, 'create', json_extract_scalar(response, '$.networkInterface.networkInterfaceId'),
       NULL, NULL, NULL, json_extract(response, '$.networkInterface.groupSet')
FROM ec2_calls WHERE event_name = 'CreateNetworkInterface'
UNION ALL
SELECT event_time, event_id, actor, source_ip, 3, 'attach', json_extract_scalar(request, '$.networkInterfaceId'),
       json_extract_scalar(request, '$.instanceId'), json_extract_scalar(response, '$.attachmentId'),
       TRY_CAST(json_extract_scalar(request, '$.deviceIndex') AS INTEGER), NULL
FROM ec2_calls WHERE event_name = 'AttachNetworkInterface'
UNION ALL
SELECT event_time, event_id, actor, source_ip, 4, 'groups', json_extract_scalar(request, '$.networkInterfaceId'),
       json_extract_scalar(request, '$.instanceId'), NULL, NULL, json_extract(request, '$.groupSet')
FROM ec2_calls
WHERE event_name IN ('ModifyNetworkInterfaceAttribute', 'ModifyInstanceAttribute')
  AND json_extract_scalar(request, '$.groupSet.items[0].groupId') IS NOT NULL
UNION ALL
SELECT event_time, event_id, actor, source_ip, 5, 'detach', NULL, NULL, json_extract_scalar(request, '$.attachmentId'), NULL, NULL
FROM ec2_calls WHERE event_name = 'DetachNetworkInterface'
UNION ALL
SELECT event_time, event_id, actor, source_ip, 6, 'delete', json_extract_scalar(request, '$.networkInterfaceId'), NULL, NULL, NULL, NULL
FROM ec2_calls WHERE event_name = 'DeleteNetworkInterface'
UNION ALL
SELECT c.event_time, c.event_id, c.actor, c.source_ip, 7, 'terminate', NULL, json_extract_scalar(i.item, '$.instanceId'), NULL, NULL, NULL
FROM ec2_calls c
CROSS JOIN UNNEST(coalesce(TRY_CAST(json_extract(c.response, '$.instancesSet.items') AS ARRAY(JSON)),
                           TRY_CAST(json_extract(c.request, '$.instancesSet.items') AS ARRAY(JSON)))) AS i (item)
WHERE c.event_name = 'TerminateInstances'
