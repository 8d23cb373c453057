//! Checks that the program accepts the policies on the pages, and that the page's table of services is the program's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::collections::{BTreeMap, BTreeSet};

use portcullis_domain::policy::Policy;

const README: &str = include_str!("../../../README.md");
const PAGE: &str = include_str!("../../../docs/POLICY.md");
const SERVICES: &str = include_str!("../../domain/src/policy/services.rs");

fn samples(page: &str) -> Vec<&str> {
    page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn every_policy_on_the_pages_parses_and_the_first_is_the_built_in_one() {
    for (page, least) in [(README, 2), (PAGE, 4)] {
        let samples = samples(page);
        assert!(samples.len() >= least, "{}", samples.len());
        for sample in &samples {
            Policy::parse(sample).unwrap_or_else(|error| unreachable!("{error}\n{sample}"));
        }
        assert_eq!(Policy::parse(samples[0]).unwrap(), Policy::built_in());
    }
}

#[test]
fn the_table_of_services_is_that_of_the_program() {
    let section = PAGE.split("\n## ").find(|section| section.starts_with("Services with a name\n")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|row| row.trim_matches(['|', ' ']).split_once(" | ").unwrap());
    let page: BTreeMap<&str, &str> = rows.map(|(name, ports)| (name.trim_matches('`'), ports)).collect();
    let known = SERVICES.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split('"').next());
    assert_eq!(page.keys().copied().collect::<BTreeSet<_>>(), known.collect());
    for (name, ports) in page {
        let policy = Policy::parse(&format!("version: 1\nguard: [{name}]")).unwrap();
        let mut by_transport: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for guard in policy.guards() {
            let ports = guard.ports.to_string().replace('-', "–");
            by_transport.entry(guard.transport.to_string()).or_default().push(ports);
        }
        let expected: Vec<String> = by_transport.iter().map(|(t, ports)| format!("{t} {}", ports.join(", "))).collect();
        assert_eq!(ports, expected.join("; "), "{name}");
    }
}
