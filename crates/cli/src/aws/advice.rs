//! What an operator can do about an error of AWS.

use portcullis::aws::CallerError;

use crate::operator::no_credentials;

const NO_REGION: &str = "no Region is configured: set AWS_REGION, or give --region";

/// Why nobody can say who calls, and what to do about it.
#[must_use]
pub fn on_caller(error: &CallerError, command: &str) -> String {
    match error {
        CallerError::NoRegion => NO_REGION.to_owned(),
        CallerError::OddRegion(_) => format!("{error} (set AWS_REGION)"),
        CallerError::NoCredentials(why) => no_credentials(why),
        CallerError::Aws(error) => with(&error.to_string(), command),
    }
}

/// An error, as it shows itself (`CALL: CODE: message`), and what to do about it where that is known. `command` is the one
/// whose help lists the permissions.
#[must_use]
pub fn with(error: &str, command: &str) -> String {
    let mut parts = error.splitn(3, ": ");
    let (call, code) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match (on(call, code), code) {
        (Some(advice), _) => format!("{error} ({advice})"),
        (None, "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "AuthorizationError") => {
            format!("{error} (`portcullis help {command}` lists the permissions that it needs)")
        }
        (None, _) => error.to_owned(),
    }
}

fn on(call: &str, code: &str) -> Option<&'static str> {
    match (call, code) {
        ("AssumeRole", "AccessDenied") => Some(
            "does the account have a role of the name --role that trusts you, with the external id --external-id? And \
             may you assume it?",
        ),
        ("ListAccounts", "AccessDeniedException" | "AWSOrganizationsNotInUseException") => Some(
            "use credentials of the organisation's management account or a delegated administrator, or name the accounts \
             with --account",
        ),
        ("CreateSecurityGroup", "VPCIdNotSpecified" | "DefaultVpcDoesNotExist" | "InvalidVpcID.NotFound") => {
            Some("name a VPC of this Region with --vpc")
        }
        ("GetFunctionConfiguration", "ResourceNotFoundException") => {
            Some("name the function with --function, and its Region with --hub-region")
        }
        ("CreateTrail", code) => on_trail(code),
        (_, "ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            Some("the credentials have expired: log in again, and export them again if you have exported them")
        }
        (
            _,
            "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
            | "MissingAuthenticationToken",
        ) => {
            Some("AWS does not know these credentials: check AWS_PROFILE, or AWS_ACCESS_KEY_ID and what belongs to it")
        }
        (_, "AuthFailure" | "OptInRequired") => Some("is the Region enabled in the account?"),
        (_, "NoAnswer" | "Timeout") => Some("is the Region's code right, and can AWS be reached from here?"),
        _ => None,
    }
}

/// CloudTrail API Reference, CreateTrail, "Errors".
fn on_trail(code: &str) -> Option<&'static str> {
    Some(match code {
        "CloudTrailAccessNotEnabledException" => {
            "in the management account: aws organizations enable-aws-service-access --service-principal \
             cloudtrail.amazonaws.com"
        }
        "NotOrganizationMasterAccountException"
        | "NotOrganizationManagementAccountException"
        | "InsufficientDependencyServiceAccessPermissionException" => {
            "use credentials of the organisation's management account, or of CloudTrail's delegated administrator"
        }
        "OrganizationNotInAllFeaturesModeException" => "the organisation must have all features enabled",
        "OrganizationsNotInUseException" => "the account is in no organisation: leave out --organization",
        "InsufficientEncryptionPolicyException"
        | "KmsException"
        | "KmsKeyDisabledException"
        | "KmsKeyNotFoundException" => {
            "is the key enabled and in the bucket's Region, and does its policy let cloudtrail.amazonaws.com use \
             kms:GenerateDataKey* and kms:DescribeKey?"
        }
        "MaximumNumberOfTrailsExceededException" => {
            "a Region has at most five trails: `portcullis trail show` lists them"
        }
        "InsufficientS3BucketPolicyException" | "InsufficientSnsTopicPolicyException" => {
            "what was just made may not show everywhere yet: run it again"
        }
        _ => return None,
    })
}
