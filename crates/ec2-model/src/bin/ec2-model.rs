//! Serves the model of EC2 on a loopback port.

use std::{io::Write, net::TcpListener, process::ExitCode, time::SystemTime};

use ec2_model::{
    World,
    control::{self, HELP},
    serve::{serve, tls_config},
};

const USAGE: &str = "\
A small faithful model of EC2's security-group API (with CloudTrail, STS, SNS, SQS, Organizations, DynamoDB, and reading S3) on a
loopback port.

Usage: ec2-model [--listen ADDRESS] [--tls CERT.pem KEY.pem] [--seed NUMBER]

  --listen ADDRESS         where to listen; default 127.0.0.1:0 (any free port)
  --tls CERT.pem KEY.pem   speak TLS with this certificate chain and key
  --seed NUMBER            where the ids come from; default 1
  --help                   this text

It prints one line, `listening on URL`, and runs until it is stopped. The access key is the account (twelve digits),
the secret may be anything.

  ec2-model --listen 127.0.0.1:4599 &
  curl -s http://127.0.0.1:4599/_model/create-group \\
       -d '{\"account\":\"111122223333\",\"region\":\"eu-west-1\",\"name\":\"web\",\"vpc\":\"other\"}'
  AWS_ACCESS_KEY_ID=111122223333 AWS_SECRET_ACCESS_KEY=x AWS_REGION=eu-west-1 \\
       aws --endpoint-url http://127.0.0.1:4599 ec2 describe-security-group-rules

Control endpoints, JSON in and out:

";

struct Options {
    listen: String,
    tls: Option<(String, String)>,
    seed: u64,
}

enum Wish {
    Help,
    Serve(Options),
}

fn main() -> ExitCode {
    let outcome = parse(std::env::args().skip(1)).map_err(|why| (2, why)).and_then(|wish| match wish {
        Wish::Help => {
            // A reader that closes the pipe early (`--help | head`) is not an error.
            let _ = write!(std::io::stdout(), "{USAGE}{HELP}");
            Ok(())
        }
        Wish::Serve(options) => run(&options).map_err(|why| (1, why)),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((status, why)) => {
            eprintln!("ec2-model: {why}");
            ExitCode::from(status)
        }
    }
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Wish, String> {
    let mut options = Options { listen: "127.0.0.1:0".into(), tls: None, seed: 1 };
    while let Some(arg) = args.next() {
        let mut value = |what: &str| args.next().ok_or_else(|| format!("{arg} needs {what}; see --help"));
        match arg.as_str() {
            "--help" | "-h" => return Ok(Wish::Help),
            "--listen" => options.listen = value("an address")?,
            "--tls" => options.tls = Some((value("a certificate and a key")?, value("a key after the certificate")?)),
            "--seed" => {
                let text = value("a number")?;
                options.seed = text.parse().map_err(|_| format!("--seed {text}: a whole number is needed"))?;
            }
            unknown => return Err(format!("{unknown} is not an option; see --help")),
        }
    }
    Ok(Wish::Serve(options))
}

fn run(options: &Options) -> Result<(), String> {
    let read = |path: &String| std::fs::read(path).map_err(|why| format!("{path}: {why}"));
    let tls = match &options.tls {
        None => None,
        Some((chain, key)) => Some(tls_config(&read(chain)?, &read(key)?).map_err(|why| why.to_string())?),
    };
    let listener = TcpListener::bind(&options.listen).map_err(|why| format!("{}: {why}", options.listen))?;
    let server =
        serve(listener, tls, control::handler(World::new(options.seed), unix_millis)).map_err(|why| why.to_string())?;
    println!("listening on {}", server.url());
    std::io::stdout().flush().map_err(|why| why.to_string())?;
    loop {
        std::thread::park();
    }
}

#[expect(clippy::disallowed_methods, reason = "served to real clients, the model lives in real time")]
fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
