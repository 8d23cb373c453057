//! Checks docs/EVASIONS.md against the tests.

use super::{Outcome, Verdict, form, ports, sources};

const PAGE: &str = include_str!("../../../docs/EVASIONS.md");

/// The source of each module whose tests the page names.
const SOURCES: [(&str, &str); 17] = [
    ("evasions::forged", include_str!("forged.rs")),
    ("evasions::form", include_str!("form.rs")),
    ("evasions::names", include_str!("names.rs")),
    ("evasions::ports", include_str!("ports.rs")),
    ("evasions::prefix_lists", include_str!("prefix_lists.rs")),
    ("evasions::size", include_str!("size.rs")),
    ("evasions::sources", include_str!("sources.rs")),
    ("evasions::time", include_str!("time.rs")),
    ("memory::one_gap", include_str!("../memory/one_gap.rs")),
    ("prefix_lists", include_str!("../prefix_lists.rs")),
    ("remediation", include_str!("../remediation.rs")),
    ("remediation::eventual_consistency", include_str!("../remediation/eventual_consistency.rs")),
    ("remediation::facts", include_str!("../remediation/facts.rs")),
    ("remediation::failures", include_str!("../remediation/failures.rs")),
    ("remediation::later_look", include_str!("../remediation/later_look.rs")),
    ("remediation::member_accounts", include_str!("../remediation/member_accounts.rs")),
    ("remediation::reporting", include_str!("../remediation/reporting.rs")),
];

/// A test of a table, with the verdict and outcome that it expects.
type Call = (&'static str, Verdict, Outcome);

/// The tables of calls, by module.
const TABLES: [(&str, &[Call]); 3] =
    [("evasions::form", form::TABLE), ("evasions::ports", ports::TABLE), ("evasions::sources", sources::TABLE)];

/// A verdict and an outcome, in the words of a finding.
type Judgement = (&'static str, &'static str);

/// The tests that a module has as functions, each with its body.
fn functions(source: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let functions = source.split("\n#[tokio::test(start_paused = true)]\nasync fn ").skip(1);
    functions.filter_map(|rest| Some((rest.split_once("()")?.0, rest.split_once("\n}\n")?.0)))
}

/// The verdicts with their outcomes that occur in a text, written as `write` writes them.
fn judgements(text: &str, write: impl Fn(Verdict, Outcome) -> String) -> Vec<Judgement> {
    use {Outcome as O, Verdict as V};
    let outcomes = [O::Reverted, O::WouldRevert, O::AlreadyGone, O::None, O::Failed];
    let all = [V::Exposed, V::Exempt, V::Safe, V::Irrelevant, V::Undecided].into_iter();
    let all = all.flat_map(|verdict| outcomes.map(|outcome| (verdict, outcome)));
    let found = all.filter(|(verdict, outcome)| text.contains(&write(*verdict, *outcome)));
    found.map(|(verdict, outcome)| (verdict.as_str(), outcome.as_str())).collect()
}

/// Every test of a module, with the verdicts and outcomes that it expects.
fn tests(module: &str) -> Vec<(&'static str, Vec<Judgement>)> {
    let (_, source) = SOURCES.iter().find(|(known, _)| *known == module).unwrap_or_else(|| panic!("{module}"));
    let expected = |body: &str| {
        let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
        judgements(&body, |verdict, outcome| format!("{verdict:?}, {outcome:?}"))
    };
    let table = TABLES.iter().filter(|(known, _)| *known == module).flat_map(|(_, table)| *table);
    let calls = table.map(|(name, verdict, outcome)| (*name, vec![(verdict.as_str(), outcome.as_str())]));
    functions(source).map(|(name, body)| (name, expected(body))).chain(calls).collect()
}

#[test]
fn the_page_has_a_row_for_every_test_and_says_what_it_shows() {
    let mut rows = Vec::new();
    for row in PAGE.lines().filter(|line| line.starts_with("| ") && line.contains("::")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, outcome, _, test] = cells[..] else { panic!("{row}") };
        let (module, name) = test.trim_matches('`').rsplit_once("::").unwrap();
        let (_, expected) =
            tests(module).into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{row}"));
        rows.push((module, name));
        if module.starts_with("evasions::") {
            let page =
                judgements(outcome, |verdict, outcome| format!("`{}`, `{}`", verdict.as_str(), outcome.as_str()));
            assert!(!page.is_empty() && page.iter().all(|one| expected.contains(one)), "{page:?}, {expected:?}: {row}");
        }
    }
    let mut all = 0;
    for (module, _) in SOURCES.iter().filter(|(module, _)| module.starts_with("evasions::")) {
        for (name, _) in tests(module) {
            assert_eq!(rows.iter().filter(|row| **row == (module, name)).count(), 1, "rows for {module}::{name}");
            all += 1;
        }
    }
    assert!(all >= 80, "the tests are not found: {all}");
    assert_eq!(rows.iter().filter(|(module, _)| module.starts_with("evasions::")).count(), all);
}
