//! What a call's parameters and answer say: the group, the rules, the permissions.

use serde_json::{Map, Value};

use super::{Call, Claim, Permission, Subject, excerpt};
use crate::ids::{GroupId, PrefixListId, RuleId, shown};
use crate::net::{Cidr, Protocol, Source, Traffic};

pub(super) struct Described {
    pub(super) subject: Subject,
    pub(super) claim: Claim,
    pub(super) says: Option<Vec<(Option<RuleId>, Permission)>>,
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
            let at = At("requestParameters");
            (at.group_id(fields, "groupId")?, at.text(fields, "groupName")?, asked_permissions(fields)?)
        }
        Part::Absent if listed.is_empty() => {
            return Err("requestParameters is missing, expected what the call asked for".to_owned());
        }
        // The answer alone says everything, if it lists rules.
        Part::Omitted | Part::Absent => (None, None, Asked { permissions: Vec::new(), all: !listed.is_empty() }),
    };
    let answered_group = listed.iter().find_map(|rule| rule.group.clone());
    let subject = match (group_id.or(answered_group), group_name) {
        (Some(id), _) => Subject::Group(id),
        (None, Some(name)) => Subject::GroupName(name.to_owned()),
        (None, None) if matches!(request, Part::Omitted) => Subject::Region,
        (None, None) => return Err("requestParameters has neither groupId nor groupName".to_owned()),
    };
    if asked.permissions.is_empty() && asked.all && listed.is_empty() {
        return Err(
            "requestParameters asks for no permission: neither ipPermissions nor ipProtocol says any".to_owned()
        );
    }
    let says = asked.all.then(|| {
        // The answer is canonical and carries the ids. What was asked and is not in it is not let out of sight.
        let answered = listed.iter().map(|rule| (Some(rule.id.clone()), rule.permission.clone()));
        let missing = asked.permissions.iter().filter(|asked| listed.iter().all(|rule| rule.permission != **asked));
        answered.chain(missing.map(|permission| (None, permission.clone()))).collect()
    });
    let claim = if !listed.is_empty() {
        Claim::Rules(listed.into_iter().map(|rule| rule.id).collect())
    } else if asked.all {
        Claim::Permissions(asked.permissions)
    } else {
        Claim::Any
    };
    Ok(Described { subject, claim, says })
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
    for (n, item) in list(request.get("ipPermissions"), "requestParameters.ipPermissions")?.into_iter().enumerate() {
        let place = format!("requestParameters.ipPermissions[{n}]");
        let fields = object(item, &place)?;
        let at = At(&place);
        let traffic = at.traffic(fields, ["ipProtocol", "fromPort", "toPort"])?;
        let mut add = |source| asked.permissions.push(Permission { traffic: traffic.clone(), source });
        let of = |field: &str| format!("{place}.{field}");
        for (field, key) in [("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6")] {
            let place = of(field);
            for range in list(fields.get(field), &place)? {
                add(At(&place).cidr(object(range, &place)?, key)?);
            }
        }
        let place = of("prefixListIds");
        for list_item in list(fields.get("prefixListIds"), &place)? {
            add(At(&place).prefix_list(object(list_item, &place)?, "prefixListId")?);
        }
        let place = of("groups");
        for group in list(fields.get("groups"), &place)? {
            add(group_source(object(group, &place)?, ["groupId", "groupName", "userId"]));
        }
        // A kind of source that this version does not know: the record does not say all.
        let unknown = |(key, value): (&String, &Value)| !PERMISSION_FIELDS.contains(&key.as_str()) && !is_empty(value);
        asked.all &= !fields.iter().any(unknown);
    }
    // The legacy flat form stands beside an empty ipPermissions.
    if request.contains_key("ipProtocol") || request.contains_key("cidrIp") || request.contains_key("cidrIpv6") {
        let at = At("requestParameters");
        let traffic = at.traffic(request, ["ipProtocol", "fromPort", "toPort"])?;
        let mut add = |source| asked.permissions.push(Permission { traffic: traffic.clone(), source });
        let mut any = false;
        for key in ["cidrIp", "cidrIpv6"] {
            if request.contains_key(key) {
                any = true;
                add(at.cidr(request, key)?);
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
        asked.permissions.push(Permission { traffic, source: Source::Group(shown(owner.as_str().unwrap_or("?"))) });
    }
    Ok(asked)
}

fn answered_rules(response: &Object) -> Result<Vec<Answered>, String> {
    let place = "responseElements.securityGroupRuleSet";
    let mut rules = Vec::new();
    for (n, item) in list(response.get("securityGroupRuleSet"), place)?.into_iter().enumerate() {
        let place = format!("{place}[{n}]");
        let fields = object(item, &place)?;
        let at = At(&place);
        let id = at.need(fields, "securityGroupRuleId")?;
        let id = RuleId::parse(id).map_err(|error| format!("{place}.securityGroupRuleId: {error}"))?;
        let traffic = at.traffic(fields, ["ipProtocol", "fromPort", "toPort"])?;
        let source = at.source(fields, ["cidrIpv4", "cidrIpv6", "prefixListId", "referencedGroupInfo"])?;
        rules.push(Answered { id, group: at.group_id(fields, "groupId")?, permission: Permission { traffic, source } });
    }
    Ok(rules)
}

fn modify(request: &Part<'_>) -> Result<Described, String> {
    let outer = match request {
        Part::Given(fields) => *fields,
        Part::Omitted => return Ok(Described { subject: Subject::Region, claim: Claim::Any, says: None }),
        Part::Absent => return Err("requestParameters is missing, expected what the call asked for".to_owned()),
    };
    let wrapper = "ModifySecurityGroupRulesRequest";
    let place = format!("requestParameters.{wrapper}");
    let fields = match outer.get(wrapper) {
        Some(inner) => object(inner, &place)?,
        None => outer,
    };
    let at = At(&place);
    let group = at.group_id(fields, "GroupId")?.ok_or_else(|| format!("{place}.GroupId is missing"))?;
    let mut rules = Vec::new();
    let mut says = Some(Vec::new());
    for (n, item) in
        list(fields.get("SecurityGroupRule"), &format!("{place}.SecurityGroupRule"))?.into_iter().enumerate()
    {
        let place = format!("{place}.SecurityGroupRule[{n}]");
        let outer = object(item, &place)?;
        let id = At(&place).need(outer, "SecurityGroupRuleId")?;
        let id = RuleId::parse(id).map_err(|error| format!("{place}.SecurityGroupRuleId: {error}"))?;
        rules.push(id.clone());
        let place = format!("{place}.SecurityGroupRule");
        let inner = object(outer.get("SecurityGroupRule").unwrap_or(&Value::Null), &place)?;
        let at = At(&place);
        let source = at.source(inner, ["CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupId"])?;
        // Where only a part was given, a description say, EC2 knows the rest and the record does not.
        if matches!(source, Source::Unknown(_)) || !inner.contains_key("IpProtocol") {
            says = None;
        } else if let Some(says) = says.as_mut() {
            let traffic = at.traffic(inner, ["IpProtocol", "FromPort", "ToPort"])?;
            says.push((Some(id), Permission { traffic, source }));
        }
    }
    if rules.is_empty() {
        return Err(format!("{place}.SecurityGroupRule names no rule"));
    }
    Ok(Described { subject: Subject::Group(group), claim: Claim::Rules(rules), says })
}

/// ModifyManagedPrefixList and RestoreManagedPrefixListVersion. Few records of them have been seen, so their fields are
/// found with and without the wrapper, in the API's spelling and in the one of older calls. A block that cannot be read
/// leaves the list known, and that is what has to be looked at: then any entry may be new.
fn prefix_list(request: &Part<'_>, response: &Part<'_>, call: &str) -> Result<Described, String> {
    let described = |list: PrefixListId, added, restored| {
        let subject = Subject::PrefixList(list.clone());
        Ok(Described { subject, claim: Claim::PrefixList { list, added, restored }, says: None })
    };
    if let Part::Given(outer) = request {
        let wrapper = format!("{call}Request");
        let place = format!("requestParameters.{wrapper}");
        let fields = outer.get(&wrapper).map_or(Ok(*outer), |inner| object(inner, &place))?;
        let (_, id) = field(fields, &["PrefixListId", "prefixListId"])
            .ok_or_else(|| format!("{place}.PrefixListId is missing"))?;
        let id = id.as_str().ok_or_else(|| format!("{place}.PrefixListId is {}, expected a text", excerpt(id)))?;
        let id = PrefixListId::parse(id).map_err(|error| format!("{place}.PrefixListId: {error}"))?;
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
        Part::Omitted => Ok(Described { subject: Subject::Region, claim: Claim::Any, says: None }),
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
    let entries = list(Some(entries), "AddEntry").ok()?;
    let cidr = |entry: &Value| field(entry.as_object()?, &["Cidr", "cidr"])?.1.as_str()?.parse().ok();
    entries.into_iter().map(cidr).collect()
}

/// The first of several spellings that is there.
fn field<'a>(fields: &'a Object, spellings: &[&str]) -> Option<(&'a String, &'a Value)> {
    spellings.iter().find_map(|key| fields.get_key_value(*key))
}

/// A list as CloudTrail writes it: `{"items":[…]}`, `{}` when empty; converters also say `item`, leave the brackets off
/// a single element, or write a plain array.
fn list<'a>(value: Option<&'a Value>, place: &str) -> Result<Vec<&'a Value>, String> {
    let elements = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(fields)) => match (fields.get("items"), fields.get("item")) {
            (Some(_), Some(_)) => return Err(format!("{place} has both items and item, expected one of them")),
            (Some(elements), None) | (None, Some(elements)) => elements,
            (None, None) if fields.is_empty() => return Ok(Vec::new()),
            (None, None) => return Ok(value.into_iter().collect()),
        },
        Some(Value::String(text)) if text.is_empty() => return Ok(Vec::new()),
        Some(other) => other,
    };
    match elements {
        Value::Array(elements) => Ok(elements.iter().collect()),
        Value::Object(_) => Ok(vec![elements]),
        Value::Null => Ok(Vec::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(format!("{place} is {}, expected a list ({{\"items\":[…]}})", excerpt(elements)))
        }
    }
}

