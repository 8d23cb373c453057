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
    // Of a text that names ever more of them some are enough.
    (0..100).for_each(|n| reader.push(format!("interface-id start end field-{n}\n").as_bytes(), |_| ()));
    assert_eq!(reader.unknown_fields().len(), 20);
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
fn a_line_that_is_too_long_is_one_bad_line_however_it_is_cut_and_is_not_kept() {
    let long = "2 ".repeat(LONGEST_LINE);
    let text = format!("{V2}\n{long}\n{V2}\n{}", "2".repeat(LONGEST_LINE + 1));
    let expected = [SHOWN, "line 2: it is too long to be a record", SHOWN, "line 4: it is too long to be a record"];
    for size in [1000, 4096, LONGEST_LINE + V2.len(), text.len()] {
        let (mut reader, mut found) = (Reader::new(None), Vec::new());
        for chunk in text.as_bytes().chunks(size) {
            reader.push(chunk, |flow| found.push(shown(flow)));
            assert!(reader.rest.len() <= LONGEST_LINE);
        }
        reader.finish(|flow| found.push(shown(flow)));
        assert_eq!(found, expected, "{size}");
        assert_eq!(in_blocks(text.as_bytes(), None, (size, 10), shown), expected, "{size}");
    }
    // A line of just so many bytes is read.
    let most = format!("{V2}{}\n", " ".repeat(LONGEST_LINE - V2.len() - 1));
    assert_eq!((most.len(), read_whole(&most)), (LONGEST_LINE, vec![SHOWN.to_owned()]));
    assert_eq!(read_whole(&format!(" {most}")), ["line 1: it is too long to be a record"]);
}

fn read_whole(text: &str) -> Vec<String> {
    let (mut reader, mut found) = (Reader::new(None), Vec::new());
    reader.push(text.as_bytes(), |flow| found.push(shown(flow)));
    reader.finish(|flow| found.push(shown(flow)));
    found
}

