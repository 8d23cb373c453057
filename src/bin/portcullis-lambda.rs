//! The Lambda function.

use std::process::ExitCode;

use portcullis::config::Config;
use portcullis::function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return function::stop(&error),
    };
    function::log_to_stderr(&config.log);
    let guard = match function::guard(config).await {
        Ok(guard) => guard,
        Err(error) => return function::stop(&error),
    };
    match function::serve(guard).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => function::stop(error.as_ref()),
    }
}
