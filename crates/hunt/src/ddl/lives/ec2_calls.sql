SELECT event_time, event_id, account_id, region, event_name, coalesce(user_arn, invoked_by, user_name, principal_id) AS actor,
       source_ip, request, response
-- A copy of a record may lie in the folder of another day. To follow what a call does, it must count once.
FROM (SELECT e.*, row_number() OVER (PARTITION BY account_id, event_id ORDER BY event_time, day) AS copy
      FROM events e
      WHERE event_source = 'ec2.amazonaws.com' AND error_code IS NULL
        AND event_name IN ('AuthorizeSecurityGroupIngress', 'AuthorizeSecurityGroupEgress', 'RevokeSecurityGroupIngress',
          'RevokeSecurityGroupEgress', 'ModifySecurityGroupRules', 'CreateSecurityGroup', 'DeleteSecurityGroup', 'RunInstances',
          'TerminateInstances', 'CreateNetworkInterface', 'DeleteNetworkInterface', 'AttachNetworkInterface',
          'DetachNetworkInterface', 'ModifyNetworkInterfaceAttribute', 'ModifyInstanceAttribute', 'CreateTags', 'DeleteTags'))
WHERE copy = 1
