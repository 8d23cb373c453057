//! Security-group rules: as callers ask for them, as EC2 stores them, and the text forms of both.

use crate::params::Params;

/// The direction of a rule's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Inbound.
    Ingress,
    /// Outbound.
    Egress,
}

/// The other end of a rule: exactly one of four kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An IPv4 CIDR. Canonical in a [`Rule`].
    Ipv4(String),
    /// An IPv6 CIDR. Canonical in a [`Rule`].
    Ipv6(String),
    /// A prefix list, `pl-…`.
    PrefixList(String),
    /// A security group, `sg-…`. Without an account it is the caller's own.
    Group {
        /// The id of the referenced group.
        id: String,
        /// The account that owns it.
        account: Option<String>,
    },
}

impl Source {
    /// The kind follows from the text: `pl-…`, `sg-…`, a text with a colon, or else IPv4. The text is not checked, so
    /// that a test can send nonsense.
    pub fn from_text(text: &str) -> Self {
        match text {
            _ if text.starts_with("pl-") => Self::PrefixList(text.into()),
            _ if text.starts_with("sg-") => Self::Group { id: text.into(), account: None },
            _ if text.contains(':') => Self::Ipv6(text.into()),
            _ => Self::Ipv4(text.into()),
        }
    }

    /// The CIDR or id.
    pub fn text(&self) -> &str {
        match self {
            Self::Ipv4(text) | Self::Ipv6(text) | Self::PrefixList(text) | Self::Group { id: text, .. } => text,
        }
    }

    /// EC2's words for the kind in the errors of ModifySecurityGroupRules.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Ipv4(_) => "IPv4 CIDR",
            Self::Ipv6(_) => "IPv6 CIDR",
            Self::PrefixList(_) => "prefix list ID",
            Self::Group { .. } => "referenced group id",
        }
    }
}

/// A permission to allow or revoke: one protocol and port range with any number of sources, as in `IpPermissions.N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// As the caller writes it: `tcp`, `6`, `-1`, `TCP` …
    pub protocol: String,
    /// First port, or the ICMP type.
    pub from_port: Option<i32>,
    /// Last port, or the ICMP code.
    pub to_port: Option<i32>,
    /// The sources, sent unchanged.
    pub sources: Vec<Source>,
    /// The description of each source.
    pub description: Option<String>,
}

impl Permission {
    /// Any protocol with ports, from `sources` (see [`Source::from_text`]).
    pub fn new(protocol: &str, from_port: i32, to_port: i32, sources: &[&str]) -> Self {
        Self {
            protocol: protocol.into(),
            from_port: Some(from_port),
            to_port: Some(to_port),
            sources: sources.iter().map(|text| Source::from_text(text)).collect(),
            description: None,
        }
    }

    /// One TCP port from one source.
    pub fn tcp(port: i32, source: &str) -> Self {
        Self::new("tcp", port, port, &[source])
    }

    /// All protocols from one source, without ports.
    pub fn all(source: &str) -> Self {
        Self { from_port: None, to_port: None, ..Self::new("-1", -1, -1, &[source]) }
    }

    /// The same permission with this description.
    #[must_use]
    pub fn described(self, description: &str) -> Self {
        Self { description: Some(description.into()), ..self }
    }

    /// Writes it as `IpPermissions.N.…`.
    pub(crate) fn write(&self, number: usize, params: &mut Params) {
        let prefix = format!("IpPermissions.{number}");
        params.push(format!("{prefix}.IpProtocol"), &self.protocol);
        params.push_some(format!("{prefix}.FromPort"), self.from_port);
        params.push_some(format!("{prefix}.ToPort"), self.to_port);
        // Numbered per list: IpRanges.1, Ipv6Ranges.1, IpRanges.2 …
        let mut counts = [0; 4];
        for source in &self.sources {
            let (slot, list, field) = match source {
                Source::Ipv4(_) => (0, "IpRanges", "CidrIp"),
                Source::Ipv6(_) => (1, "Ipv6Ranges", "CidrIpv6"),
                Source::PrefixList(_) => (2, "PrefixListIds", "PrefixListId"),
                Source::Group { .. } => (3, "Groups", "GroupId"),
            };
            let number = counts.get_mut(slot).map_or(1, |count| {
                *count += 1;
                *count
            });
            params.push(format!("{prefix}.{list}.{number}.{field}"), source.text());
            if let Source::Group { account: Some(account), .. } = source {
                params.push(format!("{prefix}.{list}.{number}.UserId"), account);
            }
            params.push_some(format!("{prefix}.{list}.{number}.Description"), self.description.as_ref());
        }
    }
}

/// A change of one rule for ModifySecurityGroupRules: the rule's id and the new rule, with exactly one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleChange {
    /// `sgr-…`.
    pub rule: String,
    /// The whole new rule.
    pub permission: Permission,
}

/// A rule as EC2 stores it: one source, canonical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `sgr-` and 17 hexadecimal digits.
    pub id: String,
    /// The group it belongs to.
    pub group: String,
    /// Inbound or outbound.
    pub direction: Direction,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a number, or `-1`.
    pub protocol: String,
    /// First port, ICMP type, or -1.
    pub from_port: i32,
    /// Last port, ICMP code, or -1.
    pub to_port: i32,
    /// The other end.
    pub source: Source,
    /// The description, as given.
    pub description: Option<String>,
    /// Key and value.
    pub tags: Vec<(String, String)>,
}

impl Rule {
    /// Whether EC2 treats both as the same rule. Description and tags do not count.
    pub(crate) fn same_as(&self, direction: Direction, spec: &RuleSpec) -> bool {
        self.direction == direction
            && self.protocol == spec.protocol
            && (self.from_port, self.to_port) == spec.ports
            && self.source == spec.source
    }
}

/// One rule that a call asks for, canonical, before it has an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RuleSpec {
    pub(crate) protocol: String,
    pub(crate) ports: (i32, i32),
    pub(crate) source: Source,
    pub(crate) description: Option<String>,
}

impl RuleSpec {
    pub(crate) fn same_as(&self, other: &RuleSpec) -> bool {
        self.protocol == other.protocol && self.ports == other.ports && self.source == other.source
    }

    /// The peer as `InvalidPermission.Duplicate` words it.
    pub(crate) fn peer(&self) -> String {
        let peer = self.source.text();
        let (from, to) = self.ports;
        match self.protocol.as_str() {
            "-1" => format!("peer: {peer}, ALL, ALLOW"),
            "tcp" | "udp" => {
                format!("peer: {peer}, {}, from port: {from}, to port: {to}, ALLOW", self.protocol.to_uppercase())
            }
            "icmp" | "icmpv6" => {
                format!("peer: {peer}, {}, type: {from}, code: {to}, ALLOW", self.protocol.to_uppercase())
            }
            number => format!("peer: {peer}, protocol: {number}, ALLOW"),
        }
    }
}
