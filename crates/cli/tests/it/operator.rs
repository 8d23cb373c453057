//! The operator's sweep: the real command line against the model over loopback.

mod credentials;
mod enforcing;
mod looking;

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use ec2_model::serve::{Server, serve};
use ec2_model::{Direction, Permission, Vpc, World, control};
use serde_json::Value;

use crate::loopback;

pub(crate) const HUB: &str = "111122223333";
const FIRST: &str = "444455556666";
const SECOND: &str = "777788889999";
pub(crate) const DUBLIN: &str = "eu-west-1";
pub(crate) const OHIO: &str = "us-east-2";

/// A hub with two members, served.
pub(crate) struct Stage {
    world: World,
    server: Server,
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Each line as JSON.
    pub(crate) fn findings(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) fn stage() -> Stage {
    let world = World::new(11);
    for member in [FIRST, SECOND] {
        world.allow_role_for(member, "portcullis", Some("gate-7f3a"), HUB);
    }
    let clock = || portcullis::now().as_millisecond();
    let server = serve(loopback(), None, control::handler(world.clone(), clock)).unwrap();
    Stage { world, server }
}

impl Stage {
    pub(crate) fn group(&self, account: &str, region: &str, name: &str, permissions: &[Permission]) -> String {
        let group = self.world.create_group(account, region, name, Vpc::Other);
        self.world.authorize(account, region, &group, permissions).unwrap();
        group
    }

    /// Puts a group of the hub on network interfaces, each with an address or without.
    pub(crate) fn use_group(&self, group: &str, addresses: &[Option<&str>]) {
        for region in [DUBLIN, OHIO].into_iter().filter(|region| !self.world.rules(HUB, region, group).is_empty()) {
            addresses.iter().for_each(|address| _ = self.world.attach(HUB, region, &[group], *address));
        }
    }

    fn sources(&self, account: &str, region: &str, group: &str) -> Vec<String> {
        let rules = self.world.rules(account, region, group).into_iter();
        let ingress = rules.filter(|rule| rule.direction == Direction::Ingress);
        ingress.map(|rule| format!("{} {}", rule.from_port, rule.source.text())).collect()
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    pub(crate) fn actions(&self) -> BTreeSet<String> {
        self.world.calls().into_iter().map(|call| call.action).collect()
    }

    /// With the hub's credentials, and these variables in their place where they are given.
    fn sweep_with(&self, arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ran {
        self.run_with(&[&["sweep"], arguments].concat(), variables, stdin)
    }

    /// Any command, with the hub's credentials.
    pub(crate) fn run(&self, arguments: &[&str], stdin: &str) -> Ran {
        self.run_with(arguments, &[], stdin)
    }

    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ran {
        let mut child = self
            .command(variables)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that reads no input may have ended before it gets any.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), stdin.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// The hub's credentials, at the model.
    pub(crate) fn variables(&self) -> [(&'static str, String); 7] {
        let url = self.server.url();
        let of = |(name, value): (&'static str, &str)| (name, value.to_owned());
        [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_ACCESS_KEY_ID", HUB),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", DUBLIN),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]
        .map(of)
    }

    pub(crate) fn command(&self, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.env_clear().envs(self.variables());
        for (name, value) in variables {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        command
    }

    fn sweep(&self, arguments: &[&str]) -> Ran {
        self.sweep_with(arguments, &[], "")
    }
}

/// All three accounts, in two Regions.
const EVERYWHERE: [&str; 14] = [
    "--account",
    HUB,
    "--account",
    FIRST,
    "--account",
    SECOND,
    "--region",
    DUBLIN,
    "--region",
    OHIO,
    "--role",
    "portcullis",
    "--external-id",
    "gate-7f3a",
];

fn everywhere<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&EVERYWHERE, more].concat()
}

fn ssh(source: &str) -> Permission {
    Permission::tcp(22, source)
}
