-- question: Which errors were there, and how often?
-- needs: CloudTrail
-- bars: error_code, calls
SELECT error_code, count(*) AS calls, count(DISTINCT event_name) AS different_calls, count(DISTINCT user_arn) AS callers,
       min(event_time) AS first_seen, max(event_time) AS last_seen
FROM events
WHERE error_code IS NOT NULL
GROUP BY error_code
ORDER BY calls DESC NULLS LAST, error_code
