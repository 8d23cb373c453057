//! The JSON Schema of a policy, where a type's own code reads the text.
//!
//! A schema cannot say all that the parser checks: that an exemption's guard is in the list, for instance. It refuses
//! nothing that the pages say is right.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::Policy;
use super::parse::{DEFAULT_GUARD, OwnGuard, Prefix, Until, Version, Written, WrittenGuard, WrittenPorts};
use super::services::SERVICES;
use crate::net::Cidr;

impl Policy {
    /// The JSON Schema of a policy as it is written.
    #[must_use]
    pub fn json_schema() -> Schema {
        crate::schema::draft07().for_deserialize().into_generator().into_root_schema_for::<Written>()
    }
}

/// An empty list matches nothing. A key that is left out has no value, not the value `null`.
pub(super) fn at_least_one(schema: &mut Schema) {
    schema.insert("minItems".to_owned(), 1.into());
    schema.remove("default");
}

pub(super) fn principals(schema: &mut Schema) {
    at_least_one(schema);
    arn_patterns(schema);
}

pub(super) fn arn_patterns(schema: &mut Schema) {
    schema.insert("items".to_owned(), json!({"type": "string", "pattern": "^arn:([^:]*:){4}"}));
}

pub(super) fn guard_list(schema: &mut Schema) {
    at_least_one(schema);
    schema.insert("uniqueItems".to_owned(), true.into());
    schema.insert("default".to_owned(), DEFAULT_GUARD.as_slice().into());
}

/// A type that is written where it is used, without a name of its own.
macro_rules! inline {
    () => {
        fn inline_schema() -> bool {
            true
        }
    };
}

impl JsonSchema for Version {
    inline!();

    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "const": 1})
    }
}

impl JsonSchema for Until {
    inline!();

    fn schema_name() -> Cow<'static, str> {
        "Until".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"description": "A time, such as 2026-12-31T23:59:59Z.", "type": "string", "format": "date-time"},
                {"description": "A day, such as 2026-12-31: to the end of it, in UTC.", "type": "string", "format": "date"},
                {"description": "It does not end.", "type": "string", "const": "never"},
            ]
        })
    }
}

impl<const BITS: u8> JsonSchema for Prefix<BITS> {
    inline!();

    fn schema_name() -> Cow<'static, str> {
        format!("Prefix{BITS}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let lengths = if BITS == 32 { V4_LENGTH } else { V6_LENGTH };
        json_schema!({"type": "string", "pattern": format!("^/{lengths}$")})
    }
}

/// For the defaults that a schema shows.
impl<const BITS: u8> Serialize for Prefix<BITS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("/{}", self.0))
    }
}

/// 0 to 32.
const V4_LENGTH: &str = "([0-9]|[12][0-9]|3[0-2])";

/// 0 to 128.
const V6_LENGTH: &str = "([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8])";

impl JsonSchema for Cidr {
    fn schema_name() -> Cow<'static, str> {
        "Cidr".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
        let v4 = format!("{octet}(\\.{octet}){{3}}/{V4_LENGTH}");
        let v6 = format!("[0-9A-Fa-f]*:[0-9A-Fa-f:.]*/{V6_LENGTH}");
        json_schema!({
            "description": "A CIDR block: an address and a prefix length, such as 203.0.113.0/24 or 2001:db8::/32.",
            "type": "string",
            "pattern": format!("^({v4}|{v6})$"),
        })
    }
}

impl JsonSchema for WrittenGuard {
    fn schema_name() -> Cow<'static, str> {
        "Guard".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut known: Vec<&str> = SERVICES.iter().map(|row| row.0).collect();
        known.sort_unstable();
        known.dedup();
        let service = |name: &str| {
            let rows = SERVICES.iter().filter(|row| row.0 == name);
            let ports = rows.map(|(_, transport, from, to)| match from == to {
                true => format!("{transport} {from}"),
                false => format!("{transport} {from}-{to}"),
            });
            json!({"description": ports.collect::<Vec<_>>().join(", "), "const": name})
        };
        let known: Vec<Value> = known.into_iter().map(service).collect();
        json_schema!({
            "anyOf": [
                {"description": "A known service.", "type": "string", "oneOf": known},
                generator.subschema_for::<OwnGuard>(),
            ]
        })
    }
}

impl JsonSchema for WrittenPorts {
    fn schema_name() -> Cow<'static, str> {
        "Ports".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let port = "(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})";
        json_schema!({
            "description": "A port from 0 to 65535, or a range such as 9094-9098.",
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": u16::MAX},
                {"type": "string", "pattern": format!("^ *{port} *(- *{port} *)?$")},
            ]
        })
    }
}
