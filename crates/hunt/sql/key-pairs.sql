-- question: Who made, imported and deleted key pairs?
-- needs: CloudTrail
SELECT event_time, account_id, region, action, key_name, key_pair_id, fingerprint, user_name, source_ip, error_code, event_id
FROM key_pairs
ORDER BY event_time NULLS LAST, event_id
