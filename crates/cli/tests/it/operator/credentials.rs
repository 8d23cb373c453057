//! Credentials, profiles and arguments that are missing or wrong.

use super::{DUBLIN, FIRST, HUB, OHIO, ssh, stage};

#[test]
fn credentials_and_region_that_are_missing_or_wrong_are_told_with_what_to_do() {
    let stage = stage();
    let arguments = ["--region", "us-west-1"];
    stage.world.disable_region(HUB, "us-west-1");
    let no_keys = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let unknown_key = [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")];
    for (arguments, variables, told) in [
        (
            &arguments[..],
            &no_keys[..],
            "portcullis: no AWS credentials: name a profile with --profile or AWS_PROFILE, ",
        ),
        (&arguments, &no_keys, "aws configure export-credentials --format env"),
        (&arguments, &unknown_key, "portcullis: GetCallerIdentity: InvalidClientTokenId: "),
        (&arguments, &unknown_key, "(AWS does not know these credentials: "),
        (&["--profile", "nope"], &[], "portcullis: there is no profile `nope` in the AWS configuration: it has none\n"),
        (
            &[],
            &[("AWS_PROFILE", "nope")],
            "portcullis: there is no profile `nope` in the AWS configuration: it has none\n",
        ),
        (
            &arguments,
            &[],
            "portcullis: account 111122223333, us-west-1: not looked at: DescribeSecurityGroupRules: AuthFailure: ",
        ),
        (&arguments, &[], "(is the Region enabled in the account?)\n"),
        (
            &[],
            &[("AWS_REGION", "Dublin")],
            "portcullis: the Region that is configured: `Dublin` is no Region: expected ",
        ),
        (&["--account", FIRST], &[], "to look at 444455556666, name the role to assume there, --role NAME\n"),
    ] {
        let ran = stage.sweep_with(arguments, variables, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    // With a Region on the command line none need be configured; without any, us-east-1 knows which are enabled.
    let ran = stage.sweep_with(&["--region", OHIO], &[("AWS_REGION", "")], "");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = stage.sweep_with(&[], &[("AWS_REGION", "")], "");
    assert!(ran.code == 0 && ran.stderr.starts_with("16 Regions of 1 account"), "{}", ran.stderr);
}

#[test]
fn a_profile_gives_keys_a_region_or_a_process_that_writes_them() {
    let stage = stage();
    let web = stage.group(FIRST, OHIO, "web", &[ssh("0.0.0.0/0")]);
    let file = crate::cli::folder("profiles").join("config");
    let written = format!(r#"{{"Version":1,"AccessKeyId":"{FIRST}","SecretAccessKey":"secret"}}"#);
    let config = format!(
        "[profile keys]\naws_access_key_id = {FIRST}\naws_secret_access_key = secret\nregion = {OHIO}\n\
         [profile process]\ncredential_process = echo '{written}'\n\
         [profile broken]\ncredential_process = exit 3\n\
         [profile sso]\nsso_session = team\nsso_account_id = {FIRST}\nsso_role_name = Look\n\
         [sso-session team]\nsso_region = {OHIO}\nsso_start_url = https://example.com/start\n"
    );
    std::fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap();
    // The keys in the environment are the hub's: a profile on the command line comes before them.
    for (profile, found) in [("keys", web.as_str()), ("process", web.as_str())] {
        let ran = stage.sweep_with(&["--profile", profile, "--region", OHIO], &[("AWS_CONFIG_FILE", file)], "");
        assert_eq!(ran.code, 1, "{profile}: {}", ran.stderr);
        assert!(ran.stdout.contains(found) && ran.stdout.contains(FIRST), "{profile}: {}", ran.stdout);
    }
    let no_keys = [("AWS_CONFIG_FILE", file), ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let ran = stage.sweep_with(&["--region", OHIO], &[&no_keys[..], &[("AWS_PROFILE", "process")]].concat(), "");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let home = crate::cli::folder("no-home");
    let no_keys = [&no_keys[..], &[("HOME", home.to_str().unwrap())]].concat();
    for (profile, told) in [
        ("broken", "credential_process ended with exit status: 3"),
        ("sso", "run aws sso login first"),
        ("nope", "there are `broken`, `keys`, `process`, `sso`\n"),
    ] {
        let ran = stage.sweep_with(&["--profile", profile, "--region", OHIO], &no_keys, "");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{profile}");
        assert!(ran.stderr.contains(told), "{profile}: {}", ran.stderr);
        assert!(!ran.stderr.contains("cargo feature"), "{profile}: {}", ran.stderr);
    }
}

#[test]
fn a_policy_can_be_in_a_bucket() {
    let stage = stage();
    stage.world.put_object("policies", "team/policy.yaml", b"version: 1\nguard: [redis]\n".to_vec());
    stage.group(HUB, DUBLIN, "web", &[ssh("0.0.0.0/0")]);
    for (policy, code, told) in [
        ("s3://policies/team/policy.yaml", 0, "0 exposed"),
        ("s3://policies/none.yaml", 2, "portcullis: s3://policies/none.yaml: GetObject: NoSuchKey: "),
        ("s3://policies", 2, "portcullis: s3://policies: expected s3://BUCKET/KEY\n"),
    ] {
        let ran = stage.sweep(&["--region", DUBLIN, "--policy", policy]);
        assert_eq!(ran.code, code, "{policy}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{policy}: {}", ran.stderr);
    }
}

#[test]
fn expired_credentials_are_called_that() {
    let stage = stage();
    let expired = ec2_model::FaultKind::ExpiredCredentials;
    let action = Some("GetCallerIdentity".to_owned());
    stage.world.inject(ec2_model::Fault { action, nth: 0, kind: expired });
    let ran = stage.sweep(&["--region", DUBLIN]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("ExpiredToken") && ran.stderr.contains("log in again"), "{}", ran.stderr);
}

#[test]
fn what_is_no_account_region_or_role_is_refused_with_what_is_accepted() {
    let stage = stage();
    for (arguments, told) in [
        (vec!["--account", "12345"], "expected the twelve digits of an account id"),
        (vec!["--region", "Dublin"], "expected a Region code such as eu-west-1"),
        (vec!["--role", "team/portcullis"], "expected a role's name without a path: 1 to 64 letters"),
        (vec!["--role", "portcullis", "--external-id", "x"], "expected 2 to 1224 letters"),
        (vec!["--external-id", "gate-7f3a"], "--role <NAME>"),
        (vec!["--organization"], "--role <NAME>"),
        (vec!["--organization", "--role", "portcullis", "--account", HUB], "cannot be used with '--account <ID>'"),
        (vec!["--yes"], "--enforce"),
        (vec!["--max-revocations", "5"], "--enforce"),
        (vec!["--enforce", "--yes", "--max-revocations", "0"], "0 is not in 1.."),
        (vec!["--format", "xml"], "possible values: table, json, csv"),
        (vec!["--policy", "none.yaml"], "portcullis: none.yaml: No such file"),
        (vec!["everything"], "unexpected argument 'everything'"),
    ] {
        let ran = stage.sweep(&arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    assert!(stage.world.calls().is_empty());
}
