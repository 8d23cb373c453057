//! What the command line writes, to the letter: the transcripts in `golden/`, run from the project's root as users run
//! it. After an intended change `TRYCMD=overwrite cargo test golden` writes them anew; read the difference.

use ec2_model::Permission;

use crate::cli::ROOT;
use crate::drill::stage::{Guard, Stage};
use crate::openings::stage::Stack;
use crate::operator;

pub(crate) fn transcripts(name: &str) -> trycmd::TestCases {
    // The transcripts name files as the README does. No other test depends on where it runs.
    std::env::set_current_dir(ROOT).unwrap();
    let cases = trycmd::TestCases::new();
    cases.register_bin("portcullis", trycmd::schema::Bin::Path(env!("CARGO_BIN_EXE_portcullis").into()));
    cases.env("NO_COLOR", "").case(format!("{}/tests/it/golden/{name}", env!("CARGO_MANIFEST_DIR")));
    cases
}

#[test]
fn golden_check() {
    transcripts("check/*.trycmd").run();
}

#[test]
fn golden_policy() {
    transcripts("policy/*.trycmd").run();
}

#[test]
fn golden_sweep() {
    // One after the other: the second revokes what the first has only looked at.
    let stage = operator::stage();
    let open = |port, source: &str| Permission::tcp(port, source);
    stage.group(operator::HUB, operator::DUBLIN, "web", &[open(22, "0.0.0.0/0"), open(443, "0.0.0.0/0")]);
    stage.group(
        operator::HUB,
        operator::DUBLIN,
        "db",
        &[open(3306, "::/0"), open(22, "0.0.0.0/1"), open(22, "128.0.0.0/1")],
    );
    stage.group(operator::HUB, operator::OHIO, "office", &[open(3389, "0.0.0.0/0")]);
    for name in ["sweep/looks.trycmd", "sweep/revokes.trycmd"] {
        let cases = transcripts(name);
        for (name, value) in stage.variables() {
            cases.env(name, value);
        }
        cases.run();
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
        let cases = transcripts(name);
        for (name, value) in stage.variables() {
            cases.env(name, value);
        }
        cases.run();
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
