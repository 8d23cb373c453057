use portcullis_domain::facts::GroupLocation;
use portcullis_domain::rule::Source;

use super::*;

fn target() -> AccountRegion {
    AccountRegion { account: "111122223333".parse().unwrap(), region: "eu-west-1".parse().unwrap() }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn id(n: usize) -> RuleId {
    RuleId::parse(&format!("sgr-{n:08x}")).unwrap()
}

fn rule(n: usize) -> Rule {
    let traffic = portcullis_domain::rule::Traffic::new("tcp".into(), Some(443), Some(443));
    let source = Source::Cidr(format!("8.{}.{}.0/24", n / 256 % 256, n % 256).parse().unwrap());
    let permission = portcullis_domain::rule::Permission { traffic, source };
    Rule { description: Some(format!("rule \" {n}\n")), ..Rule::new(id(n), permission) }
}

/// Groups of ten rules each, in an order that EC2 may give.
fn groups(rules: usize, is_reversed: bool) -> Vec<Facts> {
    let numbers: Vec<usize> = (0..rules).collect();
    let group = |(g, numbers): (usize, &[usize])| {
        let AccountRegion { account, region } = target();
        let location = GroupLocation { account, region, group: format!("sg-{g:08x}").parse().unwrap(), vpc: None };
        let mut rules: Vec<Rule> = numbers.iter().map(|n| rule(*n)).collect();
        if is_reversed {
            rules.reverse();
        }
        Facts::of_rules(location, rules, at(0))
    };
    numbers.chunks(10).enumerate().map(group).collect()
}

fn document(snapshot: &Snapshot) -> Vec<u8> {
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(&serde_json::to_vec(&snapshot.header).unwrap()).unwrap();
    zip.write_all(b"\n").unwrap();
    [zip.finish().unwrap(), snapshot.lines.clone()].concat()
}

/// Reads a document that comes in pieces of this length.
fn read_in(document: &[u8], piece: usize, wanted: &[usize]) -> Result<(Look, bool), String> {
    let wanted = wanted.iter().map(|n| id(*n)).collect();
    let (mut unzip, mut scan) = (Unzip::default(), Scan::of(&wanted));
    for piece in document.chunks(piece) {
        if scan.is_done() {
            return scan.finish().map(|look| (look, false));
        }
        unzip.push(piece, |text| scan.push(text)).map_err(|error| error.to_string())?;
    }
    unzip.finish().map_err(|error| error.to_string())?;
    scan.finish().map(|look| (look, true))
}

#[test]
fn the_wanted_rules_are_found_however_the_bytes_come() {
    let document = document(&Snapshot::of(&target(), &groups(25, false), at(60)).unwrap());
    for piece in [1, 2, 7, 100, document.len()] {
        let (look, _) = read_in(&document, piece, &[3, 24, 99]).unwrap();
        assert_eq!((look.header.looked_at, look.header.rules), (at(60), 25));
        let found: Vec<&RuleId> = look.rules.keys().collect();
        assert_eq!(found, [&id(3), &id(24)]);
        let Rule { permission, description, .. } = rule(3);
        assert_eq!(look.rules[&id(3)], Value { permission, description });
    }
}

#[test]
fn reading_ends_when_all_is_found() {
    let document = document(&Snapshot::of(&target(), &groups(20_000, false), at(60)).unwrap());
    let is_whole = |wanted: &[usize]| read_in(&document, 4096, wanted).unwrap().1;
    assert!(!is_whole(&[5]) && !is_whole(&[]) && is_whole(&[19_999 + 5]));
}

#[test]
fn the_order_in_which_ec2_lists_rules_does_not_matter() {
    let sum = |is_reversed, count| Snapshot::of(&target(), &groups(count, is_reversed), at(60)).unwrap().header.sha256;
    assert_eq!(sum(false, 30), sum(true, 30));
    assert_ne!(sum(false, 30), sum(false, 29));
}

#[test]
fn what_is_damaged_or_of_another_form_is_an_error_and_never_a_value() {
    let snapshot = Snapshot::of(&target(), &groups(5, false), at(60)).unwrap();
    let whole = document(&snapshot);
    let wrong = |document: &[u8]| read_in(document, 64, &[99]).unwrap_err();
    assert!(wrong(&whole[..whole.len() - 1]).contains("ends early"), "{}", wrong(&whole[..whole.len() - 1]));
    assert_eq!(wrong(b""), "it is empty");
    assert!(wrong(b"{\"schema\":2}\n").starts_with("its first line"));
    let other = Snapshot { header: Header { schema: 2, ..snapshot.header.clone() }, lines: snapshot.lines.clone() };
    assert_eq!(wrong(&document(&other)), "its form is 2, expected 1");
    let long = [document(&Snapshot { lines: Vec::new(), ..snapshot }), vec![]].concat();
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(&vec![b'x'; LONGEST_LINE + 1]).unwrap();
    let long = [long, zip.finish().unwrap()].concat();
    assert!(wrong(&long).contains("longer than"), "{}", wrong(&long));
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    zip.write_all(b"{\"id\":\"sgr-00000063\",\"protocol\":7}\n").unwrap();
    let odd = [document(&Snapshot::of(&target(), &[], at(60)).unwrap()), zip.finish().unwrap()].concat();
    assert!(wrong(&odd).starts_with("a line: "), "{}", wrong(&odd));
}