fn object<'a>(value: &'a Value, place: &str) -> Result<&'a Object, String> {
    value.as_object().ok_or_else(|| format!("{place} is {}, expected an object", excerpt(value)))
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
    Source::Group(shown(text.unwrap_or("a security group")))
}

/// Reads fields of the object at a place in the record, which its errors name.
struct At<'a>(&'a str);

impl At<'_> {
    fn text<'v>(&self, fields: &'v Object, key: &str) -> Result<Option<&'v str>, String> {
        match fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("{}.{key} is {}, expected a text", self.0, excerpt(other))),
        }
    }

    fn need<'v>(&self, fields: &'v Object, key: &str) -> Result<&'v str, String> {
        self.text(fields, key)?.ok_or_else(|| format!("{}.{key} is missing", self.0))
    }

    fn group_id(&self, fields: &Object, key: &str) -> Result<Option<GroupId>, String> {
        let parse = |text| GroupId::parse(text).map_err(|error| format!("{}.{key}: {error}", self.0));
        self.text(fields, key)?.map(parse).transpose()
    }

    fn cidr(&self, fields: &Object, key: &str) -> Result<Source, String> {
        let cidr = self.need(fields, key)?.parse().map_err(|error| format!("{}.{key}: {error}", self.0))?;
        Ok(Source::Cidr(cidr))
    }

    fn prefix_list(&self, fields: &Object, key: &str) -> Result<Source, String> {
        let id = PrefixListId::parse(self.need(fields, key)?).map_err(|error| format!("{}.{key}: {error}", self.0))?;
        Ok(Source::PrefixList(id))
    }

    /// A rule's one source, under the keys for IPv4, IPv6, prefix list and security group.
    fn source(&self, fields: &Object, keys: [&str; 4]) -> Result<Source, String> {
        let [v4, v6, prefix_list, group] = keys;
        let given: Vec<&str> = keys.into_iter().filter(|key| !fields.get(*key).is_none_or(is_empty)).collect();
        if let [one, other, ..] = given.as_slice() {
            return Err(format!("{} has both {one} and {other}, expected a rule's one source", self.0));
        }
        if !fields.get(v4).is_none_or(is_empty) {
            self.cidr(fields, v4)
        } else if !fields.get(v6).is_none_or(is_empty) {
            self.cidr(fields, v6)
        } else if !fields.get(prefix_list).is_none_or(is_empty) {
            self.prefix_list(fields, prefix_list)
        } else {
            Ok(match fields.get(group) {
                Some(Value::String(id)) => Source::Group(shown(id)),
                Some(Value::Object(info)) => group_source(info, ["groupId", "groupName", "userId"]),
                _ => Source::Unknown("no source that is known".to_owned()),
            })
        }
    }

    /// Protocol and ports; a converter may have turned `"-1"` and `"22"` into numbers, or numbers into texts.
    fn traffic(&self, fields: &Object, [protocol, from, to]: [&str; 3]) -> Result<Traffic, String> {
        let word = match fields.get(protocol) {
            Some(Value::String(word)) => word.clone(),
            Some(Value::Number(number)) => number.to_string(),
            other => {
                let value = other.map_or_else(|| "missing".to_owned(), excerpt);
                let accepted = "expected a protocol such as \"tcp\", \"6\" or \"-1\"";
                return Err(format!("{}.{protocol} is {value}, {accepted}", self.0));
            }
        };
        Ok(Traffic::new(Protocol::from(word.as_str()), self.port(fields, from)?, self.port(fields, to)?))
    }

    fn port(&self, fields: &Object, key: &str) -> Result<Option<i64>, String> {
        let number = match fields.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let found = || excerpt(fields.get(key).unwrap_or(&Value::Null));
        number.map(Some).ok_or_else(|| format!("{}.{key} is {}, expected a port number", self.0, found()))
    }
}
