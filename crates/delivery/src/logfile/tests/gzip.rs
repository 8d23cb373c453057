//! Zipped files: whole, cut, joined, damaged, and made to unzip without end.

use super::*;

#[test]
fn gzip_data_that_ends_anywhere_is_an_error_however_it_arrives() {
    let file = [gzip(log(&[relevant("a")]).as_bytes()), gzip(b"\n"), gzip(log(&[relevant("b")]).as_bytes())].concat();
    let first = gzip(log(&[relevant("a")]).as_bytes()).len();
    let joints = [first, first + gzip(b"\n").len()];
    for length in 1..file.len() {
        let cut = &file[..length];
        let found = whole(cut);
        let is_whole = joints.contains(&length);
        assert_eq!(found.iter().all(Result::is_ok), is_whole, "{length}: {found:?}");
        assert_eq!(found, streamed(cut.chunks(1)), "{length}");
        if length >= first {
            assert_eq!(found[0], Ok(relevant("a")));
        }
    }
    assert_eq!(ids(&whole(&file)), ["a", "b"]);
}

#[test]
fn members_are_joined_wherever_the_text_was_cut() {
    let text = log(&[relevant("a"), other("x"), relevant("b")]);
    for cut in 0..=text.len() {
        let (one, two) = text.as_bytes().split_at(cut);
        let file = [gzip(one), gzip(b""), gzip(two)].concat();
        assert_eq!(ids(&whole(&file)), ["a", "b"], "{cut}");
        assert_eq!(ids(&streamed(file.chunks(7))), ["a", "b"], "{cut}");
    }
    let same = gzip(format!("{}\n", relevant("a")).as_bytes());
    for times in [2, 3, 100] {
        assert_eq!(whole(&same.repeat(times)).len(), times);
    }
    // The last member is the shortest, so its length tells nothing about the others.
    let long = log(&vec![relevant("a"); 5000]);
    assert_eq!(whole(&[gzip(long.as_bytes()), gzip(b"\n")].concat()).len(), 5000);
}

#[test]
fn whatever_follows_the_last_member_is_an_error() {
    let good = gzip(log(&[relevant("a")]).as_bytes());
    let length = u32::try_from(log(&[relevant("a")]).len()).unwrap().to_le_bytes();
    let garbage: [&[u8]; 6] = [b"\0", b"{}", &[0x1f], &[0x1f, 0x8b, 8], &length, &good[..good.len() - 1]];
    for garbage in garbage {
        let file = [&good[..], garbage].concat();
        let found = whole(&file);
        assert!(
            matches!(found.as_slice(), [Ok(_), .., Err(Error::Damaged { .. } | Error::Truncated { .. })]),
            "{found:?}"
        );
        assert_eq!(found, streamed(file.chunks(1)));
    }
}

#[test]
fn a_damaged_trailer_is_not_looked_for_elsewhere() {
    let first = gzip(log(&[relevant("a")]).as_bytes());
    let mut damaged = first.clone();
    damaged[first.len() - TRAILER_BYTES] ^= 1;
    // A later trailer matches the first member: after a copy of its data, or after bytes that are no data.
    let copied = [damaged, gzip(log(&[relevant("b")]).as_bytes()), first.clone()].concat();
    let (body, trailer) = first.split_at(first.len() - TRAILER_BYTES);
    let between = [body, b"\"cidrIpv6\":\"::/0\"", trailer].concat();
    for file in [copied, between] {
        let found = whole(&file);
        assert!(matches!(found.as_slice(), [Ok(_), Err(Error::Damaged { .. })]), "{found:?}");
        assert_eq!(ids(&streamed(file.chunks(7)))[0], "a");
    }
}

/// The checksum and the length after each member's data.
const TRAILER_BYTES: usize = 8;

#[test]
fn headers_may_have_everything_that_gzip_knows() {
    let text = log(&[relevant("a")]);
    let builder = flate2::GzBuilder::new().filename("log.json").comment("a comment").extra(vec![1, 2, 3]).mtime(7);
    let mut encoder = builder.write(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    let mut file = encoder.finish().unwrap();
    assert_eq!(ids(&whole(&file)), ["a"]);
    assert_eq!(ids(&streamed(file.chunks(1))), ["a"]);
    file[3] |= 0x20;
    assert!(matches!(whole(&file).as_slice(), [Err(Error::Damaged { .. })]));
}

/// RFC 1952, 2.3.1: the lower half of the header's checksum, which hardly any program writes.
#[test]
fn a_headers_own_check_sum_is_held_against_it() {
    let plain = gzip(log(&[relevant("a")]).as_bytes());
    let (head, body) = plain.split_at(10);
    let mut head = head.to_vec();
    head[3] |= 2;
    let mut sum = flate2::Crc::new();
    sum.update(&head);
    let [low, high, ..] = sum.sum().to_le_bytes();
    let with = |sum: [u8; 2]| [head.as_slice(), &sum, body].concat();
    let (right, wrong) = (with([low, high]), with([low ^ 1, high]));
    assert_eq!((ids(&whole(&right)), ids(&streamed(right.chunks(1)))), (vec!["a".to_owned()], vec!["a".to_owned()]));
    for found in [whole(&wrong), streamed(wrong.chunks(1)), streamed(wrong.chunks(9))] {
        assert!(matches!(found.as_slice(), [Err(Error::Damaged { .. })]), "{found:?}");
    }
}

#[test]
fn flipped_bits_are_errors_or_change_nothing() {
    let text = log(&[relevant("a"), other("x"), relevant("b")]);
    let good = gzip(text.as_bytes());
    for bit in 0..good.len() * 8 {
        let mut file = good.clone();
        file[bit / 8] ^= 1 << (bit % 8);
        let found = whole(&file);
        // The header's time, system and similar fields may change without an error, and so may the unused bits in the
        // last byte of the deflated data.
        assert!(ids(&found) == ["a", "b"] || found.iter().any(Result::is_err), "{bit}: {found:?}");
    }
}

#[test]
fn a_bomb_is_an_error_and_takes_no_memory() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    (0..40).for_each(|_| encoder.write_all(&vec![b' '; 1 << 20]).unwrap());
    let member = encoder.finish().unwrap();
    assert!(member.len() < 50_000);
    assert_eq!(unzip::plain(&member, &mut Scratch::default()), None, "it is left to the stream");
    let mut found = Vec::new();
    let mut stream = Stream::default();
    assert_eq!(stream.unzip.most, MOST_UNZIPPED);
    // A smaller limit, or the test would take minutes.
    stream.unzip.most = 41 << 20;
    for _ in 0..3 {
        stream.push(&member, |each| found.push(parsed(each)));
        assert!(stream.scanner.kept() < 3 << 20);
    }
    stream.finish(|each| found.push(parsed(each)));
    assert_eq!(found, [Err(Error::TooLarge)]);
}

#[test]
fn a_text_is_as_long_as_it_likes_where_nothing_of_it_is_kept() {
    let chunk = vec![b' '; 1 << 20];
    let read = |mut unzip: Unzip| {
        let mut length = 0;
        let result = (0..=MOST_UNZIPPED >> 20).try_for_each(|_| unzip.push(&chunk, |text| length += text.len()));
        (length as u64, result.and_then(|()| unzip.finish()))
    };
    assert_eq!(read(Unzip::unlimited()), (MOST_UNZIPPED + (1 << 20), Ok(())));
    assert_eq!(read(Unzip::default()), (MOST_UNZIPPED, Err(Error::TooLarge)));
}
