//! What a call's parameters and answer say: the group, the rules, the permissions.

use std::{fmt, slice};

use serde_json::{Map, Value};

use super::{Call, ChangedRules, Permission, Resource, excerpt};
use crate::ids::{GroupId, PrefixListId, RuleId, escaped};
use crate::net::{Cidr, Protocol, Source, Traffic};

pub(super) struct Described {
    pub(super) resource: Resource,
    pub(super) changed_rules: ChangedRules,
    pub(super) recorded_rules: Option<Vec<(Option<RuleId>, Permission)>>,
}

type Object = Map<String, Value>;

/// A part of a record that may be left out.
enum Part<'a> {
    Given(&'a Object),
    /// CloudTrail leaves out what is over 100 KB: `{"reason":…,"omitted":true,…}`.
    Omitted,
    Absent,
}

pub(super) fn describe(call: Call, record: &Value) -> Result<Described, String> {
    let request = part(record, "requestParameters")?;
    let response = part(record, "responseElements")?;
    match call {
        Call::Authorize => authorize(&request, &response),
        Call::Modify => modify(&request),
        Call::ModifyPrefixList => prefix_list(&request, &response, "ModifyManagedPrefixList"),
        Call::RestorePrefixList => prefix_list(&request, &response, "RestoreManagedPrefixListVersion"),
        Call::Sweep => Err("a sweep has no record".to_owned()),
    }
}

fn part<'a>(record: &'a Value, name: &str) -> Result<Part<'a>, String> {
    match record.get(name) {
        None | Some(Value::Null) => Ok(Part::Absent),
        Some(Value::Object(fields)) => Ok(match fields.get("omitted") {
            // Bool or string, by what researchers saw; an explicit false is taken at its word.
            Some(Value::Bool(true)) => Part::Omitted,
            Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => Part::Omitted,
            _ => Part::Given(fields),
        }),
        Some(other) => Err(format!("{name} is {}, expected an object", excerpt(other))),
    }
}

fn authorize(request: &Part<'_>, response: &Part<'_>) -> Result<Described, String> {
    let listed = match response {
        Part::Given(fields) => answered_rules(fields)?,
        Part::Omitted | Part::Absent => Vec::new(),
    };
    let (group_id, group_name, asked) = match request {
        Part::Given(fields) => {
            let at = At::Part("requestParameters");
            (at.group_id(fields, "groupId")?, at.text(fields, "groupName")?, asked_permissions(fields)?)
        }
        Part::Absent if listed.is_empty() => {
            return Err("requestParameters is missing, expected what the call asked for".to_owned());
        }
        // The answer alone says everything, if it lists rules.
        Part::Omitted | Part::Absent => (None, None, Asked { permissions: Vec::new(), all: !listed.is_empty() }),
    };
    let answered_group = listed.iter().find_map(|rule| rule.group.clone());
    let resource = match (group_id.or(answered_group), group_name) {
        (Some(id), _) => Resource::Group(id),
        (None, Some(name)) => Resource::GroupName(name.to_owned()),
        (None, None) if matches!(request, Part::Omitted) => Resource::Region,
        (None, None) => return Err("requestParameters has neither groupId nor groupName".to_owned()),
    };
    if asked.permissions.is_empty() && asked.all && listed.is_empty() {
        return Err(
            "requestParameters asks for no permission: neither ipPermissions nor ipProtocol says any".to_owned()
        );
    }
    let recorded_rules = asked.all.then(|| {
        // The answer is canonical and carries the ids. What was asked and is not in it is not let out of sight.
        let answered = listed.iter().map(|rule| (Some(rule.id.clone()), rule.permission.clone()));
        let missing = asked.permissions.iter().filter(|asked| listed.iter().all(|rule| rule.permission != **asked));
        answered.chain(missing.map(|permission| (None, permission.clone()))).collect()
    });
    let changed_rules = if !listed.is_empty() {
        ChangedRules::Rules(listed.into_iter().map(|rule| rule.id).collect())
    } else if asked.all {
        ChangedRules::Permissions(asked.permissions)
    } else {
        ChangedRules::Any
    };
    Ok(Described { resource, changed_rules, recorded_rules })
}

