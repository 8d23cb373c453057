SELECT event_time, event_id, account_id, region, actor, source_ip, 'create' AS kind,
       json_extract_scalar(response, '$.groupId') AS group_id, json_extract_scalar(request, '$.groupName') AS group_name,
       json_extract_scalar(request, '$.vpcId') AS vpc_id
FROM ec2_calls WHERE event_name = 'CreateSecurityGroup' AND json_extract_scalar(response, '$.groupId') IS NOT NULL
UNION ALL
SELECT event_time, event_id, account_id, region, actor, source_ip, 'delete',
       coalesce(json_extract_scalar(request, '$.groupId'), json_extract_scalar(response, '$.groupId'),
                'name:' || json_extract_scalar(request, '$.groupName')), NULL, NULL
FROM ec2_calls WHERE event_name = 'DeleteSecurityGroup'
