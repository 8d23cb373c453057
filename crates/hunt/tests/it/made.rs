//! Makes records, flow logs and snapshots, and asks hunts about them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use portcullis_domain::policy::Policy;
use portcullis_hunt::engine::Engine;
use portcullis_hunt::hunts::{Hunt, shipped};
use portcullis_hunt::read::{Inputs, Tally, expand};
use portcullis_hunt::show::{Format, Notes, write};
use portcullis_hunt::trail::Wanted;
use portcullis_hunt::world::World;
use serde_json::{Map, Value, json};

pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const REGION: &str = "eu-west-1";

/// 2026-11-20T00:00:00Z, at which everything made begins.
pub(crate) const MIDNIGHT: i64 = 1_795_132_800;

/// A time of that day: `10:00` or `10:00:30`.
pub(crate) fn at(time: &str) -> i64 {
    time.split(':').zip([3600, 60, 1]).map(|(part, unit)| part.parse::<i64>().unwrap() * unit).sum::<i64>() + MIDNIGHT
}

pub(crate) fn iso(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap().to_string()
}

pub(crate) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Two records are the same event only if they say the same.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A record of a successful call to EC2 by ann.
pub(crate) fn call(seconds: i64, name: &str, request: Value, answer: Value) -> Value {
    json!({
        "eventVersion": "1.11", "eventTime": iso(seconds), "eventSource": "ec2.amazonaws.com", "eventName": name,
        "eventID": format!("{name}-{seconds}-{:x}", hash(&(request.to_string(), answer.to_string()))),
        "awsRegion": REGION, "recipientAccountId": ACCOUNT, "sourceIPAddress": "203.0.113.9", "userAgent": "aws-cli/2",
        "userIdentity": {"type": "IAMUser", "userName": "ann", "accountId": ACCOUNT,
            "arn": format!("arn:aws:iam::{ACCOUNT}:user/ann")},
        "requestParameters": request, "responseElements": answer, "readOnly": false,
    })
}

pub(crate) fn items(list: Vec<Value>) -> Value {
    json!({ "items": list })
}

pub(crate) fn create_group(seconds: i64, group: &str) -> Value {
    call(seconds, "CreateSecurityGroup", json!({"groupName": group, "vpcId": "vpc-1"}), json!({"groupId": group}))
}

pub(crate) fn open(seconds: i64, group: &str, rule: &str, ports: (u16, u16), source: &str) -> Value {
    let key = if source.contains(':') { "cidrIpv6" } else { "cidrIpv4" };
    let listed = json!({"groupId": group, "securityGroupRuleId": rule, "isEgress": false, "ipProtocol": "tcp",
        "fromPort": ports.0, "toPort": ports.1, key: source});
    call(
        seconds,
        "AuthorizeSecurityGroupIngress",
        json!({"groupId": group, "ipPermissions": {}, "x": rule}),
        json!({"_return": true, "securityGroupRuleSet": items(vec![listed])}),
    )
}

pub(crate) fn close(seconds: i64, group: &str, rule: &str) -> Value {
    let ids = items(vec![json!({"securityGroupRuleId": rule})]);
    call(
        seconds,
        "RevokeSecurityGroupIngress",
        json!({"groupId": group, "securityGroupRuleIds": ids}),
        json!({"_return": true}),
    )
}

pub(crate) fn modify(seconds: i64, group: &str, rules: Value) -> Value {
    let request = json!({"ModifySecurityGroupRulesRequest": {"GroupId": group, "SecurityGroupRule": rules}});
    call(seconds, "ModifySecurityGroupRules", request, json!({"ModifySecurityGroupRulesResponse": {"return": true}}))
}

pub(crate) fn groups(groups: &[&str]) -> Value {
    items(groups.iter().map(|group| json!({"groupId": group})).collect())
}

pub(crate) fn create_interface(seconds: i64, id: &str, address: &str, of: &[&str]) -> Value {
    let interface =
        json!({"networkInterfaceId": id, "privateIpAddress": address, "groupSet": groups(of), "vpcId": "vpc-1"});
    call(seconds, "CreateNetworkInterface", json!({"subnetId": "subnet-1"}), json!({"networkInterface": interface}))
}

/// A launch with one interface.
pub(crate) fn launch(seconds: i64, instance: &str, tags: Value, (id, address): (&str, &str), of: &[&str]) -> Value {
    let interface = json!({"networkInterfaceId": id, "privateIpAddress": address, "groupSet": groups(of),
        "attachment": {"attachmentId": format!("attach-{id}"), "deviceIndex": 0}});
    let launched = json!({"instanceId": instance, "tagSet": tags, "networkInterfaceSet": items(vec![interface])});
    call(seconds, "RunInstances", json!({"instancesSet": {}}), json!({"instancesSet": items(vec![launched])}))
}