/// What the request asks for, and whether that is all of it.
struct Asked {
    permissions: Vec<Permission>,
    all: bool,
}

/// A rule in the call's answer.
struct Answered {
    id: RuleId,
    group: Option<GroupId>,
    permission: Permission,
}

const PERMISSION_FIELDS: [&str; 7] =
    ["ipProtocol", "fromPort", "toPort", "groups", "ipRanges", "ipv6Ranges", "prefixListIds"];

fn asked_permissions(request: &Object) -> Result<Asked, String> {
    let mut asked = Asked { permissions: Vec::new(), all: true };
    let whole = At::Part("requestParameters");
    let items = whole.field("ipPermissions");
    for (n, item) in list(request.get("ipPermissions"), &items)?.iter().enumerate() {
        let at = items.element(n);
        let fields = object(item, &at)?;
        let traffic = at.traffic(fields, ["ipProtocol", "fromPort", "toPort"])?;
        let mut add = |source| asked.permissions.push(Permission { traffic: traffic.clone(), source });
        for (field, key) in [("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6")] {
            let at = at.field(field);
            for range in list(fields.get(field), &at)? {
                add(at.cidr(object(range, &at)?, key)?);
            }
        }
        let lists = at.field("prefixListIds");
        for list_item in list(fields.get("prefixListIds"), &lists)? {
            add(lists.prefix_list(object(list_item, &lists)?, "prefixListId")?);
        }
        let groups = at.field("groups");
        for group in list(fields.get("groups"), &groups)? {
            add(group_source(object(group, &groups)?, ["groupId", "groupName", "userId"]));
        }
        // A kind of source that this version does not know: the record does not say all.
        let unknown = |(key, value): (&String, &Value)| !PERMISSION_FIELDS.contains(&key.as_str()) && !is_empty(value);
        asked.all &= !fields.iter().any(unknown);
    }
    // The legacy flat form stands beside an empty ipPermissions.
    if request.contains_key("ipProtocol") || request.contains_key("cidrIp") || request.contains_key("cidrIpv6") {
        let traffic = whole.traffic(request, ["ipProtocol", "fromPort", "toPort"])?;
        let mut add = |source| asked.permissions.push(Permission { traffic: traffic.clone(), source });
        let mut any = false;
        for key in ["cidrIp", "cidrIpv6"] {
            if request.contains_key(key) {
                any = true;
                add(whole.cidr(request, key)?);
            }
        }
        let keys = ["sourceSecurityGroupId", "sourceSecurityGroupName", "sourceSecurityGroupOwnerId"];
        if keys.iter().any(|key| request.contains_key(*key)) {
            any = true;
            add(group_source(request, keys));
        }
        asked.all &= any;
    } else if let Some(owner) = request.get("sourceSecurityGroupName") {
        // Without a protocol: all traffic between the groups (EC2 API Reference, SourceSecurityGroupName).
        let traffic = Traffic::new(Protocol::All, None, None);
        asked.permissions.push(Permission { traffic, source: Source::Group(escaped(owner.as_str().unwrap_or("?"))) });
    }
    Ok(asked)
}

fn answered_rules(response: &Object) -> Result<Vec<Answered>, String> {
    let whole = At::Part("responseElements");
    let set = whole.field("securityGroupRuleSet");
    let mut rules = Vec::new();
    for (n, item) in list(response.get("securityGroupRuleSet"), &set)?.iter().enumerate() {
        let at = set.element(n);
        let fields = object(item, &at)?;
        let id = at.rule_id(fields, "securityGroupRuleId")?;
        let traffic = at.traffic(fields, ["ipProtocol", "fromPort", "toPort"])?;
        let source = at.source(fields, ["cidrIpv4", "cidrIpv6", "prefixListId", "referencedGroupInfo"])?;
        rules.push(Answered { id, group: at.group_id(fields, "groupId")?, permission: Permission { traffic, source } });
    }
    Ok(rules)
}

