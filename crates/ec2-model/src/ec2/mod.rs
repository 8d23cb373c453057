//! EC2's actions. Each takes the caller's place and the parameters and returns the answer as a [`Tree`]. An action that
//! fails has changed nothing.

mod authorize;
mod describe;
pub(crate) mod filter;
mod groups;
mod interfaces;
mod modify;
mod page;
mod permissions;
pub(crate) mod prefix_lists;
pub(crate) mod regions;
mod revoke;
mod show;

use crate::{
    ApiError, Direction,
    params::Params,
    state::{Core, Group, Place, Vpc},
    tree::Tree,
};

/// The namespace of EC2's answers.
pub(crate) const XMLNS: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// The state that an action works on.
pub(crate) struct Context<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) place: &'a mut Place,
}

pub(crate) type Answer = Result<Tree, ApiError>;

pub(crate) fn run(ctx: &mut Context<'_>, action: &str, params: &Params) -> Answer {
    let operation: fn(&mut Context<'_>, &Params) -> Answer = match action {
        "CreateSecurityGroup" => groups::create,
        "DeleteSecurityGroup" => groups::delete,
        "AuthorizeSecurityGroupIngress" => |ctx, params| authorize::authorize(ctx, params, Direction::Ingress),
        "AuthorizeSecurityGroupEgress" => |ctx, params| authorize::authorize(ctx, params, Direction::Egress),
        "RevokeSecurityGroupIngress" => |ctx, params| revoke::revoke(ctx, params, Direction::Ingress),
        "RevokeSecurityGroupEgress" => |ctx, params| revoke::revoke(ctx, params, Direction::Egress),
        "ModifySecurityGroupRules" => modify::modify,
        "DescribeSecurityGroupRules" => describe::rules,
        "DescribeSecurityGroups" => describe::groups,
        "DescribeNetworkInterfaces" => interfaces::describe,
        "DescribeRegions" => regions::describe,
        "CreateManagedPrefixList" => prefix_lists::create,
        "ModifyManagedPrefixList" => prefix_lists::modify,
        "RestoreManagedPrefixListVersion" => prefix_lists::restore,
        "DescribeManagedPrefixLists" => prefix_lists::describe,
        "GetManagedPrefixListEntries" => prefix_lists::entries,
        unknown => {
            return Err(ApiError::new(
                "InvalidAction",
                format!("The action {unknown} is not valid for this web service."),
            ));
        }
    };
    // "Checks whether you have the required permissions for the action, without actually making the request": the
    // parameters are not checked.
    if params.is_true("DryRun") {
        return Err(ApiError::with_status(
            412,
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        ));
    }
    operation(ctx, params)
}

/// The group that `GroupId` names, or in the default VPC `GroupName`.
fn group<'a>(place: &'a mut Place, params: &Params) -> Result<&'a mut Group, ApiError> {
    match (params.get("GroupId"), params.get("GroupName")) {
        (Some(id), _) => {
            check_id("sg", id, "InvalidGroupId.Malformed")?;
            place.groups.iter_mut().find(|group| group.id == id).ok_or_else(|| ApiError::group_not_found(id))
        }
        (None, Some(name)) => {
            let vpc = place.default_vpc.clone();
            place
                .groups
                .iter_mut()
                .find(|group| group.vpc == Vpc::Default && group.name == name)
                .ok_or_else(|| unnamed(name, &vpc))
        }
        (None, None) => Err(ApiError::missing("groupName or groupId")),
    }
}

fn unnamed(name: &str, vpc: &str) -> ApiError {
    ApiError::new("InvalidGroup.NotFound", format!("The security group '{name}' does not exist in default VPC '{vpc}'"))
}

/// `prefix-` and hexadecimal digits.
fn check_id(prefix: &str, id: &str, code: &str) -> Result<(), ApiError> {
    let digits = id.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
    match digits {
        Some(digits) if digits.len() >= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(()),
        _ => Err(ApiError::new(code, format!("Invalid id: \"{id}\" (expecting \"{prefix}-...\")"))),
    }
}
