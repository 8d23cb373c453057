//! The JSON of a finding, which others read, and so do we.

use super::*;

/// The first change's record, filled in.
fn recorded(mut case: Case) -> Case {
    let text = |text: &str| Some(text.to_owned());
    case.changes[0].event = EventMetadata {
        id: text("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"),
        time: Some("2026-11-21T10:00:00Z".parse().unwrap()),
        account: text("111122223333"),
        region: text("eu-west-1"),
        call: text("AuthorizeSecurityGroupIngress"),
        actor: text("arn:aws:iam::111122223333:user/jo"),
        issuer: None,
        source_ip: text("198.51.100.7"),
        user_agent: text("aws-cli/2.31"),
    };
    case
}

#[test]
fn the_json_of_a_finding_is_the_documented_one() {
    let case = recorded(Case::of(&["a tcp 22 0.0.0.0/0"]));
    let found = finding(&case, 0, "sgr-1 revoked", Mode::Enforce);
    let golden = concat!(
        r#"{"schema":1,"id":"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee","time":"2026-11-21T10:00:00Z","#,
        r#""account":"111122223333","region":"eu-west-1","group":"sg-0123456789abcdef0","#,
        r#""call":"AuthorizeSecurityGroupIngress","actor":"arn:aws:iam::111122223333:user/jo","#,
        r#""source_ip":"198.51.100.7","user_agent":"aws-cli/2.31","#,
        r#""verdict":"exposed","outcome":"reverted","mode":"enforce","#,
        r#""exposures":[{"guard":"ssh","protocol":"tcp","port":22,"rules":["sgr-1"],"sources":["0.0.0.0/0"],"#,
        r#""public_addresses":"3702258432"}],"#,
        r#""rules":[{"id":"sgr-1","protocol":"tcp","from_port":22,"to_port":22,"source":"0.0.0.0/0","#,
        r#""action":"revoked"}],"#,
        r#""reason":"tcp 22 (ssh) was open to 3702258432 public addresses"}"#,
    );
    assert_eq!(serde_json::to_string(&found).unwrap(), golden);
}

#[test]
fn keys_that_say_nothing_are_left_out_and_those_that_say_something_are_there() {
    let lines = ["old tcp 22-25 8.0.0.0/8", "a -1 - 9.0.0.0/9", "a tcp 20-30 0.0.0.0/0"];
    let case = with_missing(Case::under("guard: [{name: app, protocol: tcp, ports: [22-25]}]", &lines), &["sgr-9"]);
    let found = finding(&case, 0, "sgr-3 failed:UnauthorizedOperation", Mode::Enforce);
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(
        json["exposures"],
        serde_json::json!([{"guard": "app", "protocol": "tcp", "port": 22, "to_port": 25, "standing": true,
            "rules": ["sgr-1", "sgr-2", "sgr-3"], "sources": ["0.0.0.0/0", "8.0.0.0/8", "9.0.0.0/9"],
            "public_addresses": "3702258432"}])
    );
    assert_eq!(
        json["rules"],
        serde_json::json!([
            {"id": "sgr-2", "protocol": "-1", "from_port": null, "to_port": null, "source": "9.0.0.0/9",
                "action": "kept"},
            {"id": "sgr-3", "protocol": "tcp", "from_port": 20, "to_port": 30, "source": "0.0.0.0/0",
                "action": "failed", "error": "UnauthorizedOperation"},
            {"id": "sgr-9", "protocol": null, "from_port": null, "to_port": null, "source": null,
                "action": "already_gone"},
        ])
    );
    assert_eq!(json["id"], serde_json::Value::Null, "what the record does not say is null, not missing");
}

#[test]
fn a_plain_finding_rests_on_the_record_alone() {
    let event = recorded(Case::of(&[])).changes[0].event.clone();
    let found = Finding::plain(&event, Verdict::Irrelevant, Outcome::None, Mode::Alert, "why".to_owned());
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["verdict"], "irrelevant");
    assert_eq!(
        (&json["group"], &json["mode"], &json["reason"]),
        (&serde_json::Value::Null, &"alert".into(), &"why".into())
    );
    assert_eq!((&json["exposures"], &json["rules"]), (&serde_json::json!([]), &serde_json::json!([])));
}

#[test]
fn a_finding_can_be_read_back() {
    let case = Case::of(&["a tcp 22 0.0.0.0/0", "old -1 - 10.0.0.0/8", "a tcp 443 pl-1", "a icmp 3-22 sg-1"]);
    for became in ["sgr-1 revoked", "sgr-1 failed:UnauthorizedOperation", "sgr-1 would_revoke", ""] {
        let mut case = with_missing(case.clone(), &["sgr-9"]);
        case.facts.rules[0].description = Some("vpn".to_owned());
        case.facts.rules[0].tags.insert("team".to_owned(), "web".to_owned());
        let written = finding(&case, 0, became, Mode::Enforce);
        let text = serde_json::to_string(&written).unwrap();
        let read: Finding = serde_json::from_str(&text).unwrap();
        assert_eq!(read, written, "{text}");
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
        assert!(text.contains(r#""description":"vpn","tags":{"team":"web"}"#), "{text}");
    }
    let summary = SweepFinding { groups: 3, exposed: 1, open: vec!["x".to_owned()], ..SweepFinding::default() };
    let written = Finding::swept("2026-11-21T10:00:00Z".parse().unwrap(), summary, Mode::Alert);
    assert_eq!(serde_json::from_str::<Finding>(&serde_json::to_string(&written).unwrap()).unwrap(), written);
}
