SELECT event_time, event_id, account_id, region, user_type,
       coalesce(user_name, CASE user_type WHEN 'Root' THEN 'root' END) AS user_name,
       source_ip, user_agent, succeeded,
       CASE WHEN succeeded AND NOT federated THEN CASE mfa_used WHEN 'Yes' THEN 'Yes' WHEN 'No' THEN 'No' END END AS mfa,
       federated, error_message, day
FROM (SELECT e.*, coalesce(json_extract_scalar(response, '$.ConsoleLogin'), '') = 'Success' AS succeeded,
             json_extract_scalar(additional, '$.MFAUsed') AS mfa_used,
             coalesce(user_type, '') NOT IN ('IAMUser', 'Root')
               OR json_extract_scalar(additional, '$.SamlProviderArn') IS NOT NULL AS federated
      FROM events e WHERE event_name = 'ConsoleLogin')
