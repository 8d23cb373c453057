-- question: Who logged in to the console without MFA?
-- needs: CloudTrail
-- note: Logins that another identity provider vouched for are left out: for them CloudTrail always says No.
-- finding: true
-- bars: user_name, without_mfa
SELECT account_id, user_type, user_name, count(*) AS logins, count(*) FILTER (WHERE mfa = 'No') AS without_mfa,
       count(DISTINCT source_ip) AS sources, min(event_time) AS first_seen, max(event_time) AS last_seen
FROM console_logins
WHERE succeeded AND NOT federated
GROUP BY account_id, user_type, user_name
HAVING count(*) FILTER (WHERE mfa = 'No') > 0
ORDER BY without_mfa DESC NULLS LAST, account_id, user_type, user_name
