WITH calls AS (
  SELECT c.*, coalesce(json_extract(response, '$.securityGroupRuleSet.items'),
                       json_extract(response, '$.revokedSecurityGroupRuleSet.items')) AS rules
  FROM ec2_calls c
  WHERE event_name IN ('AuthorizeSecurityGroupIngress', 'AuthorizeSecurityGroupEgress', 'RevokeSecurityGroupIngress',
    'RevokeSecurityGroupEgress')
), listed AS (
  SELECT c.event_id, c.event_time, c.account_id, c.region, c.event_name, c.actor, c.source_ip, c.request,
         json_extract_scalar(r.item, '$.securityGroupRuleId') AS rule_id,
         json_extract_scalar(r.item, '$.groupId') AS item_group,
         json_extract_scalar(r.item, '$.isEgress') AS is_egress,
         json_extract_scalar(r.item, '$.ipProtocol') AS protocol,
         json_extract_scalar(r.item, '$.fromPort') AS from_port,
         json_extract_scalar(r.item, '$.toPort') AS to_port,
         json_extract_scalar(r.item, '$.cidrIpv4') AS cidr4,
         json_extract_scalar(r.item, '$.cidrIpv6') AS cidr6,
         json_extract_scalar(r.item, '$.prefixListId') AS list,
         json_extract_scalar(r.item, '$.referencedGroupInfo.groupId') AS referred
  FROM calls c CROSS JOIN UNNEST(TRY_CAST(c.rules AS ARRAY(JSON))) AS r (item)
), permissions AS (
  SELECT c.event_id, c.event_time, c.account_id, c.region, c.event_name, c.actor, c.source_ip, c.request, p.item
  FROM calls c CROSS JOIN UNNEST(TRY_CAST(json_extract(c.request, '$.ipPermissions.items') AS ARRAY(JSON))) AS p (item)
  WHERE c.rules IS NULL
), asked AS (
  SELECT p.*, json_extract_scalar(s.item, '$.cidrIp') AS cidr4, CAST(NULL AS VARCHAR) AS cidr6, CAST(NULL AS VARCHAR) AS list,
         CAST(NULL AS VARCHAR) AS referred
  FROM permissions p CROSS JOIN UNNEST(TRY_CAST(json_extract(p.item, '$.ipRanges.items') AS ARRAY(JSON))) AS s (item)
  UNION ALL
  SELECT p.*, NULL, json_extract_scalar(s.item, '$.cidrIpv6'), NULL, NULL
  FROM permissions p CROSS JOIN UNNEST(TRY_CAST(json_extract(p.item, '$.ipv6Ranges.items') AS ARRAY(JSON))) AS s (item)
  UNION ALL
  SELECT p.*, NULL, NULL, json_extract_scalar(s.item, '$.prefixListId'), NULL
  FROM permissions p CROSS JOIN UNNEST(TRY_CAST(json_extract(p.item, '$.prefixListIds.items') AS ARRAY(JSON))) AS s (item)
  UNION ALL
  SELECT p.*, NULL, NULL, NULL, coalesce(json_extract_scalar(s.item, '$.groupId'), json_extract_scalar(s.item, '$.groupName'),
         json_extract_scalar(s.item, '$.userId'))
  FROM permissions p CROSS JOIN UNNEST(TRY_CAST(json_extract(p.item, '$.groups.items') AS ARRAY(JSON))) AS s (item)
), modified AS (
  SELECT c.event_id, c.event_time, c.account_id, c.region, c.event_name, c.actor, c.source_ip, c.request,
         json_extract_scalar(r.item, '$.SecurityGroupRuleId') AS rule_id,
         json_extract(r.item, '$.SecurityGroupRule') AS rule
  FROM ec2_calls c
  CROSS JOIN UNNEST(coalesce(
    TRY_CAST(json_extract(c.request, '$.ModifySecurityGroupRulesRequest.SecurityGroupRule') AS ARRAY(JSON)),
    ARRAY[json_extract(c.request, '$.ModifySecurityGroupRulesRequest.SecurityGroupRule')])) AS r (item)
  WHERE c.event_name = 'ModifySecurityGroupRules'
), closed AS (
  SELECT c.event_id, c.event_time, c.account_id, c.region, c.event_name, c.actor, c.source_ip, c.request,
         json_extract_scalar(r.item, '$.securityGroupRuleId') AS rule_id
  FROM calls c CROSS JOIN UNNEST(TRY_CAST(json_extract(c.request, '$.securityGroupRuleIds.items') AS ARRAY(JSON))) AS r (item)
  WHERE c.rules IS NULL
), rules AS (
  SELECT event_id, event_time, account_id, region, event_name, actor, source_ip, request, rule_id, item_group, is_egress,
         coalesce(protocol, '-1') AS protocol, from_port, to_port, cidr4, cidr6, list, referred
  FROM listed WHERE rule_id IS NOT NULL
  UNION ALL
  SELECT event_id, event_time, account_id, region, event_name, actor, source_ip, request, NULL, NULL, NULL,
         coalesce(json_extract_scalar(item, '$.ipProtocol'), '-1'), json_extract_scalar(item, '$.fromPort'),
         json_extract_scalar(item, '$.toPort'), cidr4, cidr6, list, referred
  FROM asked
  UNION ALL
  SELECT event_id, event_time, account_id, region, event_name, actor, source_ip, request, NULL, NULL, NULL,
         coalesce(json_extract_scalar(request, '$.ipProtocol'), '-1'), json_extract_scalar(request, '$.fromPort'),
         json_extract_scalar(request, '$.toPort'), json_extract_scalar(request, '$.cidrIp'),
         json_extract_scalar(request, '$.cidrIpv6'), NULL,
         coalesce(json_extract_scalar(request, '$.sourceSecurityGroupId'), json_extract_scalar(request, '$.sourceSecurityGroupName'))
  FROM calls WHERE rules IS NULL
  UNION ALL
  SELECT event_id, event_time, account_id, region, event_name, actor, source_ip, request, rule_id, NULL, NULL,
         json_extract_scalar(rule, '$.IpProtocol'), json_extract_scalar(rule, '$.FromPort'), json_extract_scalar(rule, '$.ToPort'),
         json_extract_scalar(rule, '$.CidrIpv4'), json_extract_scalar(rule, '$.CidrIpv6'), json_extract_scalar(rule, '$.PrefixListId'),
         json_extract_scalar(rule, '$.ReferencedGroupId')
  FROM modified WHERE rule_id IS NOT NULL
  UNION ALL
  SELECT event_id, event_time, account_id, region, event_name, actor, source_ip, request, rule_id, NULL, NULL, NULL, NULL, NULL,
         NULL, NULL, NULL, NULL
  FROM closed WHERE rule_id IS NOT NULL
), typed AS (
  SELECT e.*,
         CASE WHEN event_name LIKE 'Authorize%' THEN 'open' WHEN event_name LIKE 'Modify%' THEN 'modify' ELSE 'close' END AS kind,
         coalesce(json_extract_scalar(request, '$.groupId'),
                  json_extract_scalar(request, '$.ModifySecurityGroupRulesRequest.GroupId'), item_group,
                  'name:' || json_extract_scalar(request, '$.groupName')) AS group_id,
         CASE WHEN is_egress = 'true' THEN 'egress' WHEN is_egress = 'false' THEN 'ingress'
              WHEN event_name LIKE '%Egress' THEN 'egress' WHEN event_name LIKE '%Ingress' THEN 'ingress' END AS direction,
         CASE lower(trim(protocol)) WHEN 'tcp' THEN 6 WHEN 'udp' THEN 17 WHEN 'all' THEN -1 WHEN 'icmp' THEN 1 WHEN 'icmpv6' THEN 58
              ELSE TRY_CAST(protocol AS INTEGER) END AS number,
         TRY_CAST(from_port AS INTEGER) AS low, TRY_CAST(to_port AS INTEGER) AS high,
         coalesce(cidr4, cidr6, list, referred) AS source,
         CASE WHEN cidr4 IS NOT NULL THEN 'cidr4' WHEN cidr6 IS NOT NULL THEN 'cidr6' WHEN list IS NOT NULL THEN 'prefix_list'
              WHEN referred IS NOT NULL THEN 'group' END AS source_kind
  FROM rules e
), facts AS (
  SELECT event_time, event_id, account_id, region, actor, source_ip, kind, rule_id, group_id, direction, source, source_kind,
         -- What of the traffic counts, as EC2 reads it, in one text: a change names all of it or nothing.
         CASE WHEN protocol IS NULL THEN NULL
              WHEN number IN (6, 17) AND coalesce(low, -1) = -1 AND coalesce(high, -1) = -1 THEN CAST(number AS VARCHAR) || '|0|65535'
              WHEN number IN (1, 6, 17, 58) OR number IS NULL
              THEN coalesce(CAST(number AS VARCHAR), '') || '|' || coalesce(CAST(low AS VARCHAR), '') || '|'
                || coalesce(CAST(high AS VARCHAR), '')
              ELSE CAST(number AS VARCHAR) || '||' END AS traffic,
         CASE number WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp' WHEN 1 THEN 'icmp' WHEN 58 THEN 'icmpv6'
              ELSE coalesce(CAST(number AS VARCHAR), protocol) END AS word
  FROM typed
)
SELECT event_time, event_id, account_id, region, actor, source_ip,
       CASE WHEN kind = 'close' AND rule_id IS NULL THEN 'match' ELSE kind END AS kind,
       -- A rule without an id is named by what it admits: EC2 refuses a second one that admits the same.
       CASE WHEN rule_id IS NOT NULL OR kind = 'close' THEN rule_id
            ELSE group_id || '/' || direction || '/' || word || '/' || coalesce(nullif(split_part(traffic, '|', 2), ''), 'all') || '-'
              || coalesce(nullif(split_part(traffic, '|', 3), ''), 'all') || '/' || source END AS rule_id,
       group_id, direction, traffic, source, source_kind
FROM facts
WHERE (rule_id IS NOT NULL OR source IS NOT NULL) AND (kind <> 'modify' OR traffic IS NOT NULL OR source IS NOT NULL)
  AND (kind <> 'open' OR source IS NOT NULL)
