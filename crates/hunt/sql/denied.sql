-- question: Which calls were denied?
-- needs: CloudTrail
-- note: Each service has its own word for it: EC2 says Client.UnauthorizedOperation, others AccessDenied or the like.
-- bars: event_name, calls
SELECT account_id, region, event_source, event_name, error_code, user_name, source_ip, user_agent, count(*) AS calls,
       min(event_time) AS first_seen, max(event_time) AS last_seen, min(error_message) AS message
FROM events
WHERE error_code IS NOT NULL
  AND (error_code LIKE '%AccessDenied%' OR error_code LIKE '%UnauthorizedOperation%'
    OR error_code LIKE '%UnauthorizedAccess%' OR error_code LIKE '%NotAuthorized%' OR error_code LIKE '%AuthFailure%'
    OR error_code LIKE '%Forbidden%')
GROUP BY account_id, region, event_source, event_name, error_code, user_name, source_ip, user_agent
ORDER BY calls DESC NULLS LAST, account_id, region, event_source, event_name, error_code, user_name, source_ip, user_agent
