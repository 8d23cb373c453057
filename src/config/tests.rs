use std::collections::BTreeMap;

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Config::read(|name| variables.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn with_nothing_set_the_function_alerts_by_the_built_in_policy_in_its_own_account() {
    let config = read(&[]).unwrap();
    assert_eq!(config.mode, Mode::Alert);
    assert_eq!(config.policy, PolicySource::BuiltIn);
    assert_eq!(config.accounts, Accounts::Own);
    assert_eq!((config.member_role, config.topic), (None, None));
    assert_eq!(config.log.to_string(), "info");
}

#[test]
fn every_variable_is_taken() {
    let config = read(&[
        ("PORTCULLIS_MODE", "enforce"),
        ("PORTCULLIS_POLICY", "s3://bucket/a/policy.yaml"),
        ("PORTCULLIS_MEMBER_ROLE", "PortcullisMember"),
        ("PORTCULLIS_EXTERNAL_ID", "org:1/x"),
        ("PORTCULLIS_ACCOUNTS", "111122223333, 444455556666"),
        ("PORTCULLIS_TOPIC_ARN", "arn:aws-us-gov:sns:us-gov-west-1:111122223333:findings"),
        ("PORTCULLIS_LOG_ROLE", "arn:aws-us-gov:iam::444455556666:role/path/log-reader"),
        ("PORTCULLIS_MEMORY", "portcullis-Memory-1X.a"),
        ("PORTCULLIS_EVENT_BUS", "arn:aws-us-gov:events:us-gov-west-1:111122223333:event-bus/a/findings"),
        ("PORTCULLIS_SECURITY_HUB", "yes"),
        ("RUST_LOG", "warn,portcullis=debug"),
    ])
    .unwrap();
    let log_role = config.log_role.unwrap();
    assert_eq!(log_role.arn, "arn:aws-us-gov:iam::444455556666:role/path/log-reader");
    assert_eq!(log_role.external_id.as_deref(), Some("org:1/x"));
    assert_eq!(config.mode, Mode::Enforce);
    assert_eq!(config.policy, PolicySource::S3 { bucket: "bucket".into(), key: "a/policy.yaml".into() });
    let role = MemberRole { name: "PortcullisMember".into(), external_id: Some("org:1/x".into()) };
    assert_eq!(config.member_role, Some(role));
    let ids = ["111122223333", "444455556666"].map(|id| AccountId::parse(id).unwrap());
    assert_eq!(config.accounts, Accounts::Listed(ids.into()));
    assert!(config.topic.is_some());
    assert_eq!(config.memory, Store::Table("portcullis-Memory-1X.a".into()));
    assert_eq!(read(&[("PORTCULLIS_MEMORY", "./memory")]).unwrap().memory, Store::Folder("./memory".into()));
    assert_eq!(read(&[]).unwrap().memory, Store::None);
    assert!(
        config.destinations.event_bus.unwrap().ends_with("event-bus/a/findings") && config.destinations.security_hub
    );
    let off = read(&[("PORTCULLIS_SECURITY_HUB", "no")]).unwrap().destinations;
    assert_eq!([off, read(&[]).unwrap().destinations], [Destinations::default(), Destinations::default()]);
    let named = read(&[("PORTCULLIS_EVENT_BUS", "default")]).unwrap().destinations;
    assert_eq!(named, Destinations { event_bus: Some("default".into()), ..Destinations::default() });
    assert!(read(&[("PORTCULLIS_TOPIC_OCSF", "yes")]).unwrap().destinations.topic_ocsf);
    let (role, ends) = (("PORTCULLIS_MEMBER_ROLE", "p"), ("PORTCULLIS_MEMBER_END_ROLE", "p-end"));
    let ends = read(&[role, ends, ("PORTCULLIS_EXTERNAL_ID", "org-1")]).unwrap().member_end_role;
    assert_eq!(ends, Some(MemberRole { name: "p-end".into(), external_id: Some("org-1".into()) }));
    let ambient = read(&[("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "AKIA")]).unwrap().ambient;
    assert_eq!(ambient, Ambient { region: Some(Region::parse("eu-west-1").unwrap()), credentials: true });
    assert_eq!(read(&[]).unwrap().ambient, Ambient::default());
    assert_eq!(read(&[("PORTCULLIS_ACCOUNTS", "*")]).unwrap().accounts, Accounts::Any);
    assert_eq!(read(&[("PORTCULLIS_POLICY", "p.yaml")]).unwrap().policy, PolicySource::File("p.yaml".into()));
    assert_eq!(read(&[("PORTCULLIS_MODE", "")]).unwrap().mode, Mode::Alert, "empty is unset");
}

#[test]
fn a_value_that_does_not_parse_is_named_with_its_variable_and_what_is_accepted() {
    for (variable, value, message) in [
        ("PORTCULLIS_MODE", "Enforce", "PORTCULLIS_MODE=`Enforce`: expected alert or enforce"),
        (
            "PORTCULLIS_POLICY",
            "s3://bucket",
            "PORTCULLIS_POLICY=`s3://bucket`: expected a file's path, or s3://bucket/key",
        ),
        (
            "PORTCULLIS_POLICY",
            "https://x/y",
            "PORTCULLIS_POLICY=`https://x/y`: expected a file's path, or s3://bucket/key",
        ),
        (
            "PORTCULLIS_LOG_ROLE",
            "log-reader",
            "PORTCULLIS_LOG_ROLE=`log-reader`: expected a role's ARN, arn:aws:iam::ACCOUNT:role/NAME",
        ),
        (
            "PORTCULLIS_MEMBER_ROLE",
            "path/Role",
            "PORTCULLIS_MEMBER_ROLE=`path/Role`: expected a role's name without a path: 1 to 64 letters, digits and _+=,.@-",
        ),
        ("PORTCULLIS_EXTERNAL_ID", "x", "PORTCULLIS_EXTERNAL_ID=`x`: expected 2 to 1224 letters, digits and _+=,.@:/-"),
        (
            "PORTCULLIS_EXTERNAL_ID",
            "xyz",
            "PORTCULLIS_EXTERNAL_ID=`xyz`: expected PORTCULLIS_MEMBER_ROLE beside it: it is that role's external id",
        ),
        (
            "PORTCULLIS_ACCOUNTS",
            "111122223333,12",
            "PORTCULLIS_ACCOUNTS=`12`: expected twelve-digit account ids separated by commas, or *",
        ),
        (
            "PORTCULLIS_TOPIC_ARN",
            "arn:aws:sqs:x:1:q",
            "PORTCULLIS_TOPIC_ARN=`arn:aws:sqs:x:1:q`: expected an SNS topic's ARN, arn:aws:sns:REGION:ACCOUNT:NAME",
        ),
        (
            "PORTCULLIS_MEMORY",
            "my table",
            "PORTCULLIS_MEMORY=`my table`: expected a DynamoDB table's name, or a folder: a path with a /, such as ./memory",
        ),
        (
            "PORTCULLIS_MEMORY",
            "s3://bucket/memory",
            "PORTCULLIS_MEMORY=`s3://bucket/memory`: expected a DynamoDB table's name, or a folder: a path with a /, such \
             as ./memory",
        ),
        ("PORTCULLIS_SECURITY_HUB", "true", "PORTCULLIS_SECURITY_HUB=`true`: expected yes or no"),
        ("PORTCULLIS_TOPIC_OCSF", "true", "PORTCULLIS_TOPIC_OCSF=`true`: expected yes or no"),
        (
            "PORTCULLIS_MEMBER_END_ROLE",
            "arn:x",
            "PORTCULLIS_MEMBER_END_ROLE=`arn:x`: expected a role's name without a path: 1 to 64 letters, digits and _+=,.@-",
        ),
        (
            "PORTCULLIS_EVENT_BUS",
            "a bus",
            "PORTCULLIS_EVENT_BUS=`a bus`: expected an event bus's name, or its ARN, \
             arn:aws:events:REGION:ACCOUNT:event-bus/NAME",
        ),
        (
            "PORTCULLIS_EVENT_BUS",
            "arn:aws:sns:eu-west-1:111122223333:bus",
            "PORTCULLIS_EVENT_BUS=`arn:aws:sns:eu-west-1:111122223333:bus`: expected an event bus's name, or its ARN, \
             arn:aws:events:REGION:ACCOUNT:event-bus/NAME",
        ),
        (
            "PORTCULLIS_EVIDENCE",
            "https://bucket",
            "PORTCULLIS_EVIDENCE=`https://bucket`: expected s3://bucket, s3://bucket/prefix, or a folder's path",
        ),
        (
            "PORTCULLIS_EVIDENCE",
            "s3://",
            "PORTCULLIS_EVIDENCE=`s3://`: expected s3://bucket, s3://bucket/prefix, or a folder's path",
        ),
        (
            "PORTCULLIS_EVIDENCE_DAYS",
            "400",
            "PORTCULLIS_EVIDENCE_DAYS=`400`: expected a number of days from 1 to 36500, and PORTCULLIS_EVIDENCE in S3 beside it",
        ),
        ("PORTCULLIS_RESTORE", "yes", "PORTCULLIS_RESTORE=`yes`: expected revoke or former"),
        (
            "RUST_LOG",
            "loud",
            "RUST_LOG=`loud`: expected off, error, warn, info, debug, trace, or a list such as info,portcullis=debug",
        ),
    ] {
        assert_eq!(read(&[(variable, value)]).unwrap_err().to_string(), message);
    }
}

#[test]
fn evidence_goes_to_a_bucket_for_some_days_or_to_a_folder() {
    let place = |value: &str, days: Option<&str>| {
        let variables = [("PORTCULLIS_EVIDENCE", value), ("PORTCULLIS_EVIDENCE_DAYS", days.unwrap_or_default())];
        read(&variables).map(|config| config.evidence)
    };
    let s3 = |prefix: &str, days| {
        let (bucket, prefix) = ("kept".to_owned(), prefix.to_owned());
        Ok(Some(EvidencePlace::S3 { bucket, prefix, days }))
    };
    assert_eq!(place("s3://kept", None), s3("", None));
    assert_eq!(place("s3://kept/", None), s3("", None));
    assert_eq!(place("s3://kept/a/b", Some("400")), s3("a/b/", Some(400)));
    assert_eq!(place("./kept", None), Ok(Some(EvidencePlace::Folder("./kept".into()))));
    for (value, days) in [("./kept", "400"), ("s3://kept", "0"), ("s3://kept", "many"), ("s3://kept", "36501")] {
        assert_eq!(place(value, Some(days)).unwrap_err().variable, "PORTCULLIS_EVIDENCE_DAYS", "{value} {days}");
    }
}

#[test]
fn modified_rules_are_given_back_only_where_it_says_so() {
    for (value, restores) in [("", false), ("revoke", false), ("former", true)] {
        assert_eq!(read(&[("PORTCULLIS_RESTORE", value)]).map(|config| config.restores), Ok(restores));
    }
}
