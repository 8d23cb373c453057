-- question: Who did what, where and when?
-- needs: CloudTrail
-- param: user = ''; only this user, or this ARN
-- param: ip = ''; only this source address
-- param: call = ''; only this call, such as RunInstances
SELECT event_time, account_id, region, user_name, user_type, event_source, event_name, error_code, source_ip, user_agent,
       event_id
FROM events
WHERE ($user = '' OR user_name = $user OR user_arn = $user)
  AND ($ip = '' OR source_ip = $ip)
  AND ($call = '' OR event_name = $call)
ORDER BY event_time NULLS LAST, event_id
