//! `portcullis hunt`, which is another program.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::cli::{folder, run};

fn portcullis(program: &std::path::Path, path: &std::path::Path, arguments: &[&str]) -> crate::cli::Ran {
    let mut command = Command::new(program);
    command.arg("hunt").args(arguments).env("PATH", path);
    run(command, "")
}

#[test]
fn the_hunts_are_run_from_beside_the_program_or_from_the_path() {
    let (beside, path) = (folder("hunt-beside"), folder("hunt-path"));
    // Where no portcullis-hunt is beside it.
    let program = beside.join("portcullis");
    std::fs::copy(env!("CARGO_BIN_EXE_portcullis"), &program).unwrap();
    let ran = portcullis(&program, &path, &["--list"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains("portcullis-hunt is not installed: it belongs beside portcullis or in PATH"),
        "{}",
        ran.stderr
    );
    for (at, words) in [(&path, "from the path"), (&beside, "from beside")] {
        let hunt = at.join("portcullis-hunt");
        std::fs::write(&hunt, format!("#!/bin/sh\necho \"{words}: $*\"\nexit 3\n")).unwrap();
        std::fs::set_permissions(&hunt, std::fs::Permissions::from_mode(0o755)).unwrap();
        let ran = portcullis(&program, &path, &["errors", "--format", "json", "--help", "logs/"]);
        assert_eq!((ran.code, ran.stdout), (3, format!("{words}: errors --format json --help logs/\n")));
    }
}
