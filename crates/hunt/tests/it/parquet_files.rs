//! Flow logs as Parquet: the same rows as the text.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use crate::made::{Line, Logs, Version, at, gzip, header, nodata, only, rows};

const GZIP: fn() -> Compression = || Compression::GZIP(GzipLevel::default());

/// Lines as a Parquet file: the types of AWS, the columns the other way round, and one that nobody knows.
fn parquet(version: Version, lines: &[String], codec: Compression) -> Vec<u8> {
    let names = header(version);
    let words: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    let value = |row: &[&str], n: usize| (row[n] != "-").then(|| row[n].to_owned());
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (n, name) in names.split(' ').enumerate().collect::<Vec<_>>().into_iter().rev() {
        let texts: Vec<Option<String>> = words.iter().map(|row| value(row, n)).collect();
        let numbers = || texts.iter().map(|text| text.as_ref().map(|text| text.parse::<i64>().unwrap()));
        let small = || numbers().map(|number| number.map(|number| i32::try_from(number).unwrap()));
        columns.push((
            name.replace('-', "_"),
            match name {
                "version" | "srcport" | "dstport" | "protocol" | "tcp-flags" => {
                    Arc::new(small().collect::<Int32Array>())
                }
                "packets" | "bytes" | "start" | "end" => Arc::new(numbers().collect::<Int64Array>()),
                _ => Arc::new(StringArray::from(texts)),
            },
        ));
    }
    columns.push(("of_tomorrow".to_owned(), Arc::new(StringArray::from(vec!["x"; lines.len()]))));
    written(columns, codec)
}

fn written(columns: Vec<(String, ArrayRef)>, codec: Compression) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)));
    let batch = batch.unwrap();
    let mut file = Vec::new();
    let properties = WriterProperties::builder().set_compression(codec).build();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    file
}

fn lines(version: Version) -> Vec<String> {
    let mut lines = vec![
        nodata(version, "eni-1", at("09:50"), at("09:59"), "NODATA"),
        nodata(version, "eni-2", at("09:50"), at("09:59"), "SKIPDATA"),
    ];
    for n in 0..50_u16 {
        let source = if n % 7 == 0 { "2001:db8::5" } else { "203.0.113.5" };
        let line = Line::new("eni-1", (source, 40_000 + n), ("10.0.0.1", 22), at("10:00") + i64::from(n));
        lines.push(Line { accepted: n % 3 > 0, ingress: n % 5 > 0, ..line }.text(version));
    }
    lines
}

const ALL: &str = "SELECT * FROM flow_logs ORDER BY start_time, interface_id";

#[test]
fn parquet_has_the_same_rows_as_the_text_whatever_its_codec_and_folder() {
    for version in [Version::Two, Version::Three, Version::Five] {
        let lines = lines(version);
        let mut text = Logs::new();
        text.flows(version, &lines);
        let expected = text.ask(ALL);
        assert_eq!(expected.len(), 52);
        let zstd = Compression::ZSTD(ZstdLevel::default());
        for codec in [Compression::UNCOMPRESSED, Compression::SNAPPY, GZIP(), zstd] {
            for folder in [
                "",
                "AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/11/20/10/",
                "AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=eu-west-1/year=2026/month=11/day=20/",
            ] {
                let mut logs = Logs::new();
                logs.file(&format!("{folder}a.log.parquet"), &parquet(version, &lines[..20], codec));
                logs.file(&format!("{folder}b.log.parquet"), &parquet(version, &lines[20..], codec));
                let world = logs.world(2);
                assert_eq!(rows(&world, ALL, &[]), expected, "{codec} {folder}");
                let totals = world.inputs.tally.totals();
                assert_eq!((totals.bad, totals.records, totals.files), (0, 52, 2));
                let notes: Vec<_> =
                    world.inputs.tally.troubled().into_iter().flat_map(|(_, file)| file.notes).collect();
                assert_eq!(notes, ["fields that are not known here are passed over: of_tomorrow"; 2]);
            }
        }
    }
}

#[test]
fn what_is_called_parquet_and_is_text_and_the_reverse_are_read_and_told() {
    let lines = lines(Version::Two);
    let mut logs = Logs::new();
    logs.file("text.parquet", format!("{}\n{}\n", header(Version::Two), lines[2]).as_bytes());
    logs.file("parquet.log.gz", &parquet(Version::Two, &lines[3..4], GZIP()));
    logs.file("twice.parquet.gz", &gzip(&parquet(Version::Two, &lines[4..5], GZIP())));
    let world = logs.world(2);
    let found = rows(&world, "SELECT src_port FROM flow_logs ORDER BY src_port", &[]);
    assert_eq!(only(&found, &["src_port"]), ["40000", "40001", "40002"]);
    assert_eq!(world.inputs.tally.totals().bad, 0);
    let notes: Vec<_> = world.inputs.tally.troubled().into_iter().flat_map(|(_, file)| file.notes).collect();
    for note in ["it is called Parquet and is text", "it is Parquet, whatever it is called"] {
        assert!(notes.iter().any(|known| known.starts_with(note)), "{notes:?}");
    }
}

#[test]
fn parquet_of_something_else_is_named() {
    let mut logs = Logs::new();
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    logs.file("sales.parquet", &written(vec![("price".to_owned(), column)], GZIP()));
    logs.flows(Version::Two, &lines(Version::Two));
    let world = logs.world(2);
    assert_eq!(rows(&world, ALL, &[]).len(), 52);
    let (_, told) = world.inputs.tally.troubled().remove(0);
    assert_eq!(told.errors, ["it is Parquet, and no flow log: it has no columns start and end"]);
    assert_eq!(told.bad, 1);
}

#[test]
fn damaged_parquet_is_counted_and_named_and_the_rest_goes_on() {
    let whole = parquet(Version::Five, &lines(Version::Five), GZIP());
    let mut text = Logs::new();
    text.flows(Version::Five, &lines(Version::Five));
    let expected = text.ask(ALL);
    for n in (4..whole.len()).step_by(whole.len() / 40) {
        let mut flipped = whole.clone();
        flipped[n] ^= 0x11;
        for (damaged, is_cut) in [(&whole[..n], true), (&flipped[..], false)] {
            let mut logs = Logs::new();
            logs.file("a.log.parquet", damaged);
            let good = Line::new("eni-9", ("203.0.113.5", 1), ("10.0.0.1", 22), at("12:00")).text(Version::Five);
            logs.flows(Version::Five, &[good]);
            let world = logs.world(2);
            let mut found = rows(&world, ALL, &[]);
            assert_eq!(found.pop().unwrap()["interface_id"], "eni-9", "the other file is read");
            let bad = world.inputs.tally.totals().bad;
            let notes: Vec<_> = world.inputs.tally.troubled().into_iter().flat_map(|(_, file)| file.notes).collect();
            // Parquet has no checksum over the names of columns: one that has become another is told as not known.
            let is_renamed = notes.iter().any(|note| note.matches(',').count() > 0);
            assert!(
                bad > 0 || (!is_cut && (found == expected || is_renamed)),
                "byte {n} of {}: {notes:?}",
                whole.len()
            );
        }
    }
}
