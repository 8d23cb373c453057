//! YAML → [`Policy`].

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;
use sha2::{Digest, Sha256};

#[cfg(feature = "schema")]
use super::schema;
use super::services::SERVICES;
use super::{
    BUILT_IN, BudgetPolicy, Exemption, Mode, Policy, PolicyError, ProtectedPort, Scope, Selector, Sources, SweepPolicy,
    WaiverPolicy, counted, limit,
};
use crate::net::{Cidr, Family, PerFamily};
use crate::rule::{PortRange, Transport};
use crate::text::escaped;

pub(super) fn parse(yaml: &str) -> Result<Policy, PolicyError> {
    let options = serde_saphyr::options! { no_schema: true, strict_booleans: true };
    let written: Written = serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let place = error.location().map(|place| (place.line(), place.column()));
        PolicyError::new(&one_line(&error), &error.to_string()).at(place)
    })?;
    resolve(written, yaml)
}

/// What holds where nothing is written; made without the YAML parser, which would be a third of a millisecond of each
/// start.
pub(super) fn built_in() -> Policy {
    #[expect(clippy::expect_used, reason = "a constant, resolved by every test of the policy")]
    resolve(Written::default(), BUILT_IN).expect("the built-in policy resolves")
}

fn one_line(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An error that only shows once everything is read.
fn wrong(line: u64, text: &str) -> PolicyError {
    let words = format!("{text} at line {line}");
    PolicyError::new(&words, &words).at(Some((line, 1)))
}

fn resolve(written: Written, text: &str) -> Result<Policy, PolicyError> {
    let Version::One = written.version;
    let guards = match written.guard {
        None => default_guard(),
        Some(list) => guards(list)?,
    };
    let (trusted_line, trusted) = written.trusted.map(|list| (list.defined.line(), list.value)).unwrap_or_default();
    let counted = counted(&trusted);
    for family in Family::BOTH {
        if counted.get(family).is_empty() {
            let what = format!("trusted: covers all of {family}, expected some internet to be left to guard against");
            return Err(wrong(trusted_line, &what));
        }
    }
    let internet = PerFamily { v4: written.internet.ipv4.0, v6: written.internet.ipv6.0 };
    let limit = PerFamily::each(|family| limit(family, *internet.get(family), counted.get(family)));
    let exemptions: Result<Vec<_>, _> =
        written.exempt.into_iter().map(|entry| exemption(entry.defined.line(), entry.value, &guards)).collect();
    let scopes: Result<Vec<_>, _> =
        written.scopes.into_iter().map(|entry| scope(entry.defined.line(), entry.value)).collect();
    let (exemptions, scopes) = (exemptions?, scopes?);
    let Written { mode, sweep, waivers, budget, .. } = written;
    let hash = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = text.into();
    Ok(Policy {
        hash,
        text,
        mode,
        guards,
        internet,
        trusted,
        counted,
        limit,
        exemptions,
        scopes,
        sweep,
        waivers,
        budget,
    })
}

fn guards(list: Spanned<Vec<Spanned<WrittenGuard>>>) -> Result<Vec<ProtectedPort>, PolicyError> {
    if list.value.is_empty() {
        let what = "guard: the list is empty, expected at least one service: nothing would be guarded";
        return Err(wrong(list.defined.line(), what));
    }
    let mut names: BTreeSet<String> = BTreeSet::new();
    let mut guards = Vec::new();
    for Spanned { value: WrittenGuard(entry), referenced, .. } in list.value {
        // All of an entry go by one name.
        let name = entry.first().map(|guard| guard.name.clone()).unwrap_or_default();
        if names.contains(&name) {
            return Err(wrong(referenced.line(), &format!("guard: `{}` stands there twice", escaped(&name))));
        }
        names.insert(name);
        guards.extend(entry);
    }
    Ok(guards)
}

fn exemption(line: u64, entry: WrittenExemption, guards: &[ProtectedPort]) -> Result<Exemption, PolicyError> {
    let fail = |text: &str| Err(wrong(line, text));
    if entry.reason.trim().is_empty() {
        return fail("exempt: the reason is empty, expected why these rules are lawful");
    }
    if let Some(odd) = entry.guard.iter().flatten().find(|name| !guards.iter().any(|guard| guard.name == **name)) {
        let mut names: Vec<&str> = guards.iter().map(|guard| guard.name.as_str()).collect();
        names.dedup();
        return fail(&format!("exempt: `{}` is not guarded, expected one of {}", escaped(odd), names.join(", ")));
    }
    let is_arn = |pattern: &&String| pattern.starts_with("arn:") && pattern.splitn(6, ':').count() == 6;
    if let Some(odd) = entry.principals.iter().flatten().find(|pattern| !is_arn(pattern)) {
        let accepted = "expected an ARN such as arn:aws:iam::111122223333:role/BreakGlass";
        return fail(&format!("exempt: `{}` is no principal: {accepted}", escaped(odd)));
    }
    let place = Selector { accounts: entry.accounts, regions: entry.regions, groups: entry.groups, vpcs: entry.vpcs };
    let bare =
        entry.principals.is_none() && entry.guard.is_none() && entry.sources.is_none() && place == Selector::default();
    if bare {
        return fail("exempt: names nothing, expected at least one key beside reason and until");
    }
    let lengths = [
        entry.principals.as_ref().map(Vec::len),
        entry.guard.as_ref().map(Vec::len),
        entry.sources.as_ref().map(Vec::len),
    ];
    if place.has_empty_list() || lengths.contains(&Some(0)) {
        return fail("exempt: a list is empty and so matches nothing, expected an entry, or the key left out");
    }
    Ok(Exemption {
        reason: entry.reason,
        until: entry.until.0,
        place,
        principals: entry.principals,
        guards: entry.guard,
        rules: None,
        waiver: None,
        line,
        sources: entry.sources.map(Sources::of),
    })
}

fn scope(line: u64, entry: WrittenScope) -> Result<Scope, PolicyError> {
    let place = Selector { accounts: entry.accounts, regions: entry.regions, groups: entry.groups, vpcs: entry.vpcs };
    if place == Selector::default() {
        return Err(wrong(line, "scopes: names nothing, expected accounts, regions, groups or vpcs"));
    }
    if place.has_empty_list() {
        return Err(wrong(line, "scopes: a list is empty and so matches nothing, expected an entry"));
    }
    Ok(Scope { place, mode: entry.mode, line })
}

impl Selector {
    fn has_empty_list(&self) -> bool {
        let lengths = [
            self.accounts.as_ref().map(Vec::len),
            self.regions.as_ref().map(Vec::len),
            self.groups.as_ref().map(Vec::len),
            self.vpcs.as_ref().map(Vec::len),
        ];
        lengths.contains(&Some(0))
    }
}

/// A policy of Portcullis: what is guarded, what counts as the internet, who is exempt, and where rules are revoked.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(title = "Portcullis policy"))]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    /// The form of this file: 1.
    version: Version,
    /// Whether rules are revoked or only reported, where no scope says otherwise. The function's own mode must say
    /// `enforce`, too.
    #[serde(default = "default_mode")]
    mode: Mode,
    /// The ports that the internet must not reach: names of services, or ports of your own. It replaces the default list.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<WrittenGuard>", transform = schema::guard_list))]
    guard: Option<Spanned<Vec<Spanned<WrittenGuard>>>>,
    /// How many public addresses are the internet: as many as one block of this length has.
    #[serde(default)]
    internet: Internet,
    /// CIDR blocks that never count. Trust a block only if all of it is yours.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<Cidr>", extend("default" = [])))]
    trusted: Option<Spanned<Vec<Cidr>>>,
    /// Rules that are allowed although they expose a guarded port. The first exemption that covers a rule holds.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<WrittenExemption>", extend("default" = [])))]
    exempt: Vec<Spanned<WrittenExemption>>,
    /// Another mode for some groups. The first scope that matches holds.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<WrittenScope>", extend("default" = [])))]
    scopes: Vec<Spanned<WrittenScope>>,
    /// The scheduled look at every group: whether it revokes, and how many rules at most.
    #[serde(default)]
    sweep: SweepPolicy,
    /// Waivers: what an operator may open for a while. They need a memory.
    #[serde(default)]
    waivers: WaiverPolicy,
    /// How many old rules one account and Region may lose to events. It needs a memory.
    #[serde(default)]
    budget: BudgetPolicy,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            version: Version::One,
            mode: default_mode(),
            guard: None,
            internet: Internet::default(),
            trusted: None,
            exempt: Vec::new(),
            scopes: Vec::new(),
            sweep: SweepPolicy::default(),
            waivers: WaiverPolicy::default(),
            budget: BudgetPolicy::default(),
        }
    }
}

