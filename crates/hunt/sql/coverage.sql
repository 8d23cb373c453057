-- question: Which times of which interface do the flow logs cover?
-- needs: flow logs
-- note: Only where all of a time is covered can the logs show that something did not happen.
-- timeline: from_time, to_time
SELECT interface_id, status, from_time, to_time, records, accepted, groups_known
FROM coverage
ORDER BY interface_id, from_time NULLS FIRST, status
