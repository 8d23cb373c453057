//! `flow_logs`, the records, and `rule_flows`, what they may be due to.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use portcullis_delivery::flowlog::{Field, Flow, Row};
use portcullis_domain::net::{AddressSet, Cidr, public_addresses};

use super::attribute::{Attributor, Initiator};
use super::compiled::{hex, key};
use super::{is_wanted, may_hold_flows, read};
use crate::rows::{Cell, Column, Kind, Rows, schema};
use crate::scan;
use crate::world::World;

/// The columns of `flow_logs`.
pub const FLOWS: [Column; 33] = [
    ("start_time", Kind::Time),
    ("end_time", Kind::Time),
    ("account_id", Kind::Text),
    ("interface_id", Kind::Text),
    ("src_addr", Kind::Text),
    ("dst_addr", Kind::Text),
    ("src_port", Kind::Int),
    ("dst_port", Kind::Int),
    ("protocol", Kind::Int),
    ("packets", Kind::Long),
    ("bytes", Kind::Long),
    ("action", Kind::Text),
    ("log_status", Kind::Text),
    ("direction", Kind::Text),
    ("initiator", Kind::Text),
    ("tcp_flags", Kind::Int),
    ("pkt_src_addr", Kind::Text),
    ("pkt_dst_addr", Kind::Text),
    ("src_key", Kind::Text),
    ("dst_key", Kind::Text),
    ("instance_id", Kind::Text),
    ("vpc_id", Kind::Text),
    ("subnet_id", Kind::Text),
    ("region", Kind::Text),
    ("az_id", Kind::Text),
    ("flow_direction", Kind::Text),
    ("traffic_path", Kind::Text),
    ("src_service", Kind::Text),
    ("dst_service", Kind::Text),
    ("reject_reason", Kind::Text),
    ("src_is_public", Kind::Bool),
    ("version", Kind::Int),
    ("type", Kind::Text),
];

/// What a record is found to be, which the record does not say itself.
#[derive(Default)]
struct Found {
    direction: Option<&'static str>,
    initiator: Option<&'static str>,
    src_key: Option<String>,
    dst_key: Option<String>,
}

impl Found {
    fn of(flow: &Flow<'_>, attributor: Option<&Attributor>, wants: [bool; 2]) -> Self {
        let way = attributor.filter(|_| flow.row == Row::Traffic).map(|known| known.way(flow));
        let [src, dst] = wants;
        let key_of = |wanted: bool, address: Option<std::net::IpAddr>| address.filter(|_| wanted).map(|a| hex(key(a)));
        Self {
            direction: way.and_then(|way| way.as_str()),
            initiator: way.map(|way| Attributor::initiator(way, flow).as_str()),
            src_key: key_of(src, flow.src),
            dst_key: key_of(dst, flow.dst),
        }
    }
}

fn is_public(address: std::net::IpAddr) -> bool {
    let block: Option<Cidr> = format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }).parse().ok();
    block.is_some_and(|block| {
        let public = public_addresses(block.family());
        !AddressSet::from_cidrs(block.family(), [&block]).intersection(public).is_empty()
    })
}

/// The field whose text a column has, if that is all it has.
const fn field(column: usize) -> Option<Field> {
    Some(match column {
        2 => Field::AccountId,
        3 => Field::InterfaceId,
        4 => Field::SrcAddr,
        5 => Field::DstAddr,
        11 => Field::Action,
        16 => Field::PktSrcAddr,
        17 => Field::PktDstAddr,
        20 => Field::InstanceId,
        21 => Field::VpcId,
        22 => Field::SubnetId,
        23 => Field::Region,
        24 => Field::AzId,
        25 => Field::FlowDirection,
        26 => Field::TrafficPath,
        27 => Field::PktSrcAwsService,
        28 => Field::PktDstAwsService,
        29 => Field::RejectReason,
        32 => Field::Type,
        _ => return None,
    })
}

fn cell<'a>(flow: &Flow<'a>, found: &'a Found, column: usize) -> Cell<'a> {
    match column {
        0 => Cell::Time(flow.start),
        1 => Cell::Time(flow.end),
        6 => flow.src_port.map(i64::from).into(),
        7 => flow.dst_port.map(i64::from).into(),
        8 => flow.protocol.map(i64::from).into(),
        9 => flow.packets.into(),
        10 => flow.bytes.into(),
        12 => Cell::Text(match flow.row {
            Row::Traffic => "OK",
            Row::NoData => "NODATA",
            Row::SkipData => "SKIPDATA",
        }),
        13 => found.direction.into(),
        14 => found.initiator.into(),
        15 => flow.tcp_flags.map(i64::from).into(),
        18 => found.src_key.as_deref().into(),
        19 => found.dst_key.as_deref().into(),
        30 => flow.src.map_or(Cell::Null, |address| Cell::Bool(is_public(address))),
        31 => flow.text(Field::Version).and_then(|version| version.parse::<i64>().ok()).into(),
        text => field(text).and_then(|field| flow.text(field)).into(),
    }
}

