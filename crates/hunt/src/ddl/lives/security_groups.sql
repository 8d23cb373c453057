WITH named AS (
  SELECT group_id, group_name, vpc_id, account_id, region, kind, event_time, actor FROM group_facts
  UNION ALL
  SELECT group_id, NULL, NULL, account_id, region, 'named', event_time, NULL FROM rule_facts WHERE group_id IS NOT NULL
)
SELECT group_id, max(group_name) AS group_name, max(vpc_id) AS vpc_id, max(account_id) AS account_id, max(region) AS region,
       max(event_time) FILTER (WHERE kind = 'create') AS created_at, max(actor) FILTER (WHERE kind = 'create') AS created_by,
       max(event_time) FILTER (WHERE kind = 'delete') AS deleted_at,
       count(*) FILTER (WHERE kind = 'create') > 0 AS members_known
FROM named
GROUP BY group_id
