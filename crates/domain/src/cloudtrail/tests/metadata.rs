//! Caller, place and time.

use super::*;

#[test]
fn the_record_says_who_did_it_from_where_and_when() {
    let change = change(&ssh_from_anywhere());
    let event = EventMetadata {
        id: Some("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee".to_owned()),
        time: Some("2026-11-21T10:00:00Z".parse().unwrap()),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        call: Some("AuthorizeSecurityGroupIngress".to_owned()),
        actor: Some("arn:aws:sts::111122223333:assumed-role/Deploy/jo".to_owned()),
        issuer: Some("arn:aws:iam::111122223333:role/Deploy".to_owned()),
        source_ip: Some("198.51.100.7".to_owned()),
        user_agent: Some("aws-cli/2.31".to_owned()),
    };
    assert_eq!(change.event, event);
    assert_eq!((change.account.as_str(), change.region.as_str()), ("111122223333", "eu-west-1"));
    assert_eq!(change.call, Call::Authorize);
}

#[test]
fn a_sparse_identity_gives_the_next_best_actor() {
    for (identity, actor) in [
        (
            json!({"accountId": "111122223333", "invokedBy": "cloudformation.amazonaws.com"}),
            "cloudformation.amazonaws.com",
        ),
        (json!({"type": "IAMUser", "userName": "jo", "principalId": "AIDA"}), "jo"),
        (json!({"principalId": "AIDA", "arn": "", "userName": null}), "AIDA"),
        (json!({"accountId": "111122223333", "sessionContext": {"sessionIssuer": {}}}), "111122223333"),
    ] {
        let event = change(&with(ssh_from_anywhere(), "/userIdentity", identity)).event;
        assert_eq!((event.actor.as_deref(), event.issuer), (Some(actor), None));
    }
    for nobody in [json!({}), Value::Null, json!("root"), json!([1])] {
        let event = change(&with(ssh_from_anywhere(), "/userIdentity", nobody)).event;
        assert_eq!((event.actor, event.account.as_deref()), (None, Some("111122223333")));
    }
}

#[test]
fn an_older_record_is_of_the_callers_account_or_else_the_envelopes() {
    let older = without(ssh_from_anywhere(), "/recipientAccountId");
    assert_eq!(change(&older).account.as_str(), "111122223333");
    let anonymous = without(without(older, "/userIdentity"), "/awsRegion");
    let envelope_origin =
        EnvelopeOrigin { account: Some("444455556666".to_owned()), region: Some("eu-north-1".to_owned()) };
    let Reading::Change(change) = read(&Json::from(&anonymous), &envelope_origin) else { panic!() };
    assert_eq!((change.account.as_str(), change.region.as_str()), ("444455556666", "eu-north-1"));
    assert_eq!(change.event.account.as_deref(), Some("444455556666"));
    assert_eq!(undecided(&anonymous), "recipientAccountId is missing: the record does not say whose group it was");
}

#[test]
fn an_envelope_that_disagrees_with_its_record_is_refused() {
    let envelope_origin = |account: Option<&str>, region: Option<&str>| EnvelopeOrigin {
        account: account.map(str::to_owned),
        region: region.map(str::to_owned),
    };
    for (envelope_origin, why) in [
        (
            envelope_origin(Some("444455556666"), Some("eu-west-1")),
            "the envelope's account is `444455556666`, the record's is `111122223333`: refused",
        ),
        (
            envelope_origin(None, Some("us-east-1\u{7}")),
            "the envelope's region is `us-east-1\\u{7}`, the record's is `eu-west-1`: refused",
        ),
    ] {
        let Reading::Undecided { why: found, event } = read(&Json::from(&ssh_from_anywhere()), &envelope_origin) else {
            panic!()
        };
        assert_eq!(found, why);
        assert_eq!(event.account.as_deref(), Some("111122223333"));
    }
    for agreeing in [envelope_origin(Some("111122223333"), Some("eu-west-1")), envelope_origin(None, None)] {
        assert!(matches!(read(&Json::from(&ssh_from_anywhere()), &agreeing), Reading::Change(_)));
    }
}

#[test]
fn what_the_record_says_of_itself_is_kept_short() {
    // At most 512 bytes, and no character cut in half.
    for (long, kept) in [("x".repeat(513), 512), ("x".repeat(512), 512), (format!("x{}", "é".repeat(600)), 511)] {
        let event = change(&with(ssh_from_anywhere(), "/userAgent", json!(long))).event;
        assert_eq!(event.user_agent.as_deref(), long.get(..kept));
    }
    let event = change(&with(ssh_from_anywhere(), "/eventTime", json!("yesterday"))).event;
    assert_eq!(event.time, None);
}

#[test]
fn unknown_fields_other_versions_and_the_order_of_keys_do_not_matter() {
    let other = with(with(ssh_from_anywhere(), "/eventVersion", json!("2.0")), "/eventContext", json!({"tags": [1]}));
    let other = with(other, "/requestParameters/dryRun", json!(false));
    let other = with(other, "/responseElements/securityGroupRuleSet/items/0/securityGroupRuleArn", json!("arn:x"));
    assert_eq!(change(&other), change(&ssh_from_anywhere()));
    let reversed: Vec<String> = {
        let fields = ssh_from_anywhere();
        fields.as_object().unwrap().iter().rev().map(|(key, value)| format!("{}:{value}", json!(key))).collect()
    };
    let reversed: Value = serde_json::from_str(&format!("{{{}}}", reversed.join(","))).unwrap();
    assert_eq!(change(&reversed), change(&ssh_from_anywhere()));
}

#[test]
fn a_sweep_is_a_change_of_a_whole_region_that_says_of_itself_when_and_where() {
    let (account, region) = (AccountId::parse("111122223333").unwrap(), Region::parse("eu-west-1").unwrap());
    let time = "2026-11-21T10:00:00Z".parse().unwrap();
    let Change { event, call, resource, changed_rules, recorded_rules, .. } =
        Change::sweep(Some("order-1".to_owned()), Some(time), account, region);
    assert_eq!(
        (call, resource, changed_rules, recorded_rules),
        (Call::Sweep, Resource::Region, ChangedRules::Any, None)
    );
    let expected = EventMetadata {
        id: Some("order-1".to_owned()),
        time: Some(time),
        account: Some("111122223333".to_owned()),
        region: Some("eu-west-1".to_owned()),
        call: Some("Sweep".to_owned()),
        ..EventMetadata::default()
    };
    assert_eq!(event, expected);
}
