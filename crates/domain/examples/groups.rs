//! Prints random groups and the verdicts on them, one JSON object a line, so that another program can check the
//! verdicts: `make proof` passes them to `tools/proof/z3_judge.py`. The first argument is the number of groups, the
//! second the seed. It is an example only so that it can use the crate's public functions; users do not need it.
//!
//! Each line is a group of rules on one guarded port: their sources, the trusted blocks, the length of an `internet`
//! block; then the verdict: the addresses that count, as ranges, their number, and whether they are an exposure.

use std::io::{BufWriter, Write};

use jiff::Timestamp;
use portcullis_domain::facts::{Facts, GroupLocation};
use portcullis_domain::ids::{AccountId, GroupId, Region, RuleId};
use portcullis_domain::judge::judge;
use portcullis_domain::net::{AddressSet, Family};
use portcullis_domain::policy::Policy;
use portcullis_domain::rule::{Permission, Protocol, Rule, Source, Traffic};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let number = |n: usize| std::env::args().nth(n).map(|text| text.parse::<u64>()).transpose();
    let (count, seed) = (number(1)?.unwrap_or(10), number(2)?.unwrap_or(1));
    let mut random = Random(seed);
    let mut out = BufWriter::new(std::io::stdout().lock());
    for _ in 0..count {
        writeln!(out, "{}", group(&mut random)?)?;
    }
    Ok(out.flush()?)
}

fn group(random: &mut Random) -> Result<Value, Failure> {
    let family = random.of(&Family::BOTH);
    // Sources of similar size, so that together they sometimes reach the limit and sometimes do not.
    let prefix = if family == Family::V4 { random.within(1, 20) } else { random.within(8, 44) };
    let anchor = random.address(family);
    let blocks = |random: &mut Random, most: u64| -> Vec<String> {
        (0..random.within(0, most)).map(|_| random.block(family, anchor, prefix)).collect()
    };
    let (sources, trusted) = (blocks(random, 12), blocks(random, 4));
    let limit = prefix.saturating_sub(random.within(0, 3)) + random.within(0, 1);
    let [v4, v6] = if family == Family::V4 { [limit, 128] } else { [32, limit] };
    let list = serde_json::to_string(&trusted)?;
    let yaml = format!("version: 1\nguard: [ssh]\ninternet: {{ipv4: /{v4}, ipv6: /{v6}}}\ntrusted: {list}\n");
    let Ok(policy) = Policy::parse(&yaml) else {
        // The trusted blocks leave no address.
        return group(random);
    };
    let rule = |(n, source): (usize, &String)| -> Result<Rule, Failure> {
        let traffic = Traffic::new(Protocol::from("tcp"), Some(22), Some(22));
        let permission = Permission { traffic, source: Source::Cidr(source.parse()?) };
        Ok(Rule::new(RuleId::parse(&format!("sgr-{n}"))?, permission))
    };
    let rules = sources.iter().enumerate().map(rule).collect::<Result<Vec<Rule>, Failure>>()?;
    let (account, region) = (AccountId::parse("111122223333")?, Region::parse("eu-west-1")?);
    let location = GroupLocation { account, region, group: GroupId::parse("sg-1")?, vpc: None };
    let facts = Facts::of_rules(location, rules, Timestamp::UNIX_EPOCH);
    let judgement = judge(&[], &facts, &policy, Timestamp::UNIX_EPOCH);
    let counted = AddressSet::union(judgement.rules.iter().map(|judged| judged.counted.get(family)));
    let ranges: Vec<[String; 2]> = counted.ranges().iter().map(|(a, b)| [a.to_string(), b.to_string()]).collect();
    let exposed = judgement.exposures.iter().find(|exposure| exposure.family == family);
    Ok(json!({
        "family": if family == Family::V4 { 4 } else { 6 },
        "sources": sources,
        "trusted": trusted,
        "limit": limit,
        "ranges": ranges,
        "count": counted.count().to_string(),
        "exposed": exposed.map(|exposure| exposure.addresses.to_string()),
    }))
}

/// Pseudo-random numbers (S. Vigna's splitmix64): the same for the same seed, on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Both ends included.
    fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from + 1)
    }

    fn of<T: Copy>(&mut self, among: &[T; 2]) -> T {
        let [first, second] = *among;
        if self.next().is_multiple_of(2) { first } else { second }
    }

    /// Any address, or one close to a special block.
    fn address(&mut self, family: Family) -> u128 {
        const V4: [[u8; 4]; 8] = [
            [10, 0, 0, 0],
            [100, 64, 0, 0],
            [127, 0, 0, 0],
            [172, 16, 0, 0],
            [192, 0, 2, 0],
            [192, 168, 0, 0],
            [198, 18, 0, 0],
            [224, 0, 0, 0],
        ];
        const V6: [u128; 6] = [0, 0x64_ff9b << 96, 0x2001 << 112, 0x2001_0db8 << 96, 0x3fff << 112, 0xfc00 << 112];
        let near = self.next().is_multiple_of(2);
        let pick = usize::try_from(self.next() % 8).unwrap_or_default();
        let any = u128::from(self.next()) << 64 | u128::from(self.next());
        match family {
            Family::V4 if near => u32::from_be_bytes(V4.get(pick).copied().unwrap_or_default()).into(),
            Family::V4 => any >> 96,
            Family::V6 if near => V6.get(pick).copied().unwrap_or(0x2600 << 112),
            Family::V6 => any,
        }
    }

    /// A block near `anchor`: a few bits of its network differ, and it has host bits, as people write them.
    fn block(&mut self, family: Family, anchor: u128, prefix: u64) -> String {
        let bits = u64::from(family.bits());
        let length = (prefix + self.within(0, 5)).saturating_sub(1).min(bits);
        let flipped = u128::from(self.next() % 16) << (bits - length);
        let address = anchor ^ flipped.checked_shl(u32::from(self.next().is_multiple_of(2))).unwrap_or(0);
        let host = u128::from(self.next()) & (1u128.checked_shl((bits - length) as u32).unwrap_or(0)).wrapping_sub(1);
        match family {
            Family::V4 => format!("{}/{length}", std::net::Ipv4Addr::from((address | host) as u32)),
            Family::V6 => format!("{}/{length}", std::net::Ipv6Addr::from(address | host)),
        }
    }
}
