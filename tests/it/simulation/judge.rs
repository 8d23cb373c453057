//! A second, naive definition of docs/SEMANTICS.md that shares no line with production: sets of addresses are lists of
//! ranges, and each guarded port is judged separately. It knows only the built-in guards and limits.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The permission of a rule, as EC2 shows it: `tcp`, `udp`, `-1` …, ports or -1, and the source's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) protocol: String,
    pub(crate) ports: (i32, i32),
    pub(crate) source: String,
}

/// An ingress rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) shape: Shape,
}

impl Rule {
    /// The ingress rules of a group in the model.
    pub(crate) fn all(rules: Vec<ec2_model::Rule>) -> Vec<Self> {
        let ingress = rules.into_iter().filter(|rule| rule.direction == ec2_model::Direction::Ingress);
        let shape = |rule: &ec2_model::Rule| Shape {
            protocol: rule.protocol.clone(),
            ports: (rule.from_port, rule.to_port),
            source: rule.source.text().to_owned(),
        };
        ingress.map(|rule| Self { shape: shape(&rule), id: rule.id }).collect()
    }
}

/// The entries of prefix lists. A list that is missing here is unknown and counts for nothing.
pub(crate) type Lists = BTreeMap<String, Vec<String>>;

/// Which rules a change made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChangedRules {
    /// These rules, while they are as the change made them.
    Made(Vec<(String, Shape)>),
    /// The rules with exactly these permissions.
    Asked(Vec<Shape>),
    /// The rules whose source is this list, as far as they admit the added entries. `None`: any entry may be new.
    List { list: String, added: Option<Vec<String>> },
    /// The same for a restored version with these entries. If they cannot be read, any entry may be new.
    Restored { list: String, version: i64, entries: Vec<String> },
    /// All rules.
    Everything,
    /// Any rules, of a call whose record lists none: none that somebody may have made lawfully.
    Any,
    /// Rules that appeared between two looks of the function.
    Appeared(BTreeSet<String>),
}

/// A change, and whether the policy exempts its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) changed_rules: ChangedRules,
    pub(crate) exempt: bool,
}

/// The known prefix lists, and whether the policy exempts rules by their maker. If it does, a rule whose maker is not
/// known may be lawful.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) lists: &'a Lists,
    pub(crate) break_glass: bool,
}

impl Change {
    pub(crate) fn of(changed_rules: ChangedRules) -> Self {
        Self { changed_rules, exempt: false }
    }

    pub(crate) fn made_rule(&self, rule: &Rule) -> bool {
        match &self.changed_rules {
            ChangedRules::Made(made) => made.iter().any(|(id, shape)| *id == rule.id && *shape == rule.shape),
            ChangedRules::Asked(shapes) => shapes.contains(&rule.shape),
            ChangedRules::List { list, .. } | ChangedRules::Restored { list, .. } => rule.shape.source == *list,
            ChangedRules::Everything | ChangedRules::Any => true,
            ChangedRules::Appeared(ids) => ids.contains(&rule.id),
        }
    }

    /// Whether the rule is this change's: as the change made it, or altered since and exposing a port by itself.
    fn has(&self, rule: &Rule, known: Known<'_>) -> bool {
        let altered = |made: &Vec<(String, Shape)>| made.iter().any(|(id, _)| *id == rule.id);
        let is_left_to_others = self.changed_rules == ChangedRules::Any && known.break_glass && !self.exempt;
        self.made_rule(rule) && !is_left_to_others
            || matches!(&self.changed_rules, ChangedRules::Made(made) if altered(made))
                && !known.break_glass
                && !exposing(std::slice::from_ref(rule), known.lists).is_empty()
    }

