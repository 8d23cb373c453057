//! The statements that make tables and views for the same questions on Athena, where the logs outgrow one machine.
//!
//! Nobody has run them on Athena yet: they are held to a grammar of Trino, and that is all. They make `events`,
//! `console_logins`, `key_pairs` and `flow_logs`. What follows rules over time has no statement: it is not SQL here either.

use portcullis_delivery::flowlog::{Field, Format};

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
}

/// All statements, each ended by a semicolon.
#[must_use]
pub fn statements(place: &Place) -> String {
    let mut all = vec![cloudtrail(place), flow_logs(place)];
    for (name, query) in views(&place.flow_format, place.flow_files) {
        all.push(format!("CREATE OR REPLACE VIEW {name} AS\n{query};\n"));
    }
    all.join("\n")
}

/// The views, by name, with their queries. They have the columns of the tables here. `day` is a partition: a query must bound
/// it, or Athena reads everything.
#[must_use]
pub fn views(format: &Format, files: FlowFiles) -> Vec<(&'static str, String)> {
    let of_trail = VIEWS.iter().map(|(name, query)| (*name, query.trim_end().to_owned()));
    of_trail.chain([("flow_logs", flow_view(format, files))]).collect()
}

/// The views over CloudTrail.
const VIEWS: [(&str, &str); 3] = [
    ("events", include_str!("ddl/events.sql")),
    ("console_logins", include_str!("ddl/console_logins.sql")),
    ("key_pairs", include_str!("ddl/key_pairs.sql")),
];

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
{}
  'storage.location.template' = '{base}${{account}}/CloudTrail/${{aws_region}}/${{day}}'
);
",
        projection(place)
    )
}

/// The types of the fields of a record (User Guide, "Flow log records").
fn kind(name: &str, files: FlowFiles) -> &'static str {
    match name {
        "version" | "srcport" | "dstport" | "protocol" | "tcp-flags" => "int",
        "traffic-path" if files == FlowFiles::Parquet => "int",
        "packets" | "bytes" | "start" | "end" => "bigint",
        _ => "string",
    }
}

/// The columns of text are in the order of the format, because it is read by position; those of Parquet are read by name.
fn flow_logs(place: &Place) -> String {
    let base = place.flow_location.trim_end_matches('/');
    let column = |name: &&str| format!("  `{}` {}", name.replace('-', "_"), kind(name, place.flow_files));
    let columns: Vec<String> = place.flow_format.names().iter().map(column).collect();
    let (read_as, skip) = match place.flow_files {
        FlowFiles::Text => ("ROW FORMAT DELIMITED FIELDS TERMINATED BY ' '", "  'skip.header.line.count' = '1',\n"),
        FlowFiles::Parquet => (
            "ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'",
            "",
        ),
    };
    format!(
        "CREATE EXTERNAL TABLE vpc_flow_logs (
{}
)
PARTITIONED BY (account string, aws_region string, day string)
{read_as}
LOCATION '{base}/AWSLogs/'
TBLPROPERTIES (
{skip}{}
  'storage.location.template' = '{base}/AWSLogs/${{account}}/vpcflowlogs/${{aws_region}}/${{day}}'
);
",
        columns.join(",\n"),
        projection(place)
    )
}

/// The columns of `flow_logs` that are fields of a record. What the format lacks is NULL.
const FLOW_COLUMNS: [(&str, Field, &str); 24] = [
    ("account_id", Field::AccountId, "varchar"),
    ("interface_id", Field::InterfaceId, "varchar"),
    ("src_addr", Field::SrcAddr, "varchar"),
    ("dst_addr", Field::DstAddr, "varchar"),
    ("src_port", Field::SrcPort, "integer"),
    ("dst_port", Field::DstPort, "integer"),
    ("protocol", Field::Protocol, "integer"),
    ("packets", Field::Packets, "bigint"),
    ("bytes", Field::Bytes, "bigint"),
    ("action", Field::Action, "varchar"),
    ("tcp_flags", Field::TcpFlags, "integer"),
    ("pkt_src_addr", Field::PktSrcAddr, "varchar"),
    ("pkt_dst_addr", Field::PktDstAddr, "varchar"),
    ("instance_id", Field::InstanceId, "varchar"),
    ("vpc_id", Field::VpcId, "varchar"),
    ("subnet_id", Field::SubnetId, "varchar"),
    ("region", Field::Region, "varchar"),
    ("az_id", Field::AzId, "varchar"),
    ("flow_direction", Field::FlowDirection, "varchar"),
    ("traffic_path", Field::TrafficPath, "varchar"),
    ("src_service", Field::PktSrcAwsService, "varchar"),
    ("dst_service", Field::PktDstAwsService, "varchar"),
    ("reject_reason", Field::RejectReason, "varchar"),
    ("type", Field::Type, "varchar"),
];

fn flow_view(format: &Format, files: FlowFiles) -> String {
    let time = |field: &str| format!("CAST(from_unixtime(\"{field}\") AT TIME ZONE 'UTC' AS timestamp(3))");
    let mut columns = vec![format!("{} AS start_time", time("start")), format!("{} AS end_time", time("end"))];
    for (column, field, wanted) in FLOW_COLUMNS {
        let name = field.name();
        let value = match (format.has(field), wanted) {
            (false, _) => format!("CAST(NULL AS {wanted})"),
            (true, "varchar") if kind(name, files) == "string" => format!("nullif({}, '-')", name.replace('-', "_")),
            (true, _) if kind(name, files) == "int" && wanted == "varchar" => {
                format!("CAST({} AS varchar)", name.replace('-', "_"))
            }
            (true, _) => name.replace('-', "_"),
        };
        columns.push(if value == column { value } else { format!("{value} AS {column}") });
    }
    let status = if format.has(Field::LogStatus) { "coalesce(nullif(log_status, '-'), 'OK')" } else { "'OK'" };
    columns.extend([format!("{status} AS log_status"), "day".to_owned()]);
    format!("SELECT {}\nFROM vpc_flow_logs", columns.join(",\n       "))
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
}
