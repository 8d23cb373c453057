//! Mutations that keep JSON valid, so that the fuzzer gets past the parser.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Map, Value, json};

const KEYS: [&str; 60] = [
    "Records",
    "Events",
    "detail",
    "detail-type",
    "Message",
    "Type",
    "Sns",
    "s3",
    "body",
    "messageId",
    "CloudTrailEvent",
    "eventSource",
    "eventName",
    "eventVersion",
    "eventCategory",
    "eventID",
    "eventTime",
    "errorCode",
    "readOnly",
    "awsRegion",
    "recipientAccountId",
    "userIdentity",
    "accountId",
    "requestParameters",
    "responseElements",
    "omitted",
    "groupId",
    "groupName",
    "ipPermissions",
    "items",
    "item",
    "ipProtocol",
    "fromPort",
    "toPort",
    "groups",
    "ipRanges",
    "ipv6Ranges",
    "prefixListIds",
    "prefixListId",
    "cidrIp",
    "cidrIpv6",
    "cidrIpv4",
    "securityGroupRuleSet",
    "securityGroupRuleId",
    "referencedGroupInfo",
    "sourceSecurityGroupName",
    "ModifySecurityGroupRulesRequest",
    "GroupId",
    "SecurityGroupRule",
    "SecurityGroupRuleId",
    "CidrIpv4",
    "CidrIpv6",
    "PrefixListId",
    "ReferencedGroupId",
    "IpProtocol",
    "FromPort",
    "ToPort",
    "ModifyManagedPrefixListRequest",
    "AddEntry",
    "Cidr",
];

const WORDS: [&str; 40] = [
    "",
    "-1",
    "6",
    "17",
    "47",
    "tcp",
    "udp",
    "icmp",
    "TCP",
    "sctp",
    "22",
    "65536",
    "0.0.0.0/0",
    "::/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "10.0.0.0/8",
    "1.2.3.4/0",
    "0.0.0.0/33",
    "2000::/3",
    "203.0.113.0/24",
    "sg-1",
    "sg-0123456789abcdef0",
    "sgr-1",
    "sgr-2",
    "sgr-3",
    "pl-1",
    "true",
    "ec2.amazonaws.com",
    "aws:sqs",
    "aws:sns",
    "Notification",
    "AWS API Call via CloudTrail",
    "AuthorizeSecurityGroupIngress",
    "ModifySecurityGroupRules",
    "ModifyManagedPrefixList",
    "RestoreManagedPrefixListVersion",
    "111122223333",
    "eu-west-1",
    "\u{0}\u{1b}[31m\"\\é\u{202e}😀",
];

/// Mutates one or two nodes of a JSON document. Now and then, and if the bytes are not JSON, it mutates any byte.
pub fn mutate_json(bytes: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed));
    let document = bytes.get(..size).and_then(|text| serde_json::from_slice::<Value>(text).ok());
    let Some(mut document) = document.filter(|_| dice.below(4) != 0) else {
        return fuzzer_mutate(bytes, size, most);
    };
    for _ in 0..=dice.below(3) {
        mutate(&mut document, &mut dice);
    }
    let mut text = document.to_string();
    if dice.below(20) == 0 {
        double_a_key(&mut text, &mut dice);
    }
    match bytes.get_mut(..text.len()).filter(|_| text.len() <= most) {
        Some(place) => {
            place.copy_from_slice(text.as_bytes());
            text.len()
        }
        None => fuzzer_mutate(bytes, size, most),
    }
}

/// Unzips a file, mutates its text, mostly as JSON, and zips it again in one or two members. Now and then it mutates
/// the zipped bytes, or leaves the text plain.
pub fn mutate_zipped(bytes: &mut [u8], size: usize, most: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed));
    let Some(file) = bytes.get(..size) else { return 0 };
    let mut text = Vec::new();
    let unzipped = MultiGzDecoder::new(file).take(most as u64).read_to_end(&mut text).is_ok();
    if dice.below(8) == 0 {
        return fuzzer_mutate(bytes, size, most);
    }
    if !unzipped {
        text = file.to_vec();
    }
    let length = text.len();
    text.resize(most.max(length), 0);
    let length = if dice.below(4) == 0 {
        fuzzer_mutate(&mut text, length, most)
    } else {
        mutate_json(&mut text, length, most, seed)
    };
    text.truncate(length);
    let file = match dice.below(6) {
        0 => text,
        1 => {
            let (first, second) = text.split_at(dice.below(text.len()));
            [zipped(first, &mut dice), zipped(second, &mut dice)].concat()
        }
        _ => zipped(&text, &mut dice),
    };
    match bytes.get_mut(..file.len()).filter(|_| file.len() <= most) {
        Some(place) => {
            place.copy_from_slice(&file);
            file.len()
        }
        None => fuzzer_mutate(bytes, size, most),
    }
}