fn modify(request: &Part<'_>) -> Result<Described, String> {
    let outer = match request {
        Part::Given(fields) => *fields,
        Part::Omitted => {
            return Ok(Described {
                resource: Resource::Region,
                changed_rules: ChangedRules::Any,
                recorded_rules: None,
            });
        }
        Part::Absent => return Err("requestParameters is missing, expected what the call asked for".to_owned()),
    };
    let wrapper = "ModifySecurityGroupRulesRequest";
    let whole = At::Part("requestParameters");
    let at = whole.field(wrapper);
    let fields = match outer.get(wrapper) {
        Some(inner) => object(inner, &at)?,
        None => outer,
    };
    let group = at.group_id(fields, "GroupId")?.ok_or_else(|| format!("{at}.GroupId is missing"))?;
    let mut rules = Vec::new();
    let mut recorded_rules = Some(Vec::new());
    let items = at.field("SecurityGroupRule");
    for (n, item) in list(fields.get("SecurityGroupRule"), &items)?.iter().enumerate() {
        let at = items.element(n);
        let outer = object(item, &at)?;
        let id = at.rule_id(outer, "SecurityGroupRuleId")?;
        rules.push(id.clone());
        let at = at.field("SecurityGroupRule");
        let inner = object(outer.get("SecurityGroupRule").unwrap_or(&Value::Null), &at)?;
        let source = at.source(inner, ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"])?;
        // Where only a part was given, a description say, EC2 knows the rest and the record does not.
        if matches!(source, Source::Unknown(_)) || !inner.contains_key("IpProtocol") {
            recorded_rules = None;
        } else if let Some(recorded_rules) = recorded_rules.as_mut() {
            let traffic = at.traffic(inner, ["IpProtocol", "FromPort", "ToPort"])?;
            recorded_rules.push((Some(id), Permission { traffic, source }));
        }
    }
    if rules.is_empty() {
        return Err(format!("{items} names no rule"));
    }
    Ok(Described { resource: Resource::Group(group), changed_rules: ChangedRules::Rules(rules), recorded_rules })
}

/// ModifyManagedPrefixList and RestoreManagedPrefixListVersion. Few records of them have been seen, so their fields are
/// found with and without the wrapper, in the API's spelling and in the one of older calls. A block that cannot be read
/// leaves the list known, and that is what has to be looked at: then any entry may be new.
fn prefix_list(request: &Part<'_>, response: &Part<'_>, call: &str) -> Result<Described, String> {
    let described = |list: PrefixListId, added, restored| {
        let resource = Resource::PrefixList(list.clone());
        Ok(Described {
            resource,
            changed_rules: ChangedRules::PrefixList { list, added, restored },
            recorded_rules: None,
        })
    };
    if let Part::Given(outer) = request {
        let wrapper = format!("{call}Request");
        let whole = At::Part("requestParameters");
        let at = whole.field(&wrapper);
        let fields = outer.get(&wrapper).map_or(Ok(*outer), |inner| object(inner, &at))?;
        let (_, id) =
            field(fields, &["PrefixListId", "prefixListId"]).ok_or_else(|| format!("{at}.PrefixListId is missing"))?;
        let id = id.as_str().ok_or_else(|| format!("{at}.PrefixListId is {}, expected a text", excerpt(id)))?;
        let id = PrefixListId::parse(id).map_err(|error| format!("{at}.PrefixListId: {error}"))?;
        if call == "ModifyManagedPrefixList" {
            return described(id, added_entries(fields), None);
        }
        let version = field(fields, &["PreviousVersion", "previousVersion"]).map(|(_, version)| version);
        let version = version.and_then(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok()));
        return described(id, None, version);
    }
    if let Part::Given(outer) = response {
        let inner = outer.get(&format!("{call}Response")).and_then(Value::as_object).unwrap_or(*outer);
        let list = inner.get("prefixList").and_then(Value::as_object).unwrap_or(inner);
        let id = list.get("prefixListId").and_then(Value::as_str).and_then(|id| PrefixListId::parse(id).ok());
        if let Some(id) = id {
            return described(id, None, None);
        }
    }
    match request {
        // A rule of any group may refer to the list that the record does not name.
        Part::Omitted => {
            Ok(Described { resource: Resource::Region, changed_rules: ChangedRules::Any, recorded_rules: None })
        }
        Part::Given(_) | Part::Absent => {
            Err("requestParameters is missing, expected what the call asked for".to_owned())
        }
    }
}