pub(crate) fn set_groups(seconds: i64, interface: &str, of: &[&str]) -> Value {
    let request = json!({"networkInterfaceId": interface, "groupSet": groups(of)});
    call(seconds, "ModifyNetworkInterfaceAttribute", request, json!({"_return": true}))
}

/// What a flow log says in version 2.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) interface: String,
    pub(crate) from: (String, u16),
    pub(crate) to: (String, u16),
    pub(crate) protocol: u8,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) accepted: bool,
    pub(crate) flags: u16,
    pub(crate) ingress: bool,
}

/// Which fields a flow log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Two,
    Three,
    Five,
}

pub(crate) fn header(version: Version) -> String {
    let two = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";
    match version {
        Version::Two => two.to_owned(),
        Version::Three => format!("{two} tcp-flags"),
        Version::Five => format!("{two} tcp-flags flow-direction"),
    }
}

impl Line {
    /// An accepted connection from outside whose beginning the record shows.
    pub(crate) fn new(interface: &str, (src, src_port): (&str, u16), (dst, port): (&str, u16), start: i64) -> Self {
        Self {
            interface: interface.to_owned(),
            from: (src.to_owned(), src_port),
            to: (dst.to_owned(), port),
            protocol: 6,
            start,
            end: start + 50,
            accepted: true,
            flags: 2,
            ingress: true,
        }
    }

    pub(crate) fn text(&self, version: Version) -> String {
        let Self { interface, from, to, protocol, start, end, .. } = self;
        let action = if self.accepted { "ACCEPT" } else { "REJECT" };
        let mut line = format!(
            "2 {ACCOUNT} {interface} {} {} {} {} {protocol} 10 1000 {start} {end} {action} OK",
            from.0, to.0, from.1, to.1
        );
        if version != Version::Two {
            line += &format!(" {}", self.flags);
        }
        if version == Version::Five {
            line += if self.ingress { " ingress" } else { " egress" };
        }
        line
    }
}

pub(crate) fn nodata(version: Version, interface: &str, start: i64, end: i64, word: &str) -> String {
    let more = match version {
        Version::Two => "",
        Version::Three => " -",
        Version::Five => " - -",
    };
    format!("2 {ACCOUNT} {interface} - - - - - - - {start} {end} - {word}{more}")
}

/// A folder of logs.
pub(crate) struct Logs {
    pub(crate) folder: PathBuf,
    files: usize,
}

static FOLDERS: AtomicUsize = AtomicUsize::new(0);

impl Drop for Logs {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Logs {
    pub(crate) fn new() -> Self {
        let n = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("hunt-{}-{n}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self { folder, files: 0 }
    }

    pub(crate) fn file(&mut self, name: &str, bytes: &[u8]) -> &mut Self {
        self.files += 1;
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self
    }

    pub(crate) fn trail(&mut self, records: &[Value]) -> &mut Self {
        let text = json!({ "Records": records }).to_string();
        self.file(&format!("{}.json.gz", self.files), &gzip(text.as_bytes()))
    }

    pub(crate) fn flows(&mut self, version: Version, lines: &[String]) -> &mut Self {
        let text = format!("{}\n{}\n", header(version), lines.join("\n"));
        self.file(&format!("{}.log.gz", self.files), &gzip(text.as_bytes()))
    }

    pub(crate) fn world(&self, threads: usize) -> Arc<World> {
        let (sources, errors) = expand(std::slice::from_ref(&self.folder), None);
        assert_eq!(errors, Vec::<String>::new());
        let inputs = Inputs { sources, tally: Tally::default(), flow_format: None, as_of: Some(at("23:00")), threads };
        Arc::new(World::new(Arc::new(inputs), Wanted::default(), Policy::built_in()))
    }

    /// The rows of a hunt, or of a query.
    pub(crate) fn ask(&self, hunt: &str) -> Vec<Map<String, Value>> {
        self.ask_with(hunt, &[])
    }

    pub(crate) fn ask_with(&self, hunt: &str, given: &[(&str, &str)]) -> Vec<Map<String, Value>> {
        rows(&self.world(2), hunt, given)
    }
}

pub(crate) fn rows(world: &Arc<World>, hunt: &str, given: &[(&str, &str)]) -> Vec<Map<String, Value>> {
    let hunt = shipped().into_iter().find(|known| known.name == hunt).unwrap_or_else(|| Hunt::parse("own", hunt));
    let given: Vec<_> = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let values = hunt.values(&given).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let answer = runtime.block_on(Engine::new(world, 512).unwrap().ask(&hunt.sql, &values)).unwrap();
    let mut text = Vec::new();
    write(Format::Json, (&hunt, &answer, &Notes::default()), 100, &mut text).unwrap();
    String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Some columns of rows, each row as one text.
pub(crate) fn only(rows: &[Map<String, Value>], columns: &[&str]) -> Vec<String> {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    rows.iter().map(|row| columns.iter().map(|column| word(&row[*column])).collect::<Vec<_>>().join(" ")).collect()
}