    /// The same change, for a reader that could not read the entries of a restored version. `read` has the lists and
    /// versions that were read.
    pub(crate) fn unread(&self, read: &BTreeSet<(String, String)>) -> Self {
        match &self.changed_rules {
            ChangedRules::Restored { list, version, .. } if !read.contains(&(list.clone(), version.to_string())) => {
                Self { changed_rules: ChangedRules::List { list: list.clone(), added: None }, exempt: self.exempt }
            }
            ChangedRules::Made(_)
            | ChangedRules::Asked(_)
            | ChangedRules::List { .. }
            | ChangedRules::Restored { .. }
            | ChangedRules::Everything
            | ChangedRules::Any
            | ChangedRules::Appeared(_) => self.clone(),
        }
    }
}

const GUARDED: [(&str, i32); 5] = [("tcp", 22), ("tcp", 3389), ("udp", 3389), ("tcp", 3306), ("tcp", 1433)];

/// One /8 of IPv4, one /32 of IPv6.
const LIMIT: [u128; 2] = [1 << 24, 1 << 96];

/// The blocks of IANA's special-purpose registries that are not globally reachable, and multicast.
const SPECIAL: [&[&str]; 2] = [
    &[
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    ],
    &[
        "::/96",
        "::ffff:0:0/96",
        "100::/64",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ],
];

/// First and last address of disjoint ranges, in order.
type Ranges = Vec<(u128, u128)>;

fn range(cidr: &str) -> (usize, u128, u128) {
    let (address, length) = cidr.split_once('/').unwrap();
    let (family, bits, address) = match address.parse::<IpAddr>().unwrap() {
        IpAddr::V4(address) => (0, 32, u128::from(u32::from(address))),
        IpAddr::V6(address) => (1, 128, u128::from(address)),
    };
    let host = match bits - length.parse::<u32>().unwrap() {
        128 => u128::MAX,
        host => (1 << host) - 1,
    };
    (family, address & !host, address | host)
}

fn joined(mut ranges: Ranges) -> Ranges {
    ranges.sort_unstable();
    let mut joined: Ranges = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

fn less(ranges: &Ranges, taken: &Ranges) -> Ranges {
    let mut left = ranges.clone();
    for (from, to) in taken {
        let cut = |(a, b): (u128, u128)| {
            let before = (a < *from).then(|| (a, b.min(from.saturating_sub(1))));
            let after = (b > *to).then(|| (a.max(to.saturating_add(1)), b));
            before.into_iter().chain(after).filter(|(a, b)| a <= b)
        };
        left = left.into_iter().flat_map(cut).collect();
    }
    joined(left)
}

fn count(ranges: &Ranges) -> u128 {
    ranges.iter().fold(0, |sum, (from, to)| sum.saturating_add(to - from).saturating_add(1))
}

fn blocks(cidrs: &[impl AsRef<str>], family: usize) -> Ranges {
    let of_family = cidrs.iter().map(|cidr| range(cidr.as_ref())).filter(|(of, ..)| *of == family);
    joined(of_family.map(|(_, from, to)| (from, to)).collect())
}

fn public(cidrs: &[impl AsRef<str>], family: usize) -> Ranges {
    less(&blocks(cidrs, family), &blocks(SPECIAL[family], family))
}

fn source(shape: &Shape, lists: &Lists, family: usize) -> Ranges {
    match shape.source.as_str() {
        group if group.starts_with("sg-") => Vec::new(),
        list if list.starts_with("pl-") => lists.get(list).map_or_else(Vec::new, |entries| public(entries, family)),
        cidr => public(&[cidr], family),
    }
}

fn admits(shape: &Shape, protocol: &str, port: i32) -> bool {
    let (from, to) = shape.ports;
    shape.protocol == "-1" || (shape.protocol == protocol && ((from, to) == (-1, -1) || (from <= port && port <= to)))
}

/// A rule that admits a port, and the addresses of it that count.
struct Weighed<'a> {
    rule: &'a Rule,
    all: Ranges,
    /// The addresses that it would admit without the changes.
    without: Ranges,
    attributed: bool,
}

fn union<'a>(ranges: impl IntoIterator<Item = &'a Ranges>) -> Ranges {
    joined(ranges.into_iter().flatten().copied().collect())
}

