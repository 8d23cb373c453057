//! The statements that make tables and views for the same questions on Athena, where the logs outgrow one machine.
//!
//! Nobody has run them on Athena yet: they are held to a grammar of Trino, and that is all. They make `events`,
//! `console_logins`, `key_pairs` and `flow_logs`. What follows rules over time has no statement: it is not SQL here either.

use portcullis_delivery::flowlog::Format;

/// Where the logs are, and of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `s3://bucket/prefix`, up to and without `AWSLogs`.
    pub location: String,
    /// The organisation's id, if it is an organisation's trail.
    pub organisation: Option<String>,
    /// The accounts.
    pub accounts: Vec<String>,
    /// The Regions.
    pub regions: Vec<String>,
    /// The first day, `2026/01/01`.
    pub since: String,
    /// The format of the flow logs.
    pub flow_format: Format,
}

/// All statements, each ended by a semicolon.
#[must_use]
pub fn statements(place: &Place) -> String {
    [cloudtrail(place), flow_logs(place), VIEWS.to_owned()].join("\n")
}

fn projection(place: &Place) -> String {
    format!(
        "  'projection.enabled' = 'true',
  'projection.account.type' = 'enum',
  'projection.account.values' = '{}',
  'projection.aws_region.type' = 'enum',
  'projection.aws_region.values' = '{}',
  'projection.day.type' = 'date',
  'projection.day.format' = 'yyyy/MM/dd',
  'projection.day.interval' = '1',
  'projection.day.interval.unit' = 'DAYS',
  'projection.day.range' = '{},NOW',",
        place.accounts.join(","),
        place.regions.join(","),
        place.since
    )
}

/// The columns are those of AWS's own statement (CloudTrail User Guide, "Create the table for CloudTrail logs in Athena").
fn cloudtrail(place: &Place) -> String {
    let organisation = place.organisation.as_ref().map(|id| format!("{id}/")).unwrap_or_default();
    let base = place.location.trim_end_matches('/');
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
LOCATION '{base}/AWSLogs/{organisation}'
TBLPROPERTIES (
{}
  'storage.location.template' = '{base}/AWSLogs/{organisation}${{account}}/CloudTrail/${{aws_region}}/${{day}}'
);
",
        projection(place)
    )
}

/// The columns are in the order of the format: the files are read by position.
fn flow_logs(place: &Place) -> String {
    let base = place.location.trim_end_matches('/');
    let number = |name: &str| match name {
        "version" | "srcport" | "dstport" | "protocol" | "tcp-flags" => "int",
        "packets" | "bytes" | "start" | "end" => "bigint",
        _ => "string",
    };
    let columns: Vec<String> = place
        .flow_format
        .names()
        .iter()
        .map(|name| format!("  `{}` {}", name.replace('-', "_"), number(name)))
        .collect();
    format!(
        "CREATE EXTERNAL TABLE vpc_flow_logs (
{}
)
PARTITIONED BY (account string, aws_region string, day string)
ROW FORMAT DELIMITED FIELDS TERMINATED BY ' '
LOCATION '{base}/AWSLogs/'
TBLPROPERTIES (
  'skip.header.line.count' = '1',
{}
  'storage.location.template' = '{base}/AWSLogs/${{account}}/vpcflowlogs/${{aws_region}}/${{day}}'
);
",
        columns.join(",\n"),
        projection(place)
    )
}

/// The same columns as the tables here have. `day` is a partition: a query must bound it, or Athena reads everything.
const VIEWS: &str = include_str!("ddl.sql");

#[cfg(test)]
mod tests {
    use super::*;

    fn place(organisation: Option<&str>) -> Place {
        Place {
            location: "s3://logs/prefix/".to_owned(),
            organisation: organisation.map(str::to_owned),
            accounts: vec!["111122223333".to_owned(), "444455556666".to_owned()],
            regions: vec!["eu-west-1".to_owned()],
            since: "2026/01/01".to_owned(),
            flow_format: Format::parse("${version} ${interface-id} ${tcp-flags} ${start} ${end}").unwrap(),
        }
    }

    #[test]
    fn the_layout_is_that_of_an_account_or_of_an_organisation() {
        let own = statements(&place(None));
        assert!(own.contains("'s3://logs/prefix/AWSLogs/${account}/CloudTrail/${aws_region}/${day}'"), "{own}");
        let of_all = statements(&place(Some("o-1")));
        assert!(
            of_all.contains("'s3://logs/prefix/AWSLogs/o-1/${account}/CloudTrail/${aws_region}/${day}'"),
            "{of_all}"
        );
        assert!(of_all.contains("'projection.account.values' = '111122223333,444455556666'"));
    }

    #[test]
    fn the_columns_of_flow_logs_are_in_the_order_of_their_format() {
        let all = statements(&place(None));
        assert!(all.contains("(\n  `version` int,\n  `interface_id` string,\n  `tcp_flags` int,\n  `start` bigint,\n  `end` bigint\n)"), "{all}");
    }
}
