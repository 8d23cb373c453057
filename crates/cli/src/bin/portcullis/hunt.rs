//! `portcullis hunt`: runs the program `portcullis-hunt`, which is built and installed apart, because its SQL engine is larger
//! than everything else.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Hunt {
    /// What portcullis-hunt gets: portcullis hunt --help
    #[arg(value_name = "ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

const NAME: &str = "portcullis-hunt";

/// Becomes `portcullis-hunt`. Returns only if that is not there.
///
/// # Errors
/// That it is not there, or cannot be run.
pub(crate) fn run(hunt: &Hunt) -> io::Result<u8> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(NAME)));
    let program = beside.filter(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(NAME));
    let error = Command::new(program).args(&hunt.arguments).exec();
    if error.kind() == io::ErrorKind::NotFound {
        return Err(io::Error::other(
            "portcullis-hunt is not installed: it belongs beside portcullis or in PATH. In the project's folder, make hunt builds \
             it and make install installs both",
        ));
    }
    Err(io::Error::new(error.kind(), format!("{NAME}: {error}")))
}