/// The rules that admit the port to public addresses, without those that are exempt.
fn weigh<'a>(
    rules: &'a [Rule],
    known: Known<'_>,
    changes: &[Change],
    (protocol, port): (&str, i32),
    family: usize,
) -> Vec<Weighed<'a>> {
    let weighed = rules.iter().filter(|rule| admits(&rule.shape, protocol, port)).filter_map(|rule| {
        let made_by: Vec<&Change> = changes.iter().filter(|change| change.has(rule, known)).collect();
        let exempt = !made_by.is_empty() && made_by.iter().all(|change| change.exempt);
        let all = source(&rule.shape, known.lists, family);
        let mut without = all.clone();
        for change in &made_by {
            without = match &change.changed_rules {
                ChangedRules::List { added: Some(added), .. } | ChangedRules::Restored { entries: added, .. } => {
                    less(&without, &blocks(added, family))
                }
                ChangedRules::List { added: None, .. }
                | ChangedRules::Made(_)
                | ChangedRules::Asked(_)
                | ChangedRules::Everything
                | ChangedRules::Any
                | ChangedRules::Appeared(_) => Vec::new(),
            };
        }
        (!exempt && !all.is_empty()).then_some(Weighed { rule, all, without, attributed: !made_by.is_empty() })
    });
    weighed.collect()
}

