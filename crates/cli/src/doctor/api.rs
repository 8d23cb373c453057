//! Every call that the doctor makes, with the permission that it needs. All of them only read.

/// A call of AWS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Api {
    /// The call, as AWS names it.
    pub call: &'static str,
    /// What IAM calls the permission for it. They differ where the call's name says another thing than its permission.
    pub permission: &'static str,
}

macro_rules! calls {
    ($($name:ident $call:literal $permission:literal;)*) => {
        $(pub(super) const $name: Api = Api { call: $call, permission: $permission };)*
        /// All of them.
        pub const ALL: &[Api] = &[$($name),*];
    };
}

calls! {
    DESCRIBE_STACKS "DescribeStacks" "cloudformation:DescribeStacks";
    LIST_STACK_RESOURCES "ListStackResources" "cloudformation:ListStackResources";
    DESCRIBE_TRAILS "DescribeTrails" "cloudtrail:DescribeTrails";
    GET_EVENT_SELECTORS "GetEventSelectors" "cloudtrail:GetEventSelectors";
    GET_TRAIL_STATUS "GetTrailStatus" "cloudtrail:GetTrailStatus";
    DESCRIBE_ALARMS "DescribeAlarms" "cloudwatch:DescribeAlarms";
    GET_METRIC_DATA "GetMetricData" "cloudwatch:GetMetricData";
    DESCRIBE_TABLE "DescribeTable" "dynamodb:DescribeTable";
    GET_ITEM "GetItem" "dynamodb:GetItem";
    DESCRIBE_REGIONS "DescribeRegions" "ec2:DescribeRegions";
    DESCRIBE_RULES "DescribeSecurityGroupRules" "ec2:DescribeSecurityGroupRules";
    DESCRIBE_EVENT_BUS "DescribeEventBus" "events:DescribeEventBus";
    LIST_RULES "ListRules" "events:ListRules";
    LIST_TARGETS "ListTargetsByRule" "events:ListTargetsByRule";
    GET_CONCURRENCY "GetFunctionConcurrency" "lambda:GetFunctionConcurrency";
    GET_CONFIGURATION "GetFunctionConfiguration" "lambda:GetFunctionConfiguration";
    GET_POLICY "GetPolicy" "lambda:GetPolicy";
    LIST_MAPPINGS "ListEventSourceMappings" "lambda:ListEventSourceMappings";
    FILTER_LOG_EVENTS "FilterLogEvents" "logs:FilterLogEvents";
    LIST_ACCOUNTS "ListAccounts" "organizations:ListAccounts";
    GET_NOTIFICATION "GetBucketNotificationConfiguration" "s3:GetBucketNotification";
    GET_OBJECT "GetObject" "s3:GetObject";
    HEAD_BUCKET "HeadBucket" "s3:ListBucket";
    GET_SCHEDULE_GROUP "GetScheduleGroup" "scheduler:GetScheduleGroup";
    LIST_SCHEDULES "ListSchedules" "scheduler:ListSchedules";
    LIST_SUBSCRIPTIONS "ListSubscriptionsByTopic" "sns:ListSubscriptionsByTopic";
    GET_QUEUE_ATTRIBUTES "GetQueueAttributes" "sqs:GetQueueAttributes";
    ASSUME_ROLE "AssumeRole" "sts:AssumeRole";
    GET_CALLER "GetCallerIdentity" "sts:GetCallerIdentity";
}