fn default_mode() -> Mode {
    Mode::Enforce
}

/// The services that are guarded where no list says otherwise.
pub(super) const DEFAULT_GUARD: [&str; 4] = ["ssh", "rdp", "mysql", "mssql"];

fn default_guard() -> Vec<ProtectedPort> {
    DEFAULT_GUARD.into_iter().flat_map(service).collect()
}

/// A key that is there has a value: an empty one is not taken for none.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Rules that may expose a guarded port. Every key that is given must match; at least one is needed beside `reason` and
/// `until`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Exemption", extend("minProperties" = 3)))]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenExemption {
    /// Why these rules are allowed. It is part of every finding about them.
    #[cfg_attr(feature = "schema", schemars(extend("pattern" = r"\S")))]
    reason: String,
    /// When it ends.
    until: Until,
    /// The accounts of the groups.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    accounts: Option<Vec<crate::ids::AccountId>>,
    /// The Regions of the groups.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    regions: Option<Vec<crate::ids::Region>>,
    /// The groups.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    groups: Option<Vec<crate::ids::GroupId>>,
    /// The VPCs of the groups. A policy that names VPCs costs one more EC2 call for each look.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    vpcs: Option<Vec<crate::ids::VpcId>>,
    /// ARN patterns of whoever made the rule: `*` stands for any text, `?` for one character.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::principals))]
    principals: Option<Vec<String>>,
    /// Names from the policy's `guard` list.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    guard: Option<Vec<String>>,
    /// CIDR blocks. All of the rule's source must lie within them.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    sources: Option<Vec<Cidr>>,
}

