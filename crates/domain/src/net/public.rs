//! Which addresses are public.

use std::sync::LazyLock;

use super::{AddressSet, Cidr, Family, PerFamily};

/// Blocks from which no internet traffic comes: those that IANA's IPv4 and IPv6 Special-Purpose Address Registries list
/// as not globally reachable; multicast, which is never a source; and site-local addresses (RFC 3879), which are out of use. All of 192.0.0.0/24 is here (its two reachable
/// addresses are anycast services), and so is 192.88.99.0/24 (deprecated relay anycast). 6to4 `2002::/16`, Teredo
/// `2001::/32` and NAT64 `64:ff9b::/96` count as public, because hosts anywhere send from them.
const SPECIAL_V4: &[&str] = &[
    "0.0.0.0/8",       // this network, RFC 791
    "10.0.0.0/8",      // private use, RFC 1918
    "100.64.0.0/10",   // shared address space, RFC 6598
    "127.0.0.0/8",     // loopback, RFC 1122
    "169.254.0.0/16",  // link local, RFC 3927
    "172.16.0.0/12",   // private use, RFC 1918
    "192.0.0.0/24",    // IETF protocol assignments, RFC 6890
    "192.0.2.0/24",    // documentation, RFC 5737
    "192.88.99.0/24",  // deprecated 6to4 relay anycast, RFC 7526
    "192.168.0.0/16",  // private use, RFC 1918
    "198.18.0.0/15",   // benchmarking, RFC 2544
    "198.51.100.0/24", // documentation, RFC 5737
    "203.0.113.0/24",  // documentation, RFC 5737
    "224.0.0.0/4",     // multicast, RFC 5771
    "240.0.0.0/4",     // reserved and limited broadcast, RFC 1112, RFC 8190
];
const SPECIAL_V6: &[&str] = &[
    "::/128",         // unspecified, RFC 4291
    "::1/128",        // loopback, RFC 4291
    "::ffff:0:0/96",  // IPv4-mapped, RFC 4291
    "64:ff9b:1::/48", // local-use translation, RFC 8215
    "100::/64",       // discard only, RFC 6666
    "100:0:0:1::/64", // dummy prefix, RFC 9780
    "2001:2::/48",    // benchmarking, RFC 5180
    "2001:10::/28",   // deprecated ORCHID, RFC 4843
    "2001:db8::/32",  // documentation, RFC 3849
    "3fff::/20",      // documentation, RFC 9637
    "5f00::/16",      // segment routing SIDs, RFC 9602
    "fc00::/7",       // unique local, RFC 4193
    "fe80::/10",      // link local, RFC 4291
    "fec0::/10",      // deprecated site-local, RFC 3879
    "ff00::/8",       // multicast, RFC 4291
];

static PUBLIC: LazyLock<PerFamily<AddressSet>> = LazyLock::new(|| {
    PerFamily::each(|family| {
        let (everything, special) = match family {
            Family::V4 => ((0, u128::from(u32::MAX)), SPECIAL_V4),
            Family::V6 => ((0, u128::MAX), SPECIAL_V6),
        };
        // A block that does not parse would count as public. The tests below check every block.
        let blocks: Vec<Cidr> = special.iter().filter_map(|block| block.parse().ok()).collect();
        AddressSet::from_ranges(vec![everything]).difference(&AddressSet::from_cidrs(family, &blocks))
    })
});

/// All public addresses of a family.
#[must_use]
pub fn public_addresses(family: Family) -> &'static AddressSet {
    PUBLIC.get(family)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    fn count(family: Family, blocks: &[&str]) -> u128 {
        let cidrs: Vec<Cidr> = blocks.iter().map(|block| cidr(block)).collect();
        AddressSet::from_cidrs(family, &cidrs).intersection(public_addresses(family)).count()
    }

    #[test]
    fn the_public_addresses_are_those_outside_ianas_special_blocks() {
        // Calculated by hand from the registry: 2^32 less fourteen special blocks and multicast.
        assert_eq!(public_addresses(Family::V4).count(), 3_702_258_432);
        assert_eq!(count(Family::V4, &["0.0.0.0/1", "128.0.0.0/1"]), 3_702_258_432);
        for special in SPECIAL_V4 {
            assert_eq!(count(Family::V4, &[special]), 0, "{special}");
        }
        for special in SPECIAL_V6 {
            assert_eq!(count(Family::V6, &[special]), 0, "{special}");
        }
        assert_eq!(count(Family::V4, &["8.0.0.0/8"]), 1 << 24);
        // 2^125 less 3fff::/20, 2001:db8::/32, 2001:10::/28 and 2001:2::/48.
        let documented = (1 << 108) + (1 << 96) + (1 << 100) + (1 << 80);
        assert_eq!(count(Family::V6, &["2000::/3"]), (1 << 125) - documented);
        assert_eq!(count(Family::V6, &["2002::/16"]), 1 << 112);
        assert_eq!(count(Family::V6, &["2001::/32"]), 1 << 96);
        assert_eq!(count(Family::V6, &["64:ff9b::/96"]), 1 << 32);
    }
}
