//! What the templates have to take: the Regions of today, SNS by whatever name it comes, and events of the accounts that
//! they name.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use boon::{Compiler, Schemas};
use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("../../../template.yaml");
const MEMBER: &str = include_str!("../../../member.yaml");

/// A template as plain data. The tags (`!Sub`, `!Ref` and others) are dropped and their arguments kept.
fn template(yaml: &str) -> Value {
    let options = serde_saphyr::options! { no_schema: true };
    serde_saphyr::from_str_with_options(yaml, options).unwrap()
}

/// Whether a parameter takes a value.
fn takes(template: &Value, parameter: &str, value: &str) -> bool {
    let schema = json!({"pattern": template["Parameters"][parameter]["AllowedPattern"]});
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("pattern.json", schema).unwrap();
    let index = compiler.compile("pattern.json", &mut schemas).unwrap();
    schemas.validate(&json!(value), index).is_ok()
}

#[test]
fn regions_of_every_partition_can_be_named() {
    let (hub, member) = (template(TEMPLATE), template(MEMBER));
    for region in ["eu-west-1", "ap-southeast-7", "us-gov-west-1", "cn-north-1", "us-isob-east-1", "eusc-de-east-1"] {
        for (template, parameter) in
            [(&hub, "Regions"), (&member, "HubRegion"), (&member, "Regions"), (&member, "HomeRegion")]
        {
            assert!(takes(template, parameter, region), "{parameter}: {region}");
            assert!(!takes(template, parameter, "Dublin") && !takes(template, parameter, "eu-west"), "{parameter}");
        }
    }
    assert!(takes(&hub, "Regions", "eu-west-1,eusc-de-east-1") && takes(&hub, "Regions", ""));
}

/// SNS Developer Guide, "Cross-Region delivery": where the topic or the queue is in an opt-in Region, the principal is
/// `sns.REGION.amazonaws.com`.
#[test]
fn the_queue_takes_what_the_topic_sends_by_whatever_name_sns_comes() {
    let hub = template(TEMPLATE);
    let policy = hub["Resources"]["LogQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"].to_string();
    let of_topic = json!({"ArnEquals": {"aws:SourceArn": "LogTopicArn"}}).to_string();
    assert!(policy.contains(&of_topic), "{policy}");
    assert!(policy.contains(r#""Principal":"*""#) && !policy.contains("sns.amazonaws.com"), "{policy}");
    // It subscribes where the topic is.
    let region = &hub["Resources"]["LogTopicSubscription"]["Properties"]["Region"];
    assert_eq!(*region, json!([3, [":", "LogTopicArn"]]));
}

#[test]
fn the_rules_on_the_bus_take_events_of_the_accounts_that_are_named() {
    let hub = template(TEMPLATE);
    for rule in ["BusRule", "TamperMembersRule"] {
        let properties = &hub["Resources"][rule]["Properties"];
        assert_eq!(properties["EventBusName"], "Bus", "{rule}");
        let expected = json!(["NamesAccounts", [",", "Accounts"], "AWS::NoValue"]);
        assert_eq!(properties["EventPattern"]["account"], expected, "{rule}");
    }
    let names = &hub["Conditions"]["NamesAccounts"];
    assert_eq!(*names, json!(["HasAccounts", ["AnyAccount"], "FitsIntoPattern"]));
    assert!(hub["Resources"]["Rule"]["Properties"]["EventPattern"].get("account").is_none(), "its own are all its own");
}

/// What ends openings in a member's account may revoke and nothing else, for the hub's function alone; and nothing there can
/// wake the function, or write to what it remembers.
#[test]
fn a_members_openings_are_ended_by_a_role_of_their_own_and_scheduled_by_nobody_there() {
    let (hub, member) = (template(TEMPLATE), template(MEMBER));
    let (role, usual) = (&member["Resources"]["EndRole"], &member["Resources"]["Role"]);
    let trust = |role: &Value| role["Properties"]["AssumeRolePolicyDocument"].clone();
    assert_eq!(trust(role), trust(usual), "the hub's function, with the external id");
    let policies = role["Properties"]["Policies"].as_array().unwrap();
    assert_eq!(policies.len(), 1);
    let statements = policies[0]["PolicyDocument"]["Statement"].as_array().unwrap();
    assert_eq!((statements.len(), &statements[0]["Action"]), (1, &json!("ec2:RevokeSecurityGroupIngress")));
    // One name, as the hub makes it of its parameter and the member of its own.
    assert_eq!(role["Properties"]["RoleName"], "${RoleName}-end");
    let variables = &hub["Resources"]["Function"]["Properties"]["Environment"]["Variables"];
    assert_eq!(variables["PORTCULLIS_MEMBER_END_ROLE"], json!(["EndsInMembers", "${MemberRole}-end", "AWS::NoValue"]));
    assert_eq!(hub["Outputs"]["MemberEndRoleName"]["Value"], "${MemberRole}-end");
    for (resource, condition) in [(role, "EndsOpenings"), (&member["Resources"]["OperatorPolicy"], "EndsOpenings")] {
        assert_eq!(resource["Condition"], condition);
    }
    let needs = member["Conditions"]["EndsOpenings"].to_string();
    assert!(needs.contains("NeedsRole") && needs.contains("Openings"), "{needs}");
    assert_eq!(member["Parameters"]["Openings"]["Default"], "no");
    let text = member["Resources"].to_string();
    for never in ["scheduler", "lambda:", "dynamodb", "s3:", "iam:PassRole"] {
        assert!(!text.contains(never), "{never}");
    }
}

/// One policy serves many teams: the tag of each names its account. Without the parameter nothing is narrowed.
#[test]
fn operators_waive_and_open_in_the_account_of_their_tag_where_the_parameter_asks_for_it() {
    let hub = template(TEMPLATE);
    let policy = &hub["Resources"]["OperatorPolicy"]["Properties"]["PolicyDocument"]["Statement"];
    let condition = |sid: &str| {
        let one = policy.as_array().unwrap().iter().find(|one| one["Sid"] == sid).unwrap();
        assert_eq!((&one["Condition"][0], &one["Condition"][2]), (&json!("HasOperatorTag"), &json!("AWS::NoValue")));
        one["Condition"][1].clone()
    };
    const TAG: &str = "${!aws:PrincipalTag/${OperatorTag}}";
    let keys = [format!("{TAG}/*"), format!("openings#{TAG}/*")];
    let expected = json!({"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}});
    assert_eq!(condition("Remember"), expected);
    assert_eq!(condition("OpenAndClose"), json!({"StringEquals": {"aws:ResourceAccount": TAG}}));
    assert_eq!(hub["Parameters"]["OperatorTag"]["Default"], "");
    assert!(takes(&hub, "OperatorTag", "team-account") && takes(&hub, "OperatorTag", "x:y/z"));
    assert!(!takes(&hub, "OperatorTag", "a}b") && !takes(&hub, "OperatorTag", "a*"));
    // These are the keys: `111122223333/eu-west-1/sg-…` and `openings#111122223333/eu-west-1`.
    let (account, region) = ("111122223333".parse().unwrap(), "eu-west-1".parse().unwrap());
    let list = portcullis_domain::memory::openings_of(&account, &region);
    let item = portcullis_domain::memory::item_of(&account, &region, &"sg-1".parse().unwrap());
    assert!(list.starts_with("openings#111122223333/") && item.starts_with("111122223333/"));
}
