CREATE OR REPLACE VIEW events AS
SELECT CAST(from_iso8601_timestamp(eventtime) AT TIME ZONE 'UTC' AS timestamp(3)) AS event_time,
       eventid AS event_id,
       coalesce(recipientaccountid, useridentity.accountid) AS account_id,
       awsregion AS region,
       eventsource AS event_source,
       eventname AS event_name,
       eventtype AS event_type,
       readonly = 'true' AS read_only,
       useridentity.type AS user_type,
       coalesce(useridentity.username, useridentity.sessioncontext.sessionissuer.username,
                regexp_extract(useridentity.arn, '[^/:]+$'), useridentity.invokedby) AS user_name,
       useridentity.arn AS user_arn,
       useridentity.principalid AS principal_id,
       useridentity.accesskeyid AS access_key_id,
       useridentity.invokedby AS invoked_by,
       CASE useridentity.sessioncontext.attributes.mfaauthenticated WHEN 'true' THEN 'Yes' WHEN 'false' THEN 'No' END AS mfa,
       sourceipaddress AS source_ip,
       useragent AS user_agent,
       errorcode AS error_code,
       errormessage AS error_message,
       requestparameters AS request,
       responseelements AS response,
       additionaleventdata AS additional,
       vpcendpointid AS vpc_endpoint_id,
       day
FROM (SELECT t.*, row_number() OVER (PARTITION BY recipientaccountid, eventid ORDER BY eventtime) AS copy FROM cloudtrail t)
WHERE copy = 1;

CREATE OR REPLACE VIEW console_logins AS
SELECT event_time, event_id, account_id, region, user_type,
       coalesce(user_name, CASE user_type WHEN 'Root' THEN 'root' END) AS user_name,
       source_ip, user_agent, succeeded,
       CASE WHEN succeeded AND NOT federated THEN CASE mfa_used WHEN 'Yes' THEN 'Yes' WHEN 'No' THEN 'No' END END AS mfa,
       federated, error_message, day
FROM (SELECT e.*, coalesce(json_extract_scalar(response, '$.ConsoleLogin'), '') = 'Success' AS succeeded,
             json_extract_scalar(additional, '$.MFAUsed') AS mfa_used,
             coalesce(user_type, '') NOT IN ('IAMUser', 'Root')
               OR json_extract_scalar(additional, '$.SamlProviderArn') IS NOT NULL AS federated
      FROM events e WHERE event_name = 'ConsoleLogin');

CREATE OR REPLACE VIEW key_pairs AS
SELECT event_time, event_id, account_id, region,
       CASE event_name WHEN 'CreateKeyPair' THEN 'create' WHEN 'ImportKeyPair' THEN 'import' ELSE 'delete' END AS action,
       coalesce(json_extract_scalar(response, '$.keyName'), json_extract_scalar(request, '$.keyName')) AS key_name,
       coalesce(json_extract_scalar(response, '$.keyPairId'), json_extract_scalar(request, '$.keyPairId')) AS key_pair_id,
       json_extract_scalar(response, '$.keyFingerprint') AS fingerprint,
       user_name, source_ip, error_code, day
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND event_name IN ('CreateKeyPair', 'ImportKeyPair', 'DeleteKeyPair');

CREATE OR REPLACE VIEW flow_logs AS
SELECT CAST(from_unixtime("start") AT TIME ZONE 'UTC' AS timestamp(3)) AS start_time,
       CAST(from_unixtime("end") AT TIME ZONE 'UTC' AS timestamp(3)) AS end_time,
       nullif(account_id, '-') AS account_id,
       nullif(interface_id, '-') AS interface_id,
       nullif(srcaddr, '-') AS src_addr,
       nullif(dstaddr, '-') AS dst_addr,
       srcport AS src_port,
       dstport AS dst_port,
       protocol,
       packets,
       bytes,
       nullif(action, '-') AS action,
       log_status,
       day
FROM vpc_flow_logs;