/// What was added to the list; `None` when that cannot be told.
fn added_entries(fields: &Object) -> Option<Vec<Cidr>> {
    let Some((_, entries)) = field(fields, &["AddEntry", "AddEntries", "addEntry", "addEntries"]) else {
        // Keys that are not known may be another spelling of it.
        let known = ["PrefixListId", "CurrentVersion", "PrefixListName", "RemoveEntry", "MaxEntries", "DryRun"];
        let same = |key: &str| known.iter().any(|known| known.eq_ignore_ascii_case(key));
        let other = |key: &&String| !same(key) && !["RemoveEntries", "removeEntries", "xmlns"].contains(&key.as_str());
        return fields.keys().find(other).is_none().then(Vec::new);
    };
    let entries = list(Some(entries), &At::Part("AddEntry")).ok()?;
    let cidr = |entry: &Value| field(entry.as_object()?, &["Cidr", "cidr"])?.1.as_str()?.parse().ok();
    entries.iter().map(cidr).collect()
}

/// The first of several spellings that is there.
fn field<'a>(fields: &'a Object, spellings: &[&str]) -> Option<(&'a String, &'a Value)> {
    spellings.iter().find_map(|key| fields.get_key_value(*key))
}

/// A list as CloudTrail writes it: `{"items":[…]}`, `{}` when empty; converters also say `item`, leave the brackets off
/// a single element, or write a plain array.
fn list<'a>(value: Option<&'a Value>, at: &At<'_>) -> Result<&'a [Value], String> {
    let elements = match value {
        None | Some(Value::Null) => return Ok(&[]),
        Some(whole @ Value::Object(fields)) => match (fields.get("items"), fields.get("item")) {
            (Some(_), Some(_)) => return Err(format!("{at} has both items and item, expected one of them")),
            (Some(elements), None) | (None, Some(elements)) => elements,
            (None, None) if fields.is_empty() => return Ok(&[]),
            (None, None) => return Ok(slice::from_ref(whole)),
        },
        Some(Value::String(text)) if text.is_empty() => return Ok(&[]),
        Some(other) => other,
    };
    match elements {
        Value::Array(elements) => Ok(elements),
        Value::Object(_) => Ok(slice::from_ref(elements)),
        Value::Null => Ok(&[]),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(format!("{at} is {}, expected a list ({{\"items\":[…]}})", excerpt(elements)))
        }
    }
}

fn object<'a>(value: &'a Value, at: &At<'_>) -> Result<&'a Object, String> {
    value.as_object().ok_or_else(|| format!("{at} is {}, expected an object", excerpt(value)))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn group_source(fields: &Object, keys: [&str; 3]) -> Source {
    let text = keys.iter().find_map(|key| fields.get(*key).and_then(Value::as_str));
    Source::Group(escaped(text.unwrap_or("a security group")))
}

/// A place in the record. Reads the fields of the object there; errors name the place, and only they write it out.
#[derive(Clone, Copy)]
enum At<'a> {
    /// A part of the record.
    Part(&'a str),
    /// A field of an object.
    Field(&'a Self, &'a str),
    /// An element of a list.
    Element(&'a Self, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(name) => f.write_str(name),
            Self::Field(object, name) => write!(f, "{object}.{name}"),
            Self::Element(list, n) => write!(f, "{list}[{n}]"),
        }
    }
}

