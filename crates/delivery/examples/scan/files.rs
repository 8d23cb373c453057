//! Log files like CloudTrail's, generated from a seed. They are always the same, so they are made once and kept next to
//! the program.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;

use libdeflater::{CompressionLvl, Compressor};
use serde_json::{Value, json};

pub(crate) const FILES: usize = 200;
pub(crate) const RECORDS: usize = 5000;
/// One record in this many is of a call that is judged.
pub(crate) const ONE_IN: usize = 100;

/// The files' contents, gzip.
pub(crate) fn made_once() -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or("the program lies in no target folder")?;
    let folder = target.join(format!("log-files-{FILES}-{RECORDS}-{ONE_IN}"));
    if !folder.is_dir() {
        eprintln!("making {FILES} log files in {}, once", folder.display());
        // The folder gets its name only when it is complete.
        let unfinished = folder.with_extension("unfinished");
        std::fs::create_dir_all(&unfinished)?;
        make(&unfinished)?;
        std::fs::rename(unfinished, &folder)?;
    }
    (0..FILES).map(|n| Ok(std::fs::read(folder.join(name(n)))?)).collect()
}

fn name(n: usize) -> String {
    format!("111122223333_CloudTrail_eu-west-1_20261121T{:02}{:02}Z_{n:016x}.json.gz", n / 12 % 24, n % 12 * 5)
}

fn make(folder: &Path) -> Result<(), Box<dyn Error>> {
    for n in 0..FILES {
        let text = text(n as u64);
        let mut compressor = Compressor::new(CompressionLvl::new(6).map_err(|_| "no such level")?);
        let mut packed = vec![0; compressor.gzip_compress_bound(text.len())];
        let length = compressor.gzip_compress(text.as_bytes(), &mut packed)?;
        packed.truncate(length);
        std::fs::write(folder.join(name(n)), packed)?;
    }
    Ok(())
}

fn text(seed: u64) -> String {
    let mut dice = Dice(seed + 1);
    let mut text = String::from("{\"Records\":[");
    for n in 0..RECORDS {
        let record = if n % ONE_IN == ONE_IN / 2 { security_group_write(&mut dice) } else { any(&mut dice) };
        let comma = if n == 0 { "" } else { "," };
        // CloudTrail escapes these characters.
        let record = record.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
        let _ = write!(text, "{comma}{record}");
    }
    text + "]}"
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.roll() % most
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words.get(self.below(words.len() as u64) as usize).copied().unwrap_or_default()
    }

    fn hex(&mut self, digits: usize) -> String {
        let all = format!("{:016x}{:016x}", self.roll(), self.roll());
        all.chars().take(digits).collect()
    }

    fn uuid(&mut self) -> String {
        [8, 4, 4, 4, 12].map(|digits| self.hex(digits)).join("-")
    }

    fn address(&mut self) -> String {
        format!("{}.{}.{}.{}", 3 + self.below(200), self.below(256), self.below(256), self.below(256))
    }
}

const SERVICES: [(&str, &[&str]); 12] = [
    (
        "ec2",
        &["DescribeInstances", "DescribeSecurityGroups", "DescribeNetworkInterfaces", "RunInstances", "CreateTags"],
    ),
    ("ec2", &["DescribeSecurityGroupRules", "AuthorizeSecurityGroupEgress", "RevokeSecurityGroupIngress"]),
    ("sts", &["AssumeRole", "GetCallerIdentity", "AssumeRoleWithWebIdentity"]),
    ("s3", &["GetBucketAcl", "GetBucketLocation", "PutObject", "GetObject", "ListBuckets"]),
    ("kms", &["Decrypt", "GenerateDataKey", "DescribeKey"]),
    ("logs", &["CreateLogStream", "DescribeLogGroups", "PutRetentionPolicy"]),
    ("lambda", &["Invoke", "GetFunction20150331v2", "ListTags20170331"]),
    ("dynamodb", &["DescribeTable", "ListTables", "UpdateTable"]),
    ("iam", &["GetRole", "ListAttachedRolePolicies", "GetPolicyVersion", "CreateRole"]),
    ("elasticloadbalancing", &["DescribeTargetHealth", "DescribeLoadBalancers", "RegisterTargets"]),
    ("autoscaling", &["DescribeAutoScalingGroups", "UpdateAutoScalingGroup"]),
    ("ssm", &["UpdateInstanceInformation", "GetParametersByPath", "PutInventory"]),
];