/// A mode for some groups. Every key that is given must match; at least one is needed beside `mode`.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Scope", extend("minProperties" = 2)))]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenScope {
    /// Their mode. A scope that says `enforce` changes nothing while the function is in alert mode.
    mode: Mode,
    /// The accounts of the groups.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    accounts: Option<Vec<crate::ids::AccountId>>,
    /// The Regions of the groups.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    regions: Option<Vec<crate::ids::Region>>,
    /// The groups.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    groups: Option<Vec<crate::ids::GroupId>>,
    /// The VPCs of the groups. A policy that names VPCs costs one more EC2 call for each look.
    #[serde(default, deserialize_with = "given")]
    #[cfg_attr(feature = "schema", schemars(transform = schema::at_least_one))]
    vpcs: Option<Vec<crate::ids::VpcId>>,
}

pub(super) enum Version {
    One,
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            1 => Ok(Self::One),
            other => Err(de::Error::custom(format!("version {other} is not known, expected 1"))),
        }
    }
}

pub(super) struct Until(Option<Timestamp>);

impl<'de> Deserialize<'de> for Until {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "never" {
            return Ok(Self(None));
        }
        // A day ends with its last second, in UTC.
        let time = text.parse().or_else(|_| format!("{text}T23:59:59Z").parse());
        time.map(|time| Self(Some(time))).map_err(|_| {
            let accepted = "expected a day such as 2026-12-31, a time such as 2026-12-31T23:59:59Z, or never";
            de::Error::custom(format!("`{}` is no time: {accepted}", escaped(&text)))
        })
    }
}

/// How many public addresses are the internet, for each family: as many as one block of this length has. A longer prefix
/// is stricter.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(serde::Serialize, schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
struct Internet {
    /// For IPv4. `/0` means all public addresses.
    ipv4: Prefix<32>,
    /// For IPv6. `/0` means all public addresses.
    ipv6: Prefix<128>,
}

impl Default for Internet {
    fn default() -> Self {
        Self { ipv4: Prefix(8), ipv6: Prefix(32) }
    }
}

/// A prefix length, written `/8`.
pub(super) struct Prefix<const BITS: u8>(pub(super) u8);

