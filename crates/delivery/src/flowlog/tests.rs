use proptest::prelude::*;

use super::*;

const V2: &str = "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK";

/// Each record as `interface src>dst:port action`, or the error.
fn read(text: &str, format: Option<Format>) -> Vec<String> {
    // Every cut must give the same.
    let chunked = |size| {
        let (mut reader, mut found) = (Reader::new(format.clone()), Vec::new());
        for chunk in text.as_bytes().chunks(size) {
            reader.push(chunk, |flow| found.push(shown(flow)));
        }
        reader.finish(|flow| found.push(shown(flow)));
        found
    };
    let whole = chunked(text.len());
    (1..60).for_each(|size| assert_eq!(chunked(size), whole));
    whole
}

fn shown(flow: Result<&Flow<'_>, Bad>) -> String {
    let Ok(flow) = flow else { return flow.unwrap_err().to_string() };
    let text = |field| flow.text(field).unwrap_or("none").to_owned();
    let port = flow.dst_port.map_or("none".to_owned(), |port| port.to_string());
    match flow.row {
        Row::Traffic => format!(
            "{} {}>{}:{port} {}",
            text(Field::InterfaceId),
            text(Field::SrcAddr),
            text(Field::DstAddr),
            text(Field::Action)
        ),
        row @ (Row::NoData | Row::SkipData) => {
            format!("{} {row:?} {}-{}", text(Field::InterfaceId), flow.start, flow.end)
        }
    }
}

const SHOWN: &str = "eni-1235b8ca123456789 172.31.16.139>172.31.16.21:22 ACCEPT";

#[test]
fn the_default_format_needs_no_header() {
    assert_eq!(read(V2, None), [SHOWN]);
    assert_eq!(read(&format!("{V2}\r\n\n{V2}\n"), None), [SHOWN, SHOWN]);
    assert!(is_flow_log(V2.as_bytes()) && !is_flow_log(b"{\"Records\":[]}") && !is_flow_log(b"a b c"));
}

#[test]
fn a_header_says_the_order_and_a_later_one_counts_from_there() {
    let text = format!(
        "srcaddr dstaddr dstport interface-id action start end\n1.2.3.4 5.6.7.8 443 eni-1 REJECT 1 2\n\
        version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n{V2}\n"
    );
    assert_eq!(read(&text, None), ["eni-1 1.2.3.4>5.6.7.8:443 REJECT", SHOWN]);
    assert!(is_flow_log(text.as_bytes()));
}

#[test]
fn a_field_of_a_later_version_is_passed_over_and_named() {
    let mut reader = Reader::new(None);
    let text = b"interface-id start end some-new-field action\neni-1 1 2 whatever ACCEPT\n";
    let mut found = Vec::new();
    reader.push(text, |flow| found.push(shown(flow)));
    assert_eq!(found, ["eni-1 none>none:none ACCEPT"]);
    assert_eq!(reader.unknown_fields(), ["some-new-field"]);
}

#[test]
fn nodata_and_skipdata_are_no_traffic() {
    let text = "2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA\n\
        2 123456789010 eni-1 - - - - - - - 1431280940 1431281000 - SKIPDATA";
    assert_eq!(read(text, None), ["eni-1 NoData 1431280876-1431280934", "eni-1 SkipData 1431280940-1431281000"]);
}

#[test]
fn what_cloudwatch_logs_exports_has_a_time_before_each_line() {
    assert_eq!(read(&format!("2014-12-14T04:06:50.000Z {V2}"), None), [SHOWN]);
    assert!(is_flow_log(format!("2014-12-14T04:06:50.000Z {V2}").as_bytes()));
}

#[test]
fn a_line_that_is_no_record_is_named_and_the_next_one_read() {
    for (line, why) in [
        ("2 123456789010 eni-1 1.2.3.4", "fewer fields"),
        (&format!("{V2} more"), "more fields"),
        (&V2.replace("1418530010", "now"), "no time"),
        (&V2.replace("1418530010", "1418530010000"), "no time"),
        (&V2.replace("1418530010", "1418530071"), "ends before"),
        (&V2.replace(" 22 ", " 65536 "), "dstport"),
        (&V2.replace("172.31.16.21", "172.31.16"), "dstaddr"),
        (&V2.replace("ACCEPT", "ALLOW"), "action"),
        (&V2.replace("OK", "FINE"), "log-status"),
        (&V2.replace(" 6 ", " tcp "), "protocol"),
    ] {
        let found = read(&format!("{line}\n{V2}\n"), Some(Format::default_v2()));
        assert_eq!(found.len(), 2, "{line}");
        assert!(found[0].starts_with("line 1: ") && found[0].contains(why), "{}", found[0]);
        assert_eq!(found[1], SHOWN);
    }
}

#[test]
fn a_format_is_given_as_ec2_shows_it() {
    let format = Format::parse("${interface-id} ${srcaddr} ${dstaddr} ${dstport} ${action} ${start} ${end}").unwrap();
    assert_eq!(read("eni-1 ::1 2001:db8::2 22 ACCEPT 1 2", Some(format)), ["eni-1 ::1>2001:db8::2:22 ACCEPT"]);
    assert!(Format::parse("${nonsense}").unwrap_err().to_string().contains("`${nonsense}`"));
    assert!(Format::parse(" ").is_err());
}

#[test]
fn a_line_without_end_is_not_kept_for_ever() {
    let (mut reader, mut bad) = (Reader::new(None), 0);
    for _ in 0..1000 {
        reader.push(&[b'x'; 1024], |flow| bad += usize::from(flow.is_err()));
    }
    assert!(bad > 0 && reader.rest.len() <= LONGEST_LINE + 1024);
}

proptest! {
    /// Any bytes: no panic, and the same however they are cut.
    #[test]
    fn any_text_is_read_the_same_however_it_is_cut(text in "[ 0-9a-z.:\\-\nACEPTOK]{0,300}", size in 1_usize..40) {
        let read_in = |size: usize| {
            let (mut reader, mut found) = (Reader::new(None), Vec::new());
            text.as_bytes().chunks(size).for_each(|chunk| reader.push(chunk, |flow| found.push(shown(flow))));
            reader.finish(|flow| found.push(shown(flow)));
            found
        };
        prop_assert_eq!(read_in(size), read_in(1000));
    }
}
