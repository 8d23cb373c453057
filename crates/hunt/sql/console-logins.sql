-- question: Who logged in to the console, and with MFA?
-- needs: CloudTrail
-- note: mfa is not known for logins that another identity provider vouched for, and for those that failed.
-- bars: user_name, logins
SELECT account_id, user_type, user_name, federated, count(*) FILTER (WHERE succeeded) AS logins,
       count(*) FILTER (WHERE mfa = 'Yes') AS with_mfa, count(*) FILTER (WHERE mfa = 'No') AS without_mfa,
       count(*) FILTER (WHERE NOT succeeded) AS failed, count(DISTINCT source_ip) AS sources,
       min(event_time) AS first_seen, max(event_time) AS last_seen
FROM console_logins
GROUP BY account_id, user_type, user_name, federated
ORDER BY logins DESC NULLS LAST, account_id, user_type, user_name, federated
