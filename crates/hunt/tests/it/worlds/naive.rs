//! A second, naive definition: every record against every rule, on the truth of the world.

use super::world::{Made, contains};
use crate::made::Line;

/// The rules that a record looks like, of those whose opening is recorded.
pub(super) fn alike(made: &Made, line: &Line) -> Vec<String> {
    let fits = |rule: &&super::world::Rule| {
        let touches = |from: i64, to: i64| line.start <= to + 60 && line.end >= from - 60;
        let is_known = |interface: &str| {
            made.records.iter().any(|record| {
                let created = record["responseElements"]["networkInterface"]["networkInterfaceId"] == interface;
                created || record["requestParameters"]["networkInterfaceId"] == interface
            })
        };
        let has = made.members.iter().any(|(interface, from, to, groups)| {
            let open_end = *to == super_end();
            let to = if open_end { i64::MAX - 60 } else { *to };
            *interface == line.interface
                && touches(*from, to)
                && groups.contains(&rule.group)
                && is_known(interface)
                && membership_is_recorded(made, interface, *from)
        });
        let to = if rule.to == super_end() { i64::MAX - 60 } else { rule.to };
        has && touches(rule.from, to)
            && made.truth.contains_key(&rule.id)
            && (rule.ports.0..=rule.ports.1).contains(&line.to.1)
            && contains(&rule.source, &line.from.0)
    };
    let mut ids: Vec<String> = made.rules.iter().filter(fits).map(|rule| rule.id.clone()).collect();
    ids.sort();
    ids
}

fn super_end() -> i64 {
    crate::made::MIDNIGHT + 4 * 3600
}

/// Whether a record says that the interface got these groups then.
fn membership_is_recorded(made: &Made, interface: &str, from: i64) -> bool {
    made.records.iter().any(|record| {
        let created = record["responseElements"]["networkInterface"]["networkInterfaceId"] == interface;
        let changed = record["requestParameters"]["networkInterfaceId"] == interface;
        (created || changed) && record["eventTime"] == crate::made::iso(from).as_str()
    })
}

/// The same for a line of the log.
pub(super) fn candidates(made: &Made, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let parsed = Line {
        interface: words[2].to_owned(),
        from: (words[3].to_owned(), words[5].parse().unwrap()),
        to: (words[4].to_owned(), words[6].parse().unwrap()),
        protocol: words[7].parse().unwrap(),
        start: words[10].parse().unwrap(),
        end: words[11].parse().unwrap(),
        accepted: words[12] == "ACCEPT",
        flags: words.get(14).and_then(|word| word.parse().ok()).unwrap_or(0),
        ingress: true,
    };
    alike(made, &parsed)
}
