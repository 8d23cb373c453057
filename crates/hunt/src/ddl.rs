//! The statements that make tables and views for the same questions on Athena, where the logs outgrow one machine.
//!
//! Nobody has run them on Athena yet: they are held to a grammar of Trino, and their rows, in another engine, to the rows here.
//! They make the tables of records and flow logs, and of what rules and interfaces were over time. What the guard judges, and
//! which rule admitted which traffic, has no statement: it is not SQL here either.

mod flow;

use portcullis_delivery::flowlog::Format;

/// How the folders of CloudTrail's log files lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// The trail of an account: `AWSLogs/ACCOUNT/`.
    Account,
    /// The trail of an organisation: `AWSLogs/o-…/ACCOUNT/`.
    Organisation(String),
    /// The trail of an organisation that Control Tower made, since version 3.0 of its landing zone:
    /// `o-…/AWSLogs/o-…/ACCOUNT/`.
    ControlTower(String),
}

/// How flow logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FlowFiles {
    /// As text.
    Text,
    /// As Parquet.
    Parquet,
}

/// Where the logs are, and of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `s3://bucket/prefix`, up to and without `AWSLogs`; with Control Tower, without the organisation.
    pub location: String,
    /// The folders below it.
    pub layout: Layout,
    /// The accounts.
    pub accounts: Vec<String>,
    /// The Regions.
    pub regions: Vec<String>,
    /// The first day, `2026/01/01`.
    pub since: String,
    /// Where the flow logs are, up to and without `AWSLogs`.
    pub flow_location: String,
    /// The format of the flow logs. It has `start` and `end`.
    pub flow_format: Format,
    /// How they are written.
    pub flow_files: FlowFiles,
    /// How their folders lie.
    pub flow_folders: FlowFolders,
}

/// How the folders of flow logs lie (CreateFlowLogs, `DestinationOptions`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlowFolders {
    /// `HiveCompatiblePartitions`: `aws-account-id=…/aws-service=vpcflowlogs/aws-region=…/year=…/month=…/day=…`.
    pub hive: bool,
    /// `PerHourPartition`: a folder for each hour in that of the day.
    pub hours: bool,
}

/// All statements, each ended by a semicolon.
#[must_use]
pub fn statements(place: &Place) -> String {
    let mut all = vec![cloudtrail(place), flow::table(place)];
    for (name, query) in views(&place.flow_format, place.flow_files, place.flow_folders) {
        all.push(format!("CREATE OR REPLACE VIEW {name} AS\n{query};\n"));
    }
    all.push(KEPT.to_owned());
    all.join("\n")
}

/// Athena puts in a view wherever it is named, and these are named more than once, at last over all of CloudTrail.
const KEPT: &str = "\
-- Athena puts in a view wherever it is named: rule_changes comes to 120 scans of all of CloudTrail, group_changes to 836, each with
-- its own stages, and it may refuse that many (QUERY_HAS_TOO_MANY_STAGES). Tables of the views that are named more than once are
-- small, and leave 22 and 4 scans of such tables. They hold what had been delivered when they were made. One after the other, for
-- each NAME of ec2_calls, rule_facts, instance_interfaces, memberships:
--   CREATE TABLE kept_NAME WITH (format = 'PARQUET') AS SELECT * FROM NAME
--   DROP VIEW NAME
--   CREATE VIEW NAME AS SELECT * FROM kept_NAME
";

/// The views, by name, with their queries. They have the columns of the tables here. `day` is a partition: a query must bound
/// it, or Athena reads everything.
#[must_use]
pub fn views(format: &Format, files: FlowFiles, folders: FlowFolders) -> Vec<(&'static str, String)> {
    let text = |(name, query): &(&'static str, &'static str)| (*name, query.trim_end().to_owned());
    let of_flows = [("flow_logs", flow::view(format, files, folders))];
    VIEWS.iter().map(text).chain(of_flows).chain(FOLLOWED.iter().map(text)).collect()
}

/// The views over CloudTrail.
const VIEWS: [(&str, &str); 3] = [
    ("events", include_str!("ddl/events.sql")),
    ("console_logins", include_str!("ddl/console_logins.sql")),
    ("key_pairs", include_str!("ddl/key_pairs.sql")),
];

/// The views of what rules and interfaces were over time, each after those that it reads.
pub(crate) const FOLLOWED: [(&str, &str); 12] = [
    ("ec2_calls", include_str!("ddl/lives/ec2_calls.sql")),
    ("rule_facts", include_str!("ddl/lives/rule_facts.sql")),
    ("group_facts", include_str!("ddl/lives/group_facts.sql")),
    ("security_groups", include_str!("ddl/lives/security_groups.sql")),
    ("sg_rules", include_str!("ddl/lives/sg_rules.sql")),
    ("rule_changes", include_str!("ddl/lives/rule_changes.sql")),
    ("interface_facts", include_str!("ddl/lives/interface_facts.sql")),
    ("instance_interfaces", include_str!("ddl/lives/instance_interfaces.sql")),
    ("memberships", include_str!("ddl/lives/memberships.sql")),
    ("interface_groups", include_str!("ddl/lives/interface_groups.sql")),
    ("group_changes", include_str!("ddl/lives/group_changes.sql")),
    ("coverage", COVERAGE),
];