fn zipped(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let level = [Compression::none(), Compression::fast(), Compression::best()][dice.below(3)];
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // Writing to memory cannot fail.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default()
}

/// Pseudo-random numbers from a seed, the same on every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }

    fn key(&mut self) -> String {
        KEYS[self.below(KEYS.len())].to_owned()
    }
}

fn leaf(dice: &mut Dice) -> Value {
    match dice.below(10) {
        0 => Value::Null,
        1 => json!(dice.below(2) == 0),
        2 => json!({}),
        3 => json!([]),
        4 => json!(([22, 3389, 0, -1, 65535, 65536, i64::MIN, i64::MAX])[dice.below(8)]),
        5 => json!(dice.below(70_000)),
        6 => json!(1e300),
        _ => json!(WORDS[dice.below(WORDS.len())]),
    }
}

fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, child) in fields {
                pointers(child, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), all);
            }
        }
        Value::Array(elements) => {
            for (n, child) in elements.iter().enumerate() {
                pointers(child, format!("{at}/{n}"), all);
            }
        }
        _ => {}
    }
    all.push(at);
}

fn mutate(document: &mut Value, dice: &mut Dice) {
    let mut all = Vec::new();
    pointers(document, String::new(), &mut all);
    let other = document.pointer(&all[dice.below(all.len())]).cloned().unwrap_or(Value::Null);
    let Some(node) = document.pointer_mut(&all[dice.below(all.len())]) else { return };
    match dice.below(12) {
        0 => *node = leaf(dice),
        1 => *node = other,
        2 => *node = json!({"items": [node.take()]}),
        3 => *node = json!({ dice.key(): node.take() }),
        4 => *node = json!(node.to_string()),
        5 => {
            if let Some(inner) = node.as_str().and_then(|text| serde_json::from_str(text).ok()) {
                *node = inner;
            }
        }
        6 => *node = json!([node.clone(), node.take()]),
        // AWS nests messages so.
        7 => *node = json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m", "body": node.to_string()}]}),
        _ => match node {
            Value::Object(fields) => mutate_object(fields, other, dice),
            Value::Array(elements) if elements.is_empty() => elements.push(other),
            Value::Array(elements) => {
                let n = dice.below(elements.len());
                match dice.below(4) {
                    0 => _ = elements.remove(n),
                    1 => elements.push(other),
                    2 => elements.push(elements[n].clone()),
                    _ => elements.swap(0, n),
                }
            }
            _ => *node = leaf(dice),
        },
    }
}

fn mutate_object(fields: &mut Map<String, Value>, other: Value, dice: &mut Dice) {
    let some = fields.keys().nth(dice.below(fields.len())).cloned();
    match (dice.below(4), some) {
        (0, Some(key)) => _ = fields.remove(&key),
        (1, Some(key)) => {
            if let Some(value) = fields.remove(&key) {
                fields.insert(dice.key(), value);
            }
        }
        (2, _) => _ = fields.insert(dice.key(), other),
        _ => _ = fields.insert(dice.key(), leaf(dice)),
    }
}

/// Adds a key before an object's own keys. The object may already have that key. Inside a text the new key is escaped
/// like the text.
fn double_a_key(text: &mut String, dice: &mut Dice) {
    let starts: Vec<usize> = text.match_indices("{\"").map(|(at, _)| at + 1).collect();
    if starts.is_empty() {
        return;
    }
    let at = starts[dice.below(starts.len())];
    let key = text[at..].split('"').nth(1).unwrap_or_default().to_owned();
    text.insert_str(at, &format!("{}:{},", json!(key), leaf(dice)));
}
