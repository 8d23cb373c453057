//! The canonical form in which EC2 stores protocols, ports and CIDRs, and the values that it refuses.

use ipnet::{Ipv4Net, Ipv6Net};

use crate::{ApiError, Source};

/// The protocol as EC2 stores it. EC2 API Reference, IpPermission: "The IP protocol name (tcp, udp, icmp, icmpv6) or
/// number. Use -1 to specify all protocols."
pub(crate) fn protocol(text: Option<&str>) -> Result<String, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Err(ApiError::invalid_value(
            "Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly.",
        ));
    };
    let known = match text.to_ascii_lowercase().as_str() {
        "tcp" | "6" => "tcp".into(),
        "udp" | "17" => "udp".into(),
        "icmp" | "1" => "icmp".into(),
        "icmpv6" | "58" => "icmpv6".into(),
        "-1" | "all" => "-1".into(),
        number => match number.parse::<u8>() {
            Ok(number) => number.to_string(),
            Err(_) => {
                return Err(ApiError::invalid_value(format!(
                    "Invalid value '{text}' for IP protocol. Unknown protocol."
                )));
            }
        },
    };
    Ok(known)
}

/// The ports as EC2 stores them for `protocol` (already canonical).
pub(crate) fn ports(protocol: &str, from: Option<i32>, to: Option<i32>) -> Result<(i32, i32), ApiError> {
    let malformed = |message: String| Err(ApiError::new("InvalidPermission.Malformed", message));
    match (protocol, from, to) {
        ("tcp" | "udp", Some(from), Some(to)) => {
            if let Some(port) = [from, to].into_iter().find(|port| !(0..=65535).contains(port)) {
                return malformed(format!("TCP/UDP port ({port}) out of range"));
            }
            if from > to {
                return malformed(format!("Invalid TCP/UDP port range ({from}:{to})"));
            }
            Ok((from, to))
        }
        ("tcp" | "udp", _, _) => Err(ApiError::invalid_value(
            "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
        )),
        ("icmpv6", None, None) => Ok((-1, -1)),
        ("icmp" | "icmpv6", Some(kind), Some(code)) => {
            if !(-1..=255).contains(&kind) {
                return malformed(format!("ICMP type ({kind}) out of range"));
            }
            if !(-1..=255).contains(&code) {
                return malformed(format!("ICMP code ({code}) out of range"));
            }
            if kind == -1 && code != -1 {
                return malformed(format!("ICMP code ({code}) must be -1 when the type is -1"));
            }
            Ok((kind, code))
        }
        ("icmp" | "icmpv6", _, _) => {
            Err(ApiError::invalid_value("Invalid value 'Must specify both type and code with ICMP.' for portRange."))
        }
        // -1 and all other numbers: "allows traffic on all ports, regardless of any port range you specify".
        _ => Ok((-1, -1)),
    }
}

/// The canonical IPv4 CIDR: `100.68.0.18/18` becomes `100.68.0.0/18`.
pub(crate) fn ipv4(text: &str) -> Result<Source, ApiError> {
    text.parse::<Ipv4Net>().map(|net| Source::Ipv4(net.trunc().to_string())).map_err(|_| malformed_cidr(text))
}

/// The canonical IPv6 CIDR.
pub(crate) fn ipv6(text: &str) -> Result<Source, ApiError> {
    text.parse::<Ipv6Net>().map(|net| Source::Ipv6(net.trunc().to_string())).map_err(|_| malformed_cidr(text))
}

pub(crate) fn malformed_cidr(text: &str) -> ApiError {
    ApiError::invalid_value(format!("CIDR block {text} is malformed"))
}