const AGENTS: [&str; 6] = [
    "aws-sdk-go-v2/1.30.3 ua/2.1 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#arm64 api/ec2#1.170.0",
    "aws-cli/2.17.18 md/awscrt#0.20.11 ua/2.0 os/linux#6.1.94 md/arch#x86_64 lang/python#3.11.9 cfg/retry-mode#standard",
    "Boto3/1.34.145 md/Botocore#1.34.145 ua/2.0 os/linux#5.10.220 md/arch#x86_64 lang/python#3.9.16",
    "APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-aws/5.59.0",
    "[Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36]",
    "lambda.amazonaws.com",
];

const ROLES: [&str; 6] =
    ["Developer", "ci-deploy", "eks-node", "Admin", "data-pipeline", "AWSServiceRoleForAutoScaling"];

fn identity(dice: &mut Dice) -> String {
    let (role, session, principal) = (dice.one_of(&ROLES), dice.hex(17), dice.hex(16).to_uppercase());
    match dice.below(5) {
        0 => {
            format!(r#"{{"type":"AWSService","invokedBy":"{}.amazonaws.com"}}"#, dice.one_of(&["ec2", "lambda", "ecs"]))
        }
        1 => format!(
            r#"{{"type":"IAMUser","principalId":"AIDA{principal}","arn":"arn:aws:iam::111122223333:user/{role}","accountId":"111122223333","accessKeyId":"AKIA{}","userName":"{role}"}}"#,
            dice.hex(16).to_uppercase()
        ),
        _ => format!(
            r#"{{"type":"AssumedRole","principalId":"AROA{principal}:i-{session}","arn":"arn:aws:sts::111122223333:assumed-role/{role}/i-{session}","accountId":"111122223333","accessKeyId":"ASIA{}","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA{principal}","arn":"arn:aws:iam::111122223333:role/{role}","accountId":"111122223333","userName":"{role}"}},"webIdFederationData":{{}},"attributes":{{"creationDate":"2026-11-21T{:02}:{:02}:{:02}Z","mfaAuthenticated":"false"}},"ec2RoleDelivery":"2.0"}}}}"#,
            dice.hex(16).to_uppercase(),
            dice.below(24),
            dice.below(60),
            dice.below(60)
        ),
    }
}

fn record(dice: &mut Dice, service: &str, name: &str, request: &Value, response: &Value, is_read: bool) -> String {
    let identity = identity(dice);
    let (agent, address) = (dice.one_of(&AGENTS), dice.address());
    let failed = match dice.below(25) {
        0 if is_read => {
            r#""errorCode":"AccessDenied","errorMessage":"User: arn:aws:sts::111122223333:assumed-role/ci-deploy/run is not authorized to perform: \"this\" on resource: *","#
        }
        _ => "",
    };
    let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
    let (request_id, event_id) = (dice.uuid(), dice.uuid());
    format!(
        r#"{{"eventVersion":"1.09","userIdentity":{identity},"eventTime":"2026-11-21T{hour:02}:{minute:02}:{second:02}Z","eventSource":"{service}.amazonaws.com","eventName":"{name}","awsRegion":"eu-west-1","sourceIPAddress":"{address}","userAgent":"{agent}",{failed}"requestParameters":{request},"responseElements":{response},"requestID":"{request_id}","eventID":"{event_id}","readOnly":{is_read},"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{service}.eu-west-1.amazonaws.com"}}}}"#
    )
}

fn any(dice: &mut Dice) -> String {
    let (service, names) = SERVICES.get(dice.below(12) as usize).copied().unwrap_or(("sts", &["AssumeRole"]));
    let name = dice.one_of(names);
    let is_read = ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
    let list = |dice: &mut Dice, key: &str, kind: &str, most: u64| {
        let items: Vec<Value> =
            (0..1 + dice.below(most)).map(|_| json!({key: format!("{kind}-{}", dice.hex(17))})).collect();
        json!({"items": items})
    };
    let request = match dice.below(6) {
        0 => json!({"instancesSet": list(dice, "instanceId", "i", 6), "filterSet": {}}),
        1 => {
            json!({"filterSet": {"items": [{"name": "vpc-id", "valueSet": list(dice, "value", "vpc", 3)}]}, "maxResults": 100})
        }
        2 => {
            json!({"roleArn": format!("arn:aws:iam::111122223333:role/{}", dice.one_of(&ROLES)), "roleSessionName": dice.hex(17), "durationSeconds": 3600})
        }
        3 => {
            json!({"bucketName": format!("logs-{}", dice.below(40)), "Host": "s3.eu-west-1.amazonaws.com", "key": format!("a/{}/<{}>", dice.hex(8), dice.hex(30))})
        }
        4 => {
            json!({"encryptionContext": {"aws:ebs:id": format!("vol-{}", dice.hex(17)), "note": "{\"a\": [1, 2]}"}, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"})
        }
        _ => Value::Null,
    };
    let response = match dice.below(5) {
        0 if !is_read => {
            json!({"credentials": {"accessKeyId": format!("ASIA{}", dice.hex(16).to_uppercase()), "sessionToken": dice.hex(32).repeat(6), "expiration": "Nov 21, 2026, 11:00:00 AM"}})
        }
        1 if !is_read => {
            json!({"requestId": dice.uuid(), "_return": true, "instancesSet": list(dice, "instanceId", "i", 8)})
        }
        _ => Value::Null,
    };
    record(dice, service, name, &request, &response, is_read)
}

fn security_group_write(dice: &mut Dice) -> String {
    let (group, rule) = (format!("sg-{}", dice.hex(17)), format!("sgr-{}", dice.hex(17)));
    let port = [22, 443, 3306, 8080].get(dice.below(4) as usize).copied().unwrap_or(22);
    let cidr = format!("{}/{}", dice.address(), dice.below(33));
    if dice.below(10) == 0 {
        let inner = json!({"CidrIpv4": cidr, "FromPort": port, "ToPort": port, "IpProtocol": "tcp"});
        let rules = json!({"SecurityGroupRuleId": rule, "tag": 1, "SecurityGroupRule": inner});
        let request = json!({"ModifySecurityGroupRulesRequest": {"GroupId": group, "SecurityGroupRule": rules}});
        let response = json!({"ModifySecurityGroupRulesResponse": {"requestId": dice.uuid(), "return": true}});
        return record(dice, "ec2", "ModifySecurityGroupRules", &request, &response, false);
    }
    let ranges = json!({"items": [{"cidrIp": cidr, "description": "temporary"}]});
    let permission = json!({"ipProtocol": "tcp", "fromPort": port, "toPort": port, "groups": {}, "ipRanges": ranges, "ipv6Ranges": {}, "prefixListIds": {}});
    let request = json!({"groupId": group, "ipPermissions": {"items": [permission]}});
    let listed = json!({"groupOwnerId": "111122223333", "groupId": group, "securityGroupRuleId": rule, "isEgress": false, "ipProtocol": "tcp", "fromPort": port, "toPort": port, "cidrIpv4": cidr});
    let response = json!({"requestId": dice.uuid(), "_return": true, "securityGroupRuleSet": {"items": [listed]}});
    record(dice, "ec2", "AuthorizeSecurityGroupIngress", &request, &response, false)
}
