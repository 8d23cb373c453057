//! What the command line writes, to the letter: the transcripts in `golden/`, run from the project's root as users run
//! it. After an intended change `TRYCMD=overwrite cargo test golden` writes them anew; read the difference.

use crate::cli::ROOT;

fn transcripts(name: &str) -> trycmd::TestCases {
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
fn golden_help() {
    transcripts("help/*.trycmd").run();
}
