//! Reads the parts and fields of a record. An error names the field, the value and what is accepted.

use std::{fmt, slice};

use super::excerpt;
use crate::ids::{GroupId, PrefixListId, RuleId};
use crate::json::{Json, Object};
use crate::rule::{Protocol, Source, Traffic};
use crate::text::escaped;

/// A part of a record, which CloudTrail may omit.
pub(super) enum Part<'a> {
    Given(&'a Object<'a>),
    /// CloudTrail omits a part above 100 KB: `{"reason":…,"omitted":true,…}`.
    Omitted,
    Absent,
    /// It is there, and is no object.
    Unread,
}

pub(super) fn part<'a>(record: &'a Json<'_>, name: &str) -> Result<Part<'a>, String> {
    match record.get(name) {
        None | Some(Json::Null) => Ok(Part::Absent),
        Some(Json::Object(fields)) => Ok(match fields.get("omitted") {
            // Researchers have seen both a bool and a string. An explicit false means that nothing was omitted.
            Some(Json::Bool(true)) => Part::Omitted,
            Some(Json::String(word)) if word.eq_ignore_ascii_case("true") => Part::Omitted,
            _ => Part::Given(fields),
        }),
        Some(other) => Err(format!("{name} is {}, expected an object", excerpt(other))),
    }
}

/// The first of several spellings that the object has.
pub(super) fn field<'a>(fields: &'a Object<'_>, spellings: &[&str]) -> Option<&'a Json<'a>> {
    spellings.iter().find_map(|key| fields.get(key))
}

/// A list as CloudTrail writes it: `{"items":[…]}`, or `{}` when empty. Converters also write `item`, drop the brackets
/// around a single element, or write a plain array.
pub(super) fn list<'a>(value: Option<&'a Json<'_>>, at: &At<'_>) -> Result<&'a [Json<'a>], String> {
    let elements = match value {
        None | Some(Json::Null) => return Ok(&[]),
        Some(whole @ Json::Object(fields)) => match (fields.get("items"), fields.get("item")) {
            (Some(_), Some(_)) => return Err(format!("{at} has both items and item, expected one of them")),
            (Some(elements), None) | (None, Some(elements)) => elements,
            (None, None) if fields.is_empty() => return Ok(&[]),
            (None, None) => return Ok(slice::from_ref(whole)),
        },
        Some(Json::String(text)) if text.is_empty() => return Ok(&[]),
        Some(other) => other,
    };
    match elements {
        Json::Array(elements) => Ok(elements),
        Json::Object(_) => Ok(slice::from_ref(elements)),
        Json::Null => Ok(&[]),
        Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            Err(format!("{at} is {}, expected a list ({{\"items\":[…]}})", excerpt(elements)))
        }
    }
}

pub(super) fn object<'a>(value: &'a Json<'_>, at: &At<'_>) -> Result<&'a Object<'a>, String> {
    value.as_object().ok_or_else(|| format!("{at} is {}, expected an object", excerpt(value)))
}

pub(super) fn is_empty(value: &Json<'_>) -> bool {
    match value {
        Json::Null => true,
        Json::Object(fields) => fields.is_empty(),
        Json::Array(elements) => elements.is_empty(),
        Json::String(text) => text.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}

pub(super) fn group_source(fields: &Object<'_>, keys: [&str; 3]) -> Source {
    let text = keys.iter().find_map(|key| fields.get(key).and_then(Json::as_str));
    Source::Group(escaped(text.unwrap_or("a security group")))
}

/// A path in the record. Reads the fields of the object at that path. The path is written out only for an error.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
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
    pub(super) const fn field(&'a self, name: &'a str) -> Self {
        Self::Field(self, name)
    }

    pub(super) const fn element(&'a self, n: usize) -> Self {
        Self::Element(self, n)
    }

    pub(super) fn text<'v>(&self, fields: &'v Object<'_>, key: &str) -> Result<Option<&'v str>, String> {
        match fields.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("{self}.{key} is {}, expected a text", excerpt(other))),
        }
    }

    pub(super) fn need<'v>(&self, fields: &'v Object<'_>, key: &str) -> Result<&'v str, String> {
        self.text(fields, key)?.ok_or_else(|| format!("{self}.{key} is missing"))
    }

    pub(super) fn group_id(&self, fields: &Object<'_>, key: &str) -> Result<Option<GroupId>, String> {
        let parse = |text| GroupId::parse(text).map_err(|error| format!("{self}.{key}: {error}"));
        self.text(fields, key)?.map(parse).transpose()
    }

    pub(super) fn rule_id(&self, fields: &Object<'_>, key: &str) -> Result<RuleId, String> {
        RuleId::parse(self.need(fields, key)?).map_err(|error| format!("{self}.{key}: {error}"))
    }

    pub(super) fn cidr(&self, fields: &Object<'_>, key: &str) -> Result<Source, String> {
        let cidr = self.need(fields, key)?.parse().map_err(|error| format!("{self}.{key}: {error}"))?;
        Ok(Source::Cidr(cidr))
    }

    pub(super) fn prefix_list(&self, fields: &Object<'_>, key: &str) -> Result<Source, String> {
        let id = PrefixListId::parse(self.need(fields, key)?).map_err(|error| format!("{self}.{key}: {error}"))?;
        Ok(Source::PrefixList(id))
    }

    /// A rule's one source, under the keys for IPv4, IPv6, prefix list and security group.
    pub(super) fn source(&self, fields: &Object<'_>, keys: [&str; 4]) -> Result<Source, String> {
        // In this order, and not in the record's: what is said of a record does not depend on its spelling.
        let mut given = keys.into_iter().filter(|key| !fields.get(key).is_none_or(is_empty));
        let (one, other) = (given.next(), given.next());
        if let Some((one, other)) = one.zip(other) {
            return Err(format!("{self} has both {one} and {other}, expected a rule's one source"));
        }
        let [v4, v6, prefix_list, group] = keys;
        match one {
            Some(key) if key == v4 || key == v6 => self.cidr(fields, key),
            Some(key) if key == prefix_list => self.prefix_list(fields, key),
            _ => Ok(match fields.get(group) {
                Some(Json::String(id)) => Source::Group(escaped(id)),
                Some(Json::Object(info)) => group_source(info, ["groupId", "groupName", "userId"]),
                _ => Source::Unknown("no source that is known".to_owned()),
            }),
        }
    }

    /// Protocol and ports. A converter may have turned `"-1"` and `"22"` into numbers, or numbers into texts.
    pub(super) fn traffic(&self, fields: &Object<'_>, [protocol, from, to]: [&str; 3]) -> Result<Traffic, String> {
        let protocol = match fields.get(protocol) {
            Some(Json::String(word)) => Protocol::from(word.as_ref()),
            Some(Json::Number(number)) => Protocol::from(number.to_string().as_str()),
            other => {
                let value = other.map_or_else(|| "missing".to_owned(), excerpt);
                let accepted = "expected a protocol such as \"tcp\", \"6\" or \"-1\"";
                return Err(format!("{self}.{protocol} is {value}, {accepted}"));
            }
        };
        Ok(Traffic::new(protocol, self.port(fields, from)?, self.port(fields, to)?))
    }

    pub(super) fn port(&self, fields: &Object<'_>, key: &str) -> Result<Option<i64>, String> {
        let number = match fields.get(key) {
            None | Some(Json::Null) => return Ok(None),
            Some(Json::Number(number)) => number.as_i64(),
            Some(Json::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        let found = || excerpt(fields.get(key).unwrap_or(&Json::Null));
        number.map(Some).ok_or_else(|| format!("{self}.{key} is {}, expected a port number", found()))
    }
}
