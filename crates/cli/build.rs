//! Gives `portcullis --version` the commit that it is built from, and the tests whether there is a browser.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=PORTCULLIS_COMMIT");
    let commit = given().or_else(checked_out).unwrap_or_default();
    println!("cargo:rustc-env=PORTCULLIS_BUILT_FROM={commit}");
    has_chromium();
}

/// The tests in a browser are reported as ignored where there is none.
fn has_chromium() {
    const CHROMIUM: &str = "/usr/bin/chromium";
    println!("cargo:rustc-check-cfg=cfg(has_chromium)");
    if Path::new(CHROMIUM).exists() {
        println!("cargo:rustc-cfg=has_chromium");
        println!("cargo:rerun-if-changed={CHROMIUM}");
    }
}

/// Whoever builds from an archive, without git, can still say what it is.
fn given() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a build script is told everything by the environment")]
    let commit = std::env::var("PORTCULLIS_COMMIT").ok()?;
    let is_commit = !commit.is_empty() && commit.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_commit.then_some(commit)
}

/// Asks git, for an optimised build only: otherwise each commit would compile and link the program and its tests again.
fn checked_out() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "a build script is told everything by the environment")]
    let profile = std::env::var("PROFILE").ok()?;
    if profile != "release" {
        return None;
    }
    // An archive may have been unpacked in a checkout of something else.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    for name in ["HEAD", "index", "packed-refs"] {
        watch(&git(&["rev-parse", "--git-path", name])?);
    }
    if let Some(branch) = git(&["symbolic-ref", "--quiet", "HEAD"]) {
        watch(&git(&["rev-parse", "--git-path", &branch])?);
    }
    git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
}

/// A path that is not there would have the script run for each build.
fn watch(path: &str) {
    if Path::new(path).exists() {
        println!("cargo:rerun-if-changed={path}");
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|text| !text.is_empty())
}
