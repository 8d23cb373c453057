//! The commands that mend what is wrong.

/// A word of a shell: in quotes where it has to be.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Deploys the program's own template.
pub(super) fn deploy(stack: &str) -> String {
    format!("make deploy STACK={}", word(stack))
}

/// Puts everything back that was changed behind CloudFormation's back, from the template that the stack has (CloudFormation
/// User Guide, "Using drift-aware change sets"). Without the parameters CloudFormation would take their defaults.
pub(super) fn revert(stack: &str, region: &str) -> String {
    let at = format!("--region {region} --stack-name {}", word(stack));
    format!(
        "aws cloudformation create-change-set {at} --change-set-name mend --use-previous-template --deployment-mode \
         REVERT_DRIFT --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND --parameters $(aws cloudformation \
         describe-stacks {at} --query 'Stacks[0].Parameters[].ParameterKey' --output text | tr '\\t' '\\n' | sed \
         's/.*/ParameterKey=&,UsePreviousValue=true/') && aws cloudformation wait change-set-create-complete {at} \
         --change-set-name mend && aws cloudformation execute-change-set {at} --change-set-name mend"
    )
}

pub(super) fn enable_rule(name: &str, bus: Option<&str>, region: &str) -> String {
    let bus = bus.map_or_else(String::new, |bus| format!(" --event-bus-name {}", word(bus)));
    format!("aws events enable-rule --region {region} --name {}{bus}", word(name))
}

pub(super) fn enable_alarm(name: &str, region: &str) -> String {
    format!("aws cloudwatch enable-alarm-actions --region {region} --alarm-names {}", word(name))
}

/// Brings a member up to what member.yaml has.
pub(super) fn stack_set(account: &str, region: &str) -> String {
    format!(
        "aws cloudformation update-stack-instances --stack-set-name portcullis --call-as DELEGATED_ADMIN \
         --deployment-targets Accounts={account},AccountFilterType=INTERSECTION,OrganizationalUnitIds=ROOT_ID \
         --regions {region}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_change_is_in_quotes() {
        assert_eq!(word("portcullis-Rule-1"), "portcullis-Rule-1");
        assert_eq!(word("a b$c'd"), r"'a b$c'\''d'");
        assert_eq!(word(""), "''");
    }
}
