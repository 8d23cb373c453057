//! What the command line writes, to the letter: the transcripts in `golden/`, run from the project's root as users run
//! it. After an intended change `TRYCMD=overwrite cargo test golden` writes them anew; read the difference.

use std::path::Path;

use ec2_model::Permission;
use serde_json::json;
use snapbox::Data;

use crate::cli::{ROOT, folder, on_a_terminal};
use crate::drill::stage::{Guard, Stage};
use crate::openings::stage::Stack;
use crate::{history, operator};

pub(crate) fn transcripts(name: &str) -> trycmd::TestCases {
    // The transcripts name files as the README does. No other test depends on where it runs.
    std::env::set_current_dir(ROOT).unwrap();
    let cases = trycmd::TestCases::new();
    cases.register_bin("portcullis", trycmd::schema::Bin::Path(env!("CARGO_BIN_EXE_portcullis").into()));
    cases.env("NO_COLOR", "").case(format!("{}/tests/it/golden/{name}", env!("CARGO_MANIFEST_DIR")));
    cases
}

type Variables<'a> = &'a [(&'a str, String)];

fn with(name: &str, variables: Variables<'_>) {
    let cases = transcripts(name);
    for (name, value) in variables {
        cases.env(*name, value);
    }
    cases.run();
}

/// The same at 80 columns and at 120: what is no table is not folded.
fn at_both_widths(name: &str, variables: Variables<'_>) {
    for columns in ["80", "120"] {
        with(name, &[variables, &[("COLUMNS", columns.to_owned())]].concat());
    }
}

/// The rest of the golden files: texts that a transcript cannot show. `SNAPSHOTS=overwrite` writes them anew.
pub(crate) fn same_as(name: &str, text: String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name);
    snapbox::assert_data_eq!(text, Data::read_from(&file, None).raw());
}

#[test]
fn golden_words() {
    at_both_widths("words/*.trycmd", &[]);
}

#[test]
fn golden_check() {
    transcripts("check/*.trycmd").run();
}

#[test]
fn golden_policy() {
    at_both_widths("policy/*.trycmd", &[]);
}

#[test]
fn golden_sweep() {
    // One after the other: the second revokes what the first has only looked at.
    let stage = operator::stage();
    let open = |port, source: &str| Permission::tcp(port, source);
    let web = stage.group(operator::HUB, operator::DUBLIN, "web", &[open(22, "0.0.0.0/0"), open(443, "0.0.0.0/0")]);
    stage.group(
        operator::HUB,
        operator::DUBLIN,
        "db",
        &[open(3306, "::/0"), open(22, "0.0.0.0/1"), open(22, "128.0.0.0/1")],
    );
    let office = stage.group(operator::HUB, operator::OHIO, "office", &[open(3389, "0.0.0.0/0")]);
    stage.use_group(&web, &[Some("198.51.100.7"), Some("2001:db8::7"), None]);
    stage.use_group(&office, &[None]);
    for name in ["sweep/looks.trycmd", "sweep/revokes.trycmd"] {
        with(name, &stage.variables());
    }
}

#[test]
fn golden_sweep_words() {
    let stage = operator::stage();
    stage.group(operator::HUB, operator::DUBLIN, "web", &[Permission::tcp(22, "0.0.0.0/0")]);
    stage.world().put_object("policies", "policy.yaml", "version: 1\nguard: [ssh]\n");
    at_both_widths("sweep/words.trycmd", &stage.variables());
    stage.world().deny(operator::HUB, "DescribeNetworkInterfaces");
    with("sweep/uses.trycmd", &stage.variables());
}

#[test]
fn golden_credentials() {
    let home = folder("golden-credentials");
    let variables = [
        ("HOME", home.to_str().unwrap()),
        ("AWS_CONFIG_FILE", "crates/cli/tests/it/golden/inputs/profiles.txt"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_REGION", ""),
    ];
    at_both_widths("credentials/*.trycmd", &variables.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn golden_question() {
    for columns in ["80", "120"] {
        let stage = operator::stage();
        let open = |port, source: &str| Permission::tcp(port, source);
        stage.group(operator::HUB, operator::DUBLIN, "web", &[open(22, "0.0.0.0/0"), open(443, "0.0.0.0/0")]);
        // In one Region: several come in no order.
        stage.group(operator::HUB, operator::DUBLIN, "db", &[open(3306, "::/0")]);
        let mut command = stage.command(&[("COLUMNS", columns), ("NO_COLOR", "1")]);
        command.args(["sweep", "--region", operator::DUBLIN, "--enforce"]);
        let (terminal, stdout, code) = on_a_terminal(command, "yes\n");
        same_as(
            &format!("sweep/question-{columns}.txt"),
            format!("{terminal}--- standard output, status {code}\n{stdout}"),
        );
    }
}

#[test]
fn golden_report() {
    let stage = operator::stage();
    let open = |port, source: &str| Permission::tcp(port, source);
    stage.group(operator::HUB, operator::DUBLIN, "web", &[open(22, "0.0.0.0/0"), open(443, "0.0.0.0/0")]);
    stage.group(operator::HUB, operator::DUBLIN, "db", &[open(3306, "::/0"), open(22, "0.0.0.0/0")]);
    let place = folder("golden-report").join("evidence").to_str().unwrap().to_owned();
    let ran = stage.run(&["sweep", "--region", operator::DUBLIN, "--enforce", "--yes", "--evidence", &place], "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    for name in ["report/wide.trycmd", "report/narrow.trycmd"] {
        with(name, &[("PORTCULLIS_EVIDENCE", place.clone())]);
    }
}

#[test]
fn golden_history() {
    for name in ["history/wide.trycmd", "history/narrow.trycmd"] {
        let events = json!({"Events": [history::looked_up("ssh-open"), history::looked_up("rdp-open-ipv6")]});
        let (url, _) = history::cloudtrail(vec![(200, events)]);
        let keys = ("AWS_ACCESS_KEY_ID", operator::HUB.to_owned());
        with(name, &[("AWS_ENDPOINT_URL", url), keys, ("AWS_SECRET_ACCESS_KEY", "secret".to_owned())]);
    }
}

#[test]
fn golden_drill() {
    let (alert, enforce) = (Guard { outcome: "would_revert", ..Guard::default() }, Guard::default());
    let marker = Guard { outcome: "none", verdict: "safe", closes: false, ..Guard::default() };
    for (name, guard) in
        [("drill/closed.trycmd", enforce), ("drill/reported.trycmd", alert), ("drill/marker.trycmd", marker)]
    {
        let stage = Stage::new(guard);
        let variables: Vec<(&str, String)> = stage.variables().into_iter().collect();
        with(name, &variables);
    }
}

#[test]
fn golden_openings() {
    let stack = Stack::new();
    stack.group("web");
    let cases = transcripts("openings/life.trycmd");
    for (name, value) in stack.variables() {
        cases.env(name, value);
    }
    cases.run();
}

#[test]
fn golden_help() {
    transcripts("help/*.trycmd").run();
}
