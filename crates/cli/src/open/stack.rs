//! What an operator needs of the stack, from its outputs.

use std::collections::BTreeMap;

use portcullis::aws::{AccountRegion, AwsError};

use crate::aws::Clients;

/// The stack's outputs and parameters.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    name: String,
    outputs: BTreeMap<String, String>,
    parameters: BTreeMap<String, String>,
}

/// Why the stack is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// It cannot be asked about.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// There is none.
    #[error(
        "there is no stack `{0}` in this Region: name it with --stack, and its Region with --hub-region; or name the \
         function's memory with --memory"
    )]
    None(String),
    /// It lacks something.
    #[error("the stack `{stack}` has no output {output}: {advice}")]
    Lacks {
        /// Its name.
        stack: String,
        /// What it lacks.
        output: &'static str,
        /// What to do.
        advice: &'static str,
    },
}

impl Stack {
    /// Asks CloudFormation.
    ///
    /// # Errors
    /// [`StackError`].
    pub async fn find(clients: &Clients, name: &str) -> Result<Self, StackError> {
        let asked = clients.cloudformation().describe_stacks().stack_name(name).send().await;
        let answer = match asked.map_err(|error| AwsError::from_sdk("DescribeStacks", &error)) {
            Ok(answer) => answer,
            // CloudFormation has no code of its own for it.
            Err(error) if error.code.as_str() == "ValidationError" && error.message.contains("does not exist") => {
                return Err(StackError::None(name.to_owned()));
            }
            Err(error) => return Err(error.into()),
        };
        let stack = answer.stacks().first().ok_or_else(|| StackError::None(name.to_owned()))?;
        let pair = |key: Option<&str>, value: Option<&str>| Some((key?.to_owned(), value?.to_owned()));
        Ok(Self {
            name: name.to_owned(),
            outputs: stack.outputs().iter().filter_map(|it| pair(it.output_key(), it.output_value())).collect(),
            parameters: stack
                .parameters()
                .iter()
                .filter_map(|it| pair(it.parameter_key(), it.parameter_value()))
                .collect(),
        })
    }

    /// An output.
    ///
    /// # Errors
    /// It has none of this name, and what to do about that.
    pub fn output(&self, output: &'static str, advice: &'static str) -> Result<&str, StackError> {
        let found = self.outputs.get(output).map(String::as_str).filter(|value| !value.is_empty());
        found.ok_or_else(|| StackError::Lacks { stack: self.name.clone(), output, advice })
    }

    /// An output that not every stack has.
    #[must_use]
    pub fn optional(&self, output: &str) -> Option<&str> {
        self.outputs.get(output).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Whether openings in a place end at their time and, where their schedule is lost, with a sweep. `own` is where the
    /// stack is.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn ends(&self, place: &AccountRegion, own: &AccountRegion) -> Result<(), String> {
        let AccountRegion { account, region } = place;
        self.covers(("Accounts", "account"), (account.as_str(), own.account.as_str())).map_err(|why| {
            format!(
                "the stack `{}` may not act in account {account}, and would refuse to end the opening: {why}",
                self.name
            )
        })?;
        if *account != own.account && self.optional("MemberEndRoleName").is_none() {
            let why = "the stack ends no openings in other accounts: deploy it again with Openings=yes and MemberRole, and \
                       member.yaml with Openings=yes";
            return Err(why.to_owned());
        }
        self.covers(("Regions", "Region"), (region.as_str(), own.region.as_str())).map_err(|why| {
            format!(
                "the stack `{}` does not guard Region {region}, where no sweep would end an opening whose schedule is lost: \
                 {why}",
                self.name
            )
        })
    }

    /// Whether a parameter that is a list, `*` for all, empty for the stack's own, has something in it.
    fn covers(&self, (parameter, kind): (&str, &str), (asked, own): (&str, &str)) -> Result<(), String> {
        let given = self.parameter(parameter);
        let listed = given.unwrap_or(own);
        if listed == "*" || listed.split(',').any(|one| one == asked) {
            return Ok(());
        }
        let value =
            given.map_or_else(|| format!("is empty: the stack's own {kind}, {own}"), |value| format!("is {value}"));
        Err(format!("its parameter {parameter} {value}; deploy it again with {parameter}={listed},{asked}"))
    }

    /// A parameter that is not empty.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