/// The view of what flow logs cover. A query that is bounded in time has its own copy of it, over its own bounded flow logs.
pub(crate) const COVERAGE: &str = include_str!("ddl/lives/coverage.sql");

/// Account and Region are partitions everywhere.
fn places(place: &Place) -> String {
    format!(
        "  'projection.enabled' = 'true',
  'projection.account.type' = 'enum',
  'projection.account.values' = '{}',
  'projection.aws_region.type' = 'enum',
  'projection.aws_region.values' = '{}',
",
        place.accounts.join(","),
        place.regions.join(",")
    )
}

fn days(place: &Place) -> String {
    format!(
        "  'projection.day.type' = 'date',
  'projection.day.format' = 'yyyy/MM/dd',
  'projection.day.interval' = '1',
  'projection.day.interval.unit' = 'DAYS',
  'projection.day.range' = '{},NOW',
",
        place.since
    )
}

/// The columns are those of AWS's own statement (CloudTrail User Guide, "Create the table for CloudTrail logs in Athena").
fn cloudtrail(place: &Place) -> String {
    let base = place.location.trim_end_matches('/');
    let base = match &place.layout {
        Layout::Account => format!("{base}/AWSLogs/"),
        Layout::Organisation(id) => format!("{base}/AWSLogs/{id}/"),
        Layout::ControlTower(id) => format!("{base}/{id}/AWSLogs/{id}/"),
    };
    format!(
        "CREATE EXTERNAL TABLE cloudtrail (
  eventversion string,
  useridentity struct<type:string,principalid:string,arn:string,accountid:string,invokedby:string,accesskeyid:string,username:string,sessioncontext:struct<attributes:struct<mfaauthenticated:string,creationdate:string>,sessionissuer:struct<type:string,principalid:string,arn:string,accountid:string,username:string>>>,
  eventtime string,
  eventsource string,
  eventname string,
  awsregion string,
  sourceipaddress string,
  useragent string,
  errorcode string,
  errormessage string,
  requestparameters string,
  responseelements string,
  additionaleventdata string,
  requestid string,
  eventid string,
  readonly string,
  eventtype string,
  recipientaccountid string,
  vpcendpointid string
)
PARTITIONED BY (account string, aws_region string, day string)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION '{base}'
TBLPROPERTIES (
{}{}  'storage.location.template' = '{base}${{account}}/CloudTrail/${{aws_region}}/${{day}}'
);
",
        places(place),
        days(place)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(layout: Layout) -> Place {
        Place {
            location: "s3://logs/prefix/".to_owned(),
            layout,
            accounts: vec!["111122223333".to_owned(), "444455556666".to_owned()],
            regions: vec!["eu-west-1".to_owned()],
            since: "2026/01/01".to_owned(),
            flow_location: "s3://flows".to_owned(),
            flow_format: Format::parse("${version} ${interface-id} ${tcp-flags} ${traffic-path} ${start} ${end}")
                .unwrap(),
            flow_files: FlowFiles::Text,
            flow_folders: FlowFolders::default(),
        }
    }

    #[test]
    fn the_layout_is_that_of_an_account_an_organisation_or_control_tower() {
        let organisation = || "o-1".to_owned();
        for (layout, folder) in [
            (Layout::Account, "s3://logs/prefix/AWSLogs/"),
            (Layout::Organisation(organisation()), "s3://logs/prefix/AWSLogs/o-1/"),
            (Layout::ControlTower(organisation()), "s3://logs/prefix/o-1/AWSLogs/o-1/"),
        ] {
            let all = statements(&place(layout));
            assert!(all.contains(&format!("LOCATION '{folder}'")), "{all}");
            assert!(all.contains(&format!("'{folder}${{account}}/CloudTrail/${{aws_region}}/${{day}}'")), "{all}");
            assert!(all.contains("'s3://flows/AWSLogs/${account}/vpcflowlogs/${aws_region}/${day}'"), "{all}");
            assert!(all.contains("'projection.account.values' = '111122223333,444455556666'"));
        }
    }

    #[test]
    fn the_columns_of_flow_logs_are_those_of_their_format() {
        let mut place = place(Layout::Account);
        let text = statements(&place);
        assert!(text.contains("(\n  `version` int,\n  `interface_id` string,\n  `tcp_flags` int,\n  `traffic_path` string,\n  `start` bigint,\n  `end` bigint\n)"), "{text}");
        assert!(text.contains("FIELDS TERMINATED BY ' '") && text.contains("'skip.header.line.count' = '1'"));
        assert!(text.contains("nullif(interface_id, '-') AS interface_id"), "{text}");
        assert!(text.contains("       tcp_flags,\n") && text.contains("CAST(NULL AS varchar) AS src_addr"), "{text}");
        assert!(text.contains("nullif(traffic_path, '-') AS traffic_path"));
        place.flow_files = FlowFiles::Parquet;
        let parquet = statements(&place);
        assert!(parquet.contains("  `traffic_path` int,") && parquet.contains("MapredParquetInputFormat"), "{parquet}");
        assert!(parquet.contains("CAST(traffic_path AS varchar) AS traffic_path"), "{parquet}");
        assert!(!parquet.contains("skip.header"));
    }

    /// Trino moves a condition below a window function only if it is about what the function is partitioned by.
    #[test]
    fn a_condition_on_the_day_reaches_the_table() {
        assert!(statements(&place(Layout::Account)).contains("OVER (PARTITION BY day, recipientaccountid, eventid "));
    }

    #[test]
    fn views_that_are_named_more_than_once_can_be_kept_as_tables() {
        let all = statements(&place(Layout::Account));
        let (views, said) = all.rsplit_once(";\n").unwrap();
        assert!(said.lines().all(|line| line.is_empty() || line.starts_with("--")), "{said}");
        let (_, named) = said.split_once("NAME of ").unwrap();
        for name in named.split_once(':').unwrap().0.split(", ") {
            assert!(views.contains(&format!("VIEW {name} AS\n")), "{name}");
            assert!(views.matches(&format!(" {name} ")).count() > 2, "{name} is named once");
        }
    }

    /// Times are whole seconds: two lives of a rule may begin in one.
    #[test]
    fn the_lives_of_a_rule_are_ordered_by_their_place() {
        let (_, changes) = FOLLOWED.iter().find(|(name, _)| *name == "rule_changes").unwrap();
        let by_place = changes.matches(" OVER (PARTITION BY rule_id ORDER BY n)").count();
        assert_eq!((by_place, changes.matches(" OVER (").count()), (5, 5), "{changes}");
    }

    #[test]
    fn the_folders_of_flow_logs_are_those_that_their_options_make() {
        let text =
            |hive, hours| statements(&Place { flow_folders: FlowFolders { hive, hours }, ..place(Layout::Account) });
        for (hive, hours, folders) in [
            (false, false, "${account}/vpcflowlogs/${aws_region}/${day}'"),
            (false, true, "${account}/vpcflowlogs/${aws_region}/${day}/${hour}'"),
            (
                true,
                false,
                "aws-account-id=${account}/aws-service=vpcflowlogs/aws-region=${aws_region}/year=${year}/month=${month}/day=${date_of_month}'",
            ),
            (true, true, "aws-region=${aws_region}/year=${year}/month=${month}/day=${date_of_month}/hour=${hour}'"),
        ] {
            let text = text(hive, hours);
            assert!(text.contains(folders), "{text}");
            assert_eq!(
                text.contains("'projection.hour.range' = '0,23',\n  'projection.hour.digits' = '2'"),
                hours,
                "{text}"
            );
            assert_eq!(text.contains("'projection.year.range' = '2026,2040'"), hive, "{text}");
            assert_eq!(text.contains("'projection.month.range' = '1,12',\n  'projection.month.digits' = '2'"), hive);
            assert_eq!(text.contains("year || '/' || month || '/' || date_of_month AS day"), hive);
            // Every key has a projection and a place in the template, or Athena refuses the table.
            let (_, table) = text.split_once("CREATE EXTERNAL TABLE vpc_flow_logs").unwrap();
            let keys = table.split_once("PARTITIONED BY (").unwrap().1.split_once(')').unwrap().0;
            for key in keys.split(", ").map(|key| key.split(' ').next().unwrap()) {
                assert!(
                    table.contains(&format!("'projection.{key}.type'")) && table.contains(&format!("${{{key}}}")),
                    "{key}"
                );
            }
        }
    }

    #[test]
    fn the_direction_is_told_where_the_format_has_it_and_null_elsewhere() {
        let with = |format: &str| Place { flow_format: Format::parse(format).unwrap(), ..place(Layout::Account) };
        let all = statements(&with("${protocol} ${tcp-flags} ${flow-direction} ${start} ${end}"));
        assert!(
            all.contains("flow_direction END AS direction") && all.contains("bitwise_and(tcp_flags, 18) = 2"),
            "{all}"
        );
        let without = statements(&with("${start} ${end}"));
        assert!(!without.contains("flow_direction END AS direction"));
        for column in ["CAST(NULL AS varchar) AS direction", "'unknown' END AS initiator"] {
            assert!(without.contains(column), "ssh-attempts asks for it: {without}");
        }
    }
}