/// `flow_logs`.
pub struct FlowTable {
    world: Arc<World>,
}

impl fmt::Debug for FlowTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flow_logs")
    }
}

impl FlowTable {
    /// The table over the files of a hunt.
    #[must_use]
    pub fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

/// What a column must be: one of some values. A record that has none there is left out.
enum Wanted {
    Text(usize, Vec<String>),
    Number(usize, Vec<i64>),
}

impl Wanted {
    /// What a filter says, if this is all it says.
    fn of(filter: &Expr) -> Option<Self> {
        let (column, values) = match filter {
            Expr::BinaryExpr(both) if both.op == Operator::Eq => match (&*both.left, &*both.right) {
                (Expr::Column(column), value) | (value, Expr::Column(column)) => (column, std::slice::from_ref(value)),
                _ => return None,
            },
            Expr::InList(list) if !list.negated => match &*list.expr {
                Expr::Column(column) => (column, list.list.as_slice()),
                _ => return None,
            },
            _ => return None,
        };
        let n = FLOWS.iter().position(|(name, _)| *name == column.name)?;
        match FLOWS.get(n)?.1 {
            Kind::Text => values.iter().map(text).collect::<Option<_>>().map(|texts| Self::Text(n, texts)),
            Kind::Int | Kind::Long => {
                values.iter().map(number).collect::<Option<_>>().map(|numbers| Self::Number(n, numbers))
            }
            Kind::Bool | Kind::Time => None,
        }
    }

    const fn column(&self) -> usize {
        match self {
            Self::Text(n, _) | Self::Number(n, _) => *n,
        }
    }

    #[inline]
    fn is_met(&self, flow: &Flow<'_>, found: &Found) -> bool {
        match self {
            Self::Text(column, texts) => match field(*column) {
                // A text that is empty is none.
                Some(field) => {
                    let own = flow.raw(field);
                    !own.is_empty() && texts.iter().any(|text| text.as_bytes() == own)
                }
                None => match cell(flow, found, *column) {
                    Cell::Text(own) => texts.iter().any(|text| text == own),
                    _ => false,
                },
            },
            Self::Number(column, numbers) => match cell(flow, found, *column) {
                Cell::Number(own) => numbers.contains(&own),
                _ => false,
            },
        }
    }
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::Literal(ScalarValue::Utf8(text) | ScalarValue::Utf8View(text), _) => text.clone(),
        _ => None,
    }
}

fn number(value: &Expr) -> Option<i64> {
    match value {
        Expr::Literal(ScalarValue::Int32(number), _) => number.map(i64::from),
        Expr::Literal(ScalarValue::Int64(number), _) => *number,
        _ => None,
    }
}