impl<'de, const BITS: u8> Deserialize<'de> for Prefix<BITS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let length = text.strip_prefix('/').and_then(|digits| digits.parse().ok()).filter(|length| *length <= BITS);
        length.map(Self).ok_or_else(|| {
            de::Error::custom(format!("`{}` is no prefix length: expected /0 to /{BITS}", escaped(&text)))
        })
    }
}

/// The services that a policy can name, each with its ports.
pub(super) fn services() -> impl Iterator<Item = ProtectedPort> {
    let mut names: Vec<&str> = SERVICES.iter().map(|row| row.0).collect();
    names.dedup();
    names.into_iter().flat_map(service)
}

fn service(name: &str) -> Vec<ProtectedPort> {
    let rows = SERVICES.iter().filter(|row| row.0 == name);
    rows.filter_map(|(name, transport, from, to)| {
        Some(ProtectedPort { name: (*name).to_owned(), transport: *transport, ports: PortRange::new(*from, *to)? })
    })
    .collect()
}

/// An entry of the guard list: a known service's name, or `{name, protocol, ports}`.
pub(super) struct WrittenGuard(Vec<ProtectedPort>);

impl<'de> Deserialize<'de> for WrittenGuard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GuardVisitor)
    }
}

struct GuardVisitor;

impl<'de> Visitor<'de> for GuardVisitor {
    type Value = WrittenGuard;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a service's name, or {name, protocol, ports}")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<WrittenGuard, E> {
        let guards = service(name);
        if guards.is_empty() {
            let mut known: Vec<&str> = SERVICES.iter().map(|row| row.0).collect();
            known.dedup();
            let known = known.join(", ");
            let accepted = format!("expected {{name, protocol, ports}} or one of {known}");
            return Err(E::custom(format!("`{}` is no service that is known: {accepted}", escaped(name))));
        }
        Ok(WrittenGuard(guards))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WrittenGuard, A::Error> {
        let own = OwnGuard::deserialize(MapAccessDeserializer::new(map))?;
        if own.ports.is_empty() || own.name.trim().is_empty() {
            return Err(de::Error::custom("a guard needs a name and at least one port"));
        }
        if own.name.chars().count() > LONGEST_NAME || escaped(&own.name) != own.name {
            let accepted = format!("expected at most {LONGEST_NAME} characters, all of which print");
            return Err(de::Error::custom(format!("`{}` is no guard's name: {accepted}", escaped(&own.name))));
        }
        let guards = own.ports.into_iter().map(|WrittenPorts(ports)| ProtectedPort {
            name: own.name.clone(),
            transport: own.protocol,
            ports,
        });
        Ok(WrittenGuard(guards.collect()))
    }
}

/// A guard's name stands in every finding and message about it.
pub(super) const LONGEST_NAME: usize = 64;

/// Ports of your own.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct OwnGuard {
    /// A name for them. It stands in every finding and message about them.
    #[cfg_attr(feature = "schema", schemars(length(max = LONGEST_NAME), extend("pattern" = r"\S")))]
    name: String,
    /// Their protocol.
    protocol: Transport,
    /// Port numbers, and ranges with a hyphen.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    ports: Vec<WrittenPorts>,
}

/// `9092`, or `9094-9098`.
pub(super) struct WrittenPorts(PortRange);

impl<'de> Deserialize<'de> for WrittenPorts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PortsVisitor;
        impl Visitor<'_> for PortsVisitor {
            type Value = WrittenPorts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port from 0 to 65535, or a range such as 9094-9098")
            }

            fn visit_u64<E: de::Error>(self, port: u64) -> Result<WrittenPorts, E> {
                self.visit_str(&port.to_string())
            }

            fn visit_i64<E: de::Error>(self, port: i64) -> Result<WrittenPorts, E> {
                self.visit_str(&port.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<WrittenPorts, E> {
                let (from, to) = text.split_once('-').unwrap_or((text, text));
                let range = from.trim().parse().ok().zip(to.trim().parse().ok());
                let range = range.and_then(|(from, to)| PortRange::new(from, to));
                range.map(WrittenPorts).ok_or_else(|| {
                    let accepted = "expected a port from 0 to 65535, or a range such as 9094-9098";
                    E::custom(format!("`{}` is no port: {accepted}", escaped(text)))
                })
            }
        }
        deserializer.deserialize_any(PortsVisitor)
    }
}
