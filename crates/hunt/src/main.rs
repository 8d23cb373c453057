//! The program behind `portcullis hunt`.

mod arguments;
mod footer;
mod on_athena;
mod progress;
mod run;
mod statements;

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run::run(&arguments::parse()) {
        Ok(code) => ExitCode::from(code),
        // The reader of the output has left: that is no trouble.
        Err(run::Trouble::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(141),
        Err(error) => {
            eprintln!("portcullis hunt: {error}");
            ExitCode::from(run::TROUBLE)
        }
    }
}
