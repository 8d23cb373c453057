SELECT event_time, event_id, account_id, region, event_name, coalesce(user_arn, invoked_by, user_name, principal_id) AS actor,
       source_ip, request, response
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND error_code IS NULL
  AND event_name IN ('AuthorizeSecurityGroupIngress', 'AuthorizeSecurityGroupEgress', 'RevokeSecurityGroupIngress',
    'RevokeSecurityGroupEgress', 'ModifySecurityGroupRules', 'CreateSecurityGroup', 'DeleteSecurityGroup', 'RunInstances',
    'TerminateInstances', 'CreateNetworkInterface', 'DeleteNetworkInterface', 'AttachNetworkInterface',
    'DetachNetworkInterface', 'ModifyNetworkInterfaceAttribute', 'ModifyInstanceAttribute', 'CreateTags', 'DeleteTags')