/// Reads a text that arrives in chunks of a size, in blocks of at least another.
fn in_blocks<T>(
    text: &[u8],
    format: Option<Format>,
    (chunk, block): (usize, usize),
    show: impl Fn(Result<&Flow<'_>, Bad>) -> T,
) -> Vec<T> {
    let (mut blocks, mut cut) = (Blocks::of_size(format, block), Vec::new());
    for chunk in text.chunks(chunk) {
        blocks.push(chunk);
        if blocks.is_full() {
            cut.extend(blocks.take());
        }
    }
    cut.extend(blocks.take());
    cut.extend(blocks.finish());
    // The last one first: none of them waits for another.
    let mut found: Vec<Vec<T>> = Vec::new();
    for block in cut.into_iter().rev() {
        let mut own = Vec::new();
        block.read(|flow| own.push(show(flow)));
        found.push(own);
    }
    found.into_iter().rev().flatten().collect()
}

/// Everything that a record says, or which line is bad.
fn whole(flow: Result<&Flow<'_>, Bad>) -> String {
    let flow = match flow {
        Ok(flow) => flow,
        Err(bad) => return format!("line {} is bad", bad.line),
    };
    let texts: Vec<_> =
        Field::ALL.iter().filter_map(|(name, field)| Some(format!("{name}={}", flow.text(*field)?))).collect();
    let numbers = (flow.src_port, flow.dst_port, flow.protocol, flow.packets, flow.bytes, flow.tcp_flags);
    format!(
        "{texts:?} {:?} {}-{} {:?} {:?} {numbers:?} {:?}",
        flow.row,
        flow.start,
        flow.end,
        flow.src,
        flow.dst,
        flow.accepted()
    )
}

/// The same without haste: line by line, word by word, by the standard library.
fn naive(text: &[u8], format: Option<Format>) -> Vec<String> {
    let (mut format, mut found) = (format, Vec::new());
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (n, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let words: Vec<&[u8]> = line.split(|byte| *byte <= b' ').filter(|word| !word.is_empty()).collect();
        let is_name = |n: usize| words.get(n).is_some_and(|word| std::str::from_utf8(word).is_ok_and(Field::is_name));
        if is_name(0) && is_name(1) {
            format = Some(Format::of_header(&String::from_utf8_lossy(line)).0);
        } else if !words.is_empty() {
            let format = format.get_or_insert_with(Format::default_v2);
            let is_time = words[0].len() >= 20 && words[0].ends_with(b"Z") && words[0][10] == b'T';
            let read = std::str::from_utf8(line).ok().and_then(|_| {
                let texts: Vec<&str> = words.iter().map(|word| std::str::from_utf8(word).unwrap()).collect();
                naive_record(&texts, format).or_else(|| if is_time { naive_record(&texts[1..], format) } else { None })
            });
            found.push(read.unwrap_or_else(|| format!("line {} is bad", n + 1)));
        }
    }
    found
}

fn naive_record(words: &[&str], format: &Format) -> Option<String> {
    let value = |field: Field| {
        let place = format.fields.iter().rposition(|own| *own == Some(field))?;
        Some(words[place]).filter(|word| *word != "-")
    };
    // `Some(None)`: absent; `None`: no number.
    fn number<T: TryFrom<u64>>(word: Option<&str>) -> Option<Option<T>> {
        let Some(word) = word else { return Some(None) };
        let is_number = word.len() <= 18 && word.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = word.parse().ok().filter(|_| is_number)?;
        T::try_from(number).ok().map(Some)
    }
    let address = |word: Option<&str>| word.map_or(Some(None), |word| word.parse::<std::net::IpAddr>().ok().map(Some));
    if words.len() != format.fields.len() {
        return None;
    }
    let row = match value(Field::LogStatus) {
        None | Some("OK") => Row::Traffic,
        Some("NODATA") => Row::NoData,
        Some("SKIPDATA") => Row::SkipData,
        Some(_) => return None,
    };
    let accepted = match value(Field::Action) {
        None => None,
        Some("ACCEPT") => Some(true),
        Some("REJECT") => Some(false),
        Some(_) => return None,
    };
    let (start, end): (i64, i64) = (number(value(Field::Start))??, number(value(Field::End))??);
    if start >= 7_258_118_400 || end >= 7_258_118_400 || end < start {
        return None;
    }
    let (src, dst) = (address(value(Field::SrcAddr))?, address(value(Field::DstAddr))?);
    let ports: (Option<u16>, Option<u16>) = (number(value(Field::SrcPort))?, number(value(Field::DstPort))?);
    let protocol: Option<u8> = number(value(Field::Protocol))?;
    let counts: (Option<i64>, Option<i64>) = (number(value(Field::Packets))?, number(value(Field::Bytes))?);
    let flags: Option<u16> = number(value(Field::TcpFlags))?;
    let numbers = (ports.0, ports.1, protocol, counts.0, counts.1, flags);
    let texts: Vec<_> =
        Field::ALL.iter().filter_map(|(name, field)| Some(format!("{name}={}", value(*field)?))).collect();
    Some(format!("{texts:?} {row:?} {start}-{end} {src:?} {dst:?} {numbers:?} {accepted:?}"))
}

/// A line of one of many kinds, good and bad.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let word = |good: &'static str| prop_oneof![6 => good.prop_map(|word: String| word), 1 => "-|x|[0-9]{1,20}|\\+1|1\\.2\\.3|\u{e9}|0x1"];
    let address = || {
        word(
            "(25[0-5]|1[0-9]{0,2}|[1-9][0-9]?)(\\.(25[0-5]|1[0-9]{0,2}|[0-9])){3}|2001:db8::[0-9a-f]{1,4}|::ffff:1\\.2\\.3\\.4",
        )
    };
    let number = |good| word(good);
    let record = (
        ("2|3|5", "[0-9]{12}|unknown", "eni-[0-9a-f]{8,17}"),
        (address(), address(), number("[0-9]{1,5}"), number("22|443|[0-9]{1,5}"), number("6|17|[0-9]{1,3}")),
        (number("[0-9]{1,9}"), number("[0-9]{1,18}"), number("14185300[0-9]{2}"), number("14185301[0-9]{2}")),
        (word("ACCEPT|REJECT"), word("OK|NODATA|SKIPDATA")),
        prop_oneof![12 => Just(""), 1 => Just(" more"), 1 => Just("\t"), 1 => Just("  ")],
        prop_oneof![12 => Just(""), 1 => Just("2014-12-14T04:06:50.000Z "), 1 => Just(" ")],
    )
        .prop_map(|((version, account, eni), (src, dst, sport, dport, protocol), (packets, bytes, start, end), (action, status), behind, before)| {
            format!("{before}{version} {account} {eni} {src} {dst} {sport} {dport} {protocol} {packets} {bytes} {start} {end} {action} {status}{behind}")
        });
    let status = prop_oneof![Just("NODATA"), Just("SKIPDATA")]
        .prop_map(|status| format!("2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - {status}"));
    let header = prop_oneof![
        Just(
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
        ),
        Just(
            "version account-id interface-id dstaddr srcaddr srcport dstport protocol packets bytes start end action log-status"
        ),
        Just("interface-id start end some-new-field action tcp-flags"),
        Just("\u{feff}interface-id start end"),
    ];
    let short = "eni-[0-9a-f]{1,8} [0-9]{1,3} [0-9]{1,4}( [a-z]{1,3} (ACCEPT|REJECT|-) (2|18|-|[0-9]{1,6}))?";
    let line = prop_oneof![
        12 => record,
        1 => status,
        2 => header.prop_map(str::to_owned),
        3 => short.prop_map(|line: String| line),
        1 => "[ -~]{0,80}",
        1 => "[ \t]{0,3}",
    ];
    (
        line,
        prop_oneof![8 => Just("\n"), 2 => Just("\r\n")],
        prop::option::weighted(0.03, (any::<prop::sample::Index>(), any::<u8>())),
    )
        .prop_map(|(line, end, damage)| {
            let mut bytes = (line + end).into_bytes();
            if let Some((at, byte)) = damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

proptest! {
    /// What is read is what a naive reader reads, however the text is cut, and in blocks as in one piece.
    #[test]
    fn any_text_is_read_as_a_naive_reader_reads_it(
        lines in prop::collection::vec(any_line(), 0..14), is_marked: bool, cut in 0_usize..3, chunk in 1_usize..300, block in 1_usize..400, is_given: bool,
    ) {
        let mut text = if is_marked { MARK.to_vec() } else { Vec::new() };
        text.extend(lines.concat());
        text.truncate(text.len().saturating_sub(cut));
        let format = is_given.then(|| Format::parse("interface-id start end").unwrap());
        let expected = naive(&text, format.clone());
        for size in [chunk, text.len().max(1)] {
            let (mut reader, mut found) = (Reader::new(format.clone()), Vec::new());
            text.chunks(size).for_each(|chunk| reader.push(chunk, |flow| found.push(whole(flow))));
            reader.finish(|flow| found.push(whole(flow)));
            prop_assert_eq!(&found, &expected);
        }
        prop_assert_eq!(in_blocks(&text, format, (chunk, block), whole), expected);
    }
}