impl<'a> At<'a> {
    const fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    const fn element(&'a self, n: usize) -> Self {
        Self::Element(self, n)
    }

    fn text<'v>(&self, fields: &'v Object, key: &str) -> Result<Option<&'v str>, String> {
        match fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("{self}.{key} is {}, expected a text", excerpt(other))),
        }
    }

    fn need<'v>(&self, fields: &'v Object, key: &str) -> Result<&'v str, String> {
        self.text(fields, key)?.ok_or_else(|| format!("{self}.{key} is missing"))
    }

    fn group_id(&self, fields: &Object, key: &str) -> Result<Option<GroupId>, String> {
        let parse = |text| GroupId::parse(text).map_err(|error| format!("{self}.{key}: {error}"));
        self.text(fields, key)?.map(parse).transpose()
    }

    fn rule_id(&self, fields: &Object, key: &str) -> Result<RuleId, String> {
        RuleId::parse(self.need(fields, key)?).map_err(|error| format!("{self}.{key}: {error}"))
    }

    fn cidr(&self, fields: &Object, key: &str) -> Result<Source, String> {
        let cidr = self.need(fields, key)?.parse().map_err(|error| format!("{self}.{key}: {error}"))?;
        Ok(Source::Cidr(cidr))
    }

    fn prefix_list(&self, fields: &Object, key: &str) -> Result<Source, String> {
        let id = PrefixListId::parse(self.need(fields, key)?).map_err(|error| format!("{self}.{key}: {error}"))?;
        Ok(Source::PrefixList(id))
    }

    /// A rule's one source, under the keys for IPv4, IPv6, prefix list and security group.
    fn source(&self, fields: &Object, keys: [&str; 4]) -> Result<Source, String> {
        let [v4, v6, prefix_list, group] = keys;
        let given: Vec<&str> = keys.into_iter().filter(|key| !fields.get(*key).is_none_or(is_empty)).collect();
        if let [one, other, ..] = given.as_slice() {
            return Err(format!("{self} has both {one} and {other}, expected a rule's one source"));
        }
        if !fields.get(v4).is_none_or(is_empty) {
            self.cidr(fields, v4)
        } else if !fields.get(v6).is_none_or(is_empty) {
            self.cidr(fields, v6)
        } else if !fields.get(prefix_list).is_none_or(is_empty) {
            self.prefix_list(fields, prefix_list)
        } else {
            Ok(match fields.get(group) {
                Some(Value::String(id)) => Source::Group(escaped(id)),
                Some(Value::Object(info)) => group_source(info, ["groupId", "groupName", "userId"]),
                _ => Source::Unknown("no source that is known".to_owned()),
            })
        }
    }

    /// Protocol and ports; a converter may have turned `"-1"` and `"22"` into numbers, or numbers into texts.
    fn traffic(&self, fields: &Object, [protocol, from, to]: [&str; 3]) -> Result<Traffic, String> {
        let protocol = match fields.get(protocol) {
            Some(Value::String(word)) => Protocol::from(word.as_str()),
            Some(Value::Number(number)) => Protocol::from(number.to_string().as_str()),
            other => {
                let value = other.map_or_else(|| "missing".to_owned(), excerpt);
                let accepted = "expected a protocol such as \"tcp\", \"6\" or \"-1\"";
                return Err(format!("{self}.{protocol} is {value}, {accepted}"));
            }
        };
        Ok(Traffic::new(protocol, self.port(fields, from)?, self.port(fields, to)?))
    }

    fn port(&self, fields: &Object, key: &str) -> Result<Option<i64>, String> {
        let number = match fields.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let found = || excerpt(fields.get(key).unwrap_or(&Value::Null));
        number.map(Some).ok_or_else(|| format!("{self}.{key} is {}, expected a port number", found()))
    }
}
