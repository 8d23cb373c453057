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
    let context = match function::context(config).await {
        Ok(context) => context,
        Err(error) => return function::stop(&error),
    };
    match function::serve(context).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => function::stop(error.as_ref()),
    }
}
