SELECT event_time, event_id, account_id, region,
       CASE event_name WHEN 'CreateKeyPair' THEN 'create' WHEN 'ImportKeyPair' THEN 'import' ELSE 'delete' END AS action,
       coalesce(json_extract_scalar(response, '$.keyName'), json_extract_scalar(request, '$.keyName')) AS key_name,
       coalesce(json_extract_scalar(response, '$.keyPairId'), json_extract_scalar(request, '$.keyPairId')) AS key_pair_id,
       json_extract_scalar(response, '$.keyFingerprint') AS fingerprint,
       user_name, source_ip, error_code, day
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND event_name IN ('CreateKeyPair', 'ImportKeyPair', 'DeleteKeyPair')
