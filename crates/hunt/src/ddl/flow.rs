//! The table and the view of flow logs.

use portcullis_delivery::flowlog::{Field, Format};

use super::{FlowFiles, FlowFolders, Place, days, places};

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
pub(super) fn table(place: &Place) -> String {
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
    let (keys, projected, folders) = partitions(place);
    format!(
        "CREATE EXTERNAL TABLE vpc_flow_logs (
{}
)
PARTITIONED BY (account string, aws_region string, {keys})
{read_as}
LOCATION '{base}/AWSLogs/'
TBLPROPERTIES (
{skip}{}{projected}  'storage.location.template' = '{base}/AWSLogs/{folders}'
);
",
        columns.join(",\n"),
        places(place),
    )
}

/// The partitions of time: their keys, how their values are found, and the folders.
fn partitions(place: &Place) -> (&'static str, String, String) {
    let FlowFolders { hive, hours } = place.flow_folders;
    let whole = |key: &str, range: &str, digits: u8| {
        format!(
            "  'projection.{key}.type' = 'integer',
  'projection.{key}.range' = '{range}',
  'projection.{key}.digits' = '{digits}',
"
        )
    };
    let mut keys = if hive { "year string, month string, date_of_month string" } else { "day string" };
    let mut projected = if hive {
        let since = place.since.get(..4).unwrap_or("2020");
        [whole("year", &format!("{since},2040"), 4), whole("month", "1,12", 2), whole("date_of_month", "1,31", 2)]
            .concat()
    } else {
        days(place)
    };
    let mut folders = if hive {
        "aws-account-id=${account}/aws-service=vpcflowlogs/aws-region=${aws_region}/year=${year}/month=${month}/day=${date_of_month}"
    } else {
        "${account}/vpcflowlogs/${aws_region}/${day}"
    }
    .to_owned();
    if hours {
        keys = if hive {
            "year string, month string, date_of_month string, hour string"
        } else {
            "day string, hour string"
        };
        projected += &whole("hour", "0,23", 2);
        folders += if hive { "/hour=${hour}" } else { "/${hour}" };
    }
    (keys, projected, folders)
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

pub(super) fn view(format: &Format, files: FlowFiles, folders: FlowFolders) -> String {
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
    columns.push(format!("{status} AS log_status"));
    columns.extend(who_began(format, status));
    // The keys of the folders are there for those who bound them; all others bound the day.
    let day = if folders.hive {
        "year || '/' || month || '/' || date_of_month AS day, year, month, date_of_month"
    } else {
        "day"
    };
    columns.push(day.to_owned());
    columns.extend(folders.hours.then(|| "hour".to_owned()));
    format!("SELECT {}\nFROM vpc_flow_logs", columns.join(",\n       "))
}

/// Which way the traffic went and who began. Without `${flow-direction}` only the addresses of interfaces would say it.
fn who_began(format: &Format, status: &str) -> [String; 2] {
    if !format.has(Field::FlowDirection) {
        let began = format!("CASE WHEN {status} = 'OK' THEN 'unknown' END AS initiator");
        return ["CAST(NULL AS varchar) AS direction".to_owned(), began];
    }
    let is = |flags: u8| format!("bitwise_and(tcp_flags, 18) = {flags}");
    let began = match format.has(Field::TcpFlags) && format.has(Field::Protocol) {
        false => "'unknown'".to_owned(),
        true => format!(
            "CASE WHEN protocol <> 6 OR tcp_flags IS NULL THEN 'unknown'
            WHEN flow_direction = 'ingress' AND {} OR flow_direction = 'egress' AND {} THEN 'remote'
            WHEN flow_direction = 'ingress' AND {} OR flow_direction = 'egress' AND {} THEN 'local' ELSE 'unknown' END",
            is(2),
            is(18),
            is(18),
            is(2)
        ),
    };
    [
        format!(
            "CASE WHEN {status} = 'OK' AND flow_direction IN ('ingress', 'egress') THEN flow_direction END AS direction"
        ),
        format!("CASE WHEN {status} = 'OK' THEN {began} END AS initiator"),
    ]
}