/// The plan of a scan of the flow logs: `add` makes the rows of each record within the window.
fn each_flow(
    world: Arc<World>,
    (columns, projection): (&'static [Column], Option<&Vec<usize>>),
    add: impl Fn(&Flow<'_>, &mut Rows) + Send + Sync + 'static,
) -> Result<Arc<dyn ExecutionPlan>> {
    let dealt = world.inputs.dealt(|source| may_hold_flows(source.kind));
    world.inputs.fetch_ahead(|source| is_wanted(source, &world.window));
    let read: Arc<scan::Read> = Arc::new(move |file, scratch, rows: &mut Rows, emit| {
        let nothing = rows.another();
        let each = |rows: &mut Rows, flow: &Flow<'_>| {
            if world.has_flow(flow.start, flow.end) {
                add(flow, rows);
            }
            !rows.is_full() || emit(rows)
        };
        let others = read((&world.inputs, file, &world.window), scratch, rows, || nothing.another(), each);
        for mut rows in others.into_iter().filter(|rows| !rows.is_empty()) {
            emit(&mut rows);
        }
    });
    scan::plan(columns, projection, dealt, read)
}

/// The columns for which what is known of interfaces is needed.
const NEED_KNOWLEDGE: [usize; 2] = [13, 14];
/// The columns of [`Found`].
const FOUND: [usize; 4] = [13, 14, 18, 19];

#[async_trait]
impl TableProvider for FlowTable {
    fn schema(&self) -> SchemaRef {
        schema(&FLOWS)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let is_understood = |filter: &&Expr| match Wanted::of(filter) {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(is_understood).collect())
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let filters = filters.iter().filter_map(Wanted::of);
        // What is found is found only of what the record's own fields leave.
        let (of_found, of_fields): (Vec<_>, Vec<_>) = filters.partition(|filter| FOUND.contains(&filter.column()));
        let is_needed = |n: &usize| {
            projection.is_none_or(|columns| columns.contains(n)) || of_found.iter().any(|filter| filter.column() == *n)
        };
        let world = Arc::clone(&self.world);
        let attributor = NEED_KNOWLEDGE.iter().any(is_needed).then(|| world.attributor());
        let keys = [is_needed(&18), is_needed(&19)];
        each_flow(world, (&FLOWS, projection), move |flow, rows| {
            let nothing = Found::default();
            if !of_fields.iter().all(|filter| filter.is_met(flow, &nothing)) {
                return;
            }
            let found = Found::of(flow, attributor.as_deref(), keys);
            if of_found.iter().all(|filter| filter.is_met(flow, &found)) {
                rows.push(|column| cell(flow, &found, column));
            }
        })
    }
}

/// The columns of `rule_flows`: a row for each record and rule that may have let it pass; for a record that no known rule
/// admits, one row without a rule.
pub const RULE_FLOWS: [Column; 21] = [
    ("start_time", Kind::Time),
    ("end_time", Kind::Time),
    ("account_id", Kind::Text),
    ("interface_id", Kind::Text),
    ("instance_id", Kind::Text),
    ("instance_name", Kind::Text),
    ("src_addr", Kind::Text),
    ("dst_addr", Kind::Text),
    ("src_port", Kind::Int),
    ("dst_port", Kind::Int),
    ("protocol", Kind::Int),
    ("packets", Kind::Long),
    ("bytes", Kind::Long),
    ("direction", Kind::Text),
    ("initiator", Kind::Text),
    ("life", Kind::Long),
    ("phase", Kind::Text),
    ("certain", Kind::Bool),
    ("candidates", Kind::Int),
    ("doubt", Kind::Text),
    ("groups_known", Kind::Bool),
];

/// `rule_flows`.
pub struct RuleFlowTable {
    world: Arc<World>,
}

impl fmt::Debug for RuleFlowTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rule_flows")
    }
}

impl RuleFlowTable {
    /// The table over the files of a hunt.
    #[must_use]
    pub fn new(world: Arc<World>) -> Self {
        Self { world }
    }
}

#[async_trait]
impl TableProvider for RuleFlowTable {
    fn schema(&self) -> SchemaRef {
        schema(&RULE_FLOWS)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let attributor = self.world.attributor();
        let world = Arc::clone(&self.world);
        each_flow(world, (&RULE_FLOWS, projection), move |flow, rows| rule_flows(flow, &attributor, rows))
    }
}

fn rule_flows(flow: &Flow<'_>, attributor: &Attributor, rows: &mut Rows) {
    let Some(due) = attributor.attribute(flow) else { return };
    let instance = attributor.instance(flow);
    let count = due.candidates.len();
    let open = due.candidates.iter().map(|life| (Some(*life), "open"));
    // A connection that begins after the rule was closed is none that the rule let in.
    let goes_on = due.initiator != Initiator::Remote;
    let after = due.closed.iter().filter(|_| goes_on).map(|life| (Some(*life), "after"));
    let nobody = (count == 0).then_some((None, "none"));
    for (life, phase) in open.chain(after).chain(nobody) {
        rows.push(|column| match column {
            0 => Cell::Time(flow.start),
            1 => Cell::Time(flow.end),
            2 => flow.text(Field::AccountId).into(),
            3 => flow.text(Field::InterfaceId).into(),
            4 => instance.map(|(id, _)| id).or(flow.text(Field::InstanceId)).into(),
            5 => instance.and_then(|(_, name)| name).into(),
            6 => flow.text(Field::SrcAddr).into(),
            7 => flow.text(Field::DstAddr).into(),
            8 => flow.src_port.map(i64::from).into(),
            9 => flow.dst_port.map(i64::from).into(),
            10 => flow.protocol.map(i64::from).into(),
            11 => flow.packets.into(),
            12 => flow.bytes.into(),
            13 => due.way.as_str().into(),
            14 => due.initiator.as_str().into(),
            15 => life.and_then(|life| i64::try_from(life).ok()).into(),
            16 => phase.into(),
            17 => (due.doubt.is_none() && phase == "open").into(),
            18 => i64::try_from(count).ok().into(),
            19 => due.doubt.into(),
            20 => due.groups_are_known.into(),
            _ => Cell::Null,
        });
    }
}