fn places() -> impl Iterator<Item = ((&'static str, i32), usize)> {
    GUARDED.into_iter().flat_map(|guarded| [(guarded, 0), (guarded, 1)])
}

/// The ids of all rules through which the internet reaches a guarded port, whoever made them.
pub(crate) fn exposing(rules: &[Rule], lists: &Lists) -> BTreeSet<String> {
    let mut exposing = BTreeSet::new();
    for (guarded, family) in places() {
        let weighed = weigh(rules, Known { lists, break_glass: true }, &[], guarded, family);
        if count(&union(weighed.iter().map(|weighed| &weighed.all))) >= LIMIT[family] {
            exposing.extend(weighed.iter().map(|weighed| weighed.rule.id.clone()));
        }
    }
    exposing
}

/// A /24 where the limit is a /8: next to nothing.
const SLACK: [u128; 2] = [1 << 8, 1 << 80];

/// Whether the changes did not make this exposure: the rest is one by itself, without rules that each admit next to
/// nothing, or the changes add next to nothing.
fn stands(left: &[&Weighed<'_>], family: usize) -> bool {
    let wide = left.iter().map(|weighed| &weighed.without).filter(|without| count(without) > SLACK[family]);
    let (all, others) = (union(left.iter().map(|w| &w.all)), union(left.iter().map(|w| &w.without)));
    count(&union(wide)) >= LIMIT[family] || count(&all) - count(&others) <= SLACK[family]
}

/// The ids of the rules that go: "What is done about it".
pub(crate) fn plan(rules: &[Rule], known: Known<'_>, changes: &[Change]) -> BTreeSet<String> {
    let ports: Vec<(usize, Vec<Weighed<'_>>)> = places()
        .map(|(guarded, family)| (family, weigh(rules, known, changes, guarded, family)))
        .filter(|(family, weighed)| count(&union(weighed.iter().map(|weighed| &weighed.all))) >= LIMIT[*family])
        .collect();
    let mut gone: BTreeSet<String> = BTreeSet::new();
    // 1. Every rule of the change that reaches the limit by itself.
    for (family, weighed) in &ports {
        let over = |ranges: &Ranges| count(ranges) >= LIMIT[*family];
        let alone =
            weighed.iter().filter(|weighed| weighed.attributed && over(&weighed.all) && !over(&weighed.without));
        gone.extend(alone.map(|weighed| weighed.rule.id.clone()));
    }
    let by_itself = gone.clone();
    // 2. Further rules, widest first, where the port would not be exposed without the change; 3. otherwise none.
    for (family, weighed) in &ports {
        bring_under(weighed, *family, &mut gone);
    }
    // 4. Rules that may stay are put back, narrowest first.
    let size = |id: &String| -> u128 {
        let rule = rules.iter().find(|rule| rule.id == *id).unwrap();
        (0..2).map(|family| count(&source(&rule.shape, known.lists, family))).fold(0, u128::saturating_add)
    };
    let mut candidates: Vec<String> = gone.difference(&by_itself).cloned().collect();
    candidates.sort_by_cached_key(|id| (size(id), std::cmp::Reverse(id.clone())));
    for id in candidates {
        let without_it: BTreeSet<String> = gone.iter().filter(|other| **other != id).cloned().collect();
        let needs_it_gone = ports.iter().any(|(family, weighed)| {
            let mut more = without_it.clone();
            bring_under(weighed, *family, &mut more);
            more != without_it && weighed.iter().any(|weighed| weighed.rule.id == id)
        });
        if !needs_it_gone {
            gone = without_it;
        }
    }
    gone
}

/// Adds the rules that must go for one port, after those in `gone`.
fn bring_under(weighed: &[Weighed<'_>], family: usize, gone: &mut BTreeSet<String>) {
    let stay =
        |gone: &BTreeSet<String>| weighed.iter().filter(|weighed| !gone.contains(&weighed.rule.id)).collect::<Vec<_>>();
    let others = union(stay(gone).into_iter().map(|weighed| &weighed.without));
    if stands(&stay(gone), family) {
        return;
    }
    loop {
        let left = stay(gone);
        let enough = LIMIT[family].max(count(&others) + SLACK[family] + 1);
        if count(&union(left.iter().map(|weighed| &weighed.all))) < enough {
            break;
        }
        let adding = left.iter().filter(|weighed| weighed.attributed && !less(&weighed.all, &others).is_empty());
        let rank = |weighed: &&&Weighed<'_>| (count(&weighed.all), std::cmp::Reverse(weighed.rule.id.clone()));
        gone.insert(adding.max_by_key(rank).unwrap().rule.id.clone());
    }
}

#[test]
fn the_naive_judge_knows_how_large_the_internet_is() {
    assert_eq!(count(&public(&["0.0.0.0/0"], 0)), 3_702_258_432);
    assert_eq!(count(&public(&["10.0.0.0/7"], 0)), 1 << 24);
    assert!(count(&public(&["::/0"], 1)) > 1 << 127 && public(&["fc00::/7"], 1).is_empty());
}

#[test]
fn the_naive_judge_takes_what_it_must_and_no_more() {
    let rule = |id: &str, port, source: &str| Rule {
        id: id.to_owned(),
        shape: Shape { protocol: "tcp".to_owned(), ports: (port, port), source: source.to_owned() },
    };
    let rules =
        [rule("a", 22, "8.0.0.0/9"), rule("b", 22, "8.128.0.0/9"), rule("c", 3389, "pl-1"), rule("d", 443, "::/0")];
    let lists = Lists::from([("pl-1".to_owned(), vec!["9.0.0.0/8".to_owned()])]);
    let made = |ids: &[usize]| {
        Change::of(ChangedRules::Made(ids.iter().map(|n| (rules[*n].id.clone(), rules[*n].shape.clone())).collect()))
    };
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
    let known = Known { lists: &lists, break_glass: false };
    assert_eq!(exposing(&rules, &lists), ids(&["a", "b", "c"]));
    assert_eq!(plan(&rules, known, &[made(&[0, 1, 2, 3])]), ids(&["a", "c"]));
    assert_eq!(plan(&rules, known, &[made(&[1])]), ids(&["b"]));
    assert_eq!(plan(&rules, known, &[]), ids(&[]));
    let list = |added: Option<Vec<String>>| [Change::of(ChangedRules::List { list: "pl-1".to_owned(), added })];
    assert_eq!(plan(&rules, known, &list(None)), ids(&["c"]));
    assert_eq!(plan(&rules, known, &list(Some(vec!["9.1.0.0/16".to_owned()]))), ids(&["c"]));
    assert_eq!(plan(&rules, known, &list(Some(Vec::new()))), ids(&[]));
    assert_eq!(
        plan(&rules, Known { lists: &Lists::new(), break_glass: false }, &[Change::of(ChangedRules::Everything)]),
        ids(&["a"])
    );
}
