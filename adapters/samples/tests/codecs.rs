//! Files as they come: layouts, gzip, damage, and what the core then counts.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use flate2::Compression;
use flate2::write::GzEncoder;
use interbank_samples::{
    BadRow, Collected, Column, Error, Full, Layout, MetricColumns, OnBadRow, Rows, Skipped,
    TimeColumn, read_vm,
};
use port::Time;
use std::io::{self, Read, Write as _};
use vmload::{Flaw, OnGap, Policy, Source as _, VmId};

const HEADER: &str = "Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\t\
    Memory capacity provisioned [KB];\tMemory usage [KB];\tDisk read throughput [KB/s];\tDisk write throughput [KB/s];\t\
    Network received throughput [KB/s];\tNetwork transmitted throughput [KB/s]";
const ROW_1: &str =
    "1375308176;\t2;\t5000.0;\t1250.0;\t25.0;\t8388608.0;\t4194304.0;\t0.0;\t1.0;\t11.0;\t38.0";
const ROW_2: &str =
    "1375308476;\t2;\t5000.0;\t2500.0;\t50.0;\t8388608.0;\t2097152.0;\t5.0;\t5.0;\t5.0;\t10.0";

fn vm() -> VmId {
    VmId::new("1").expect("a name")
}

fn bitbrains(on_bad_row: OnBadRow, file: &[u8]) -> Result<Collected, Error> {
    let layout = Layout::bitbrains(100.0).expect("a layout");
    read_vm(vm(), &layout, &Policy::default(), on_bad_row, file)
}

fn lines(lines: &[&str]) -> Vec<u8> {
    [lines.join("\n").as_bytes(), b"\n"].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Hands over one byte at a time.
struct Dripping<'a>(&'a [u8]);

impl Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(1);
        self.0.read(buffer.get_mut(..wanted).expect("at most its length"))
    }
}

#[test]
fn k01_bitbrains_rows_become_loads() {
    let found = bitbrains(OnBadRow::Refuse, &lines(&[HEADER, ROW_1, ROW_2])).expect("it is sound");
    assert_eq!(found.samples.len(), 2);
    assert!(found.samples.row(0).eq([0.25, 0.5, 0.5]));
    assert!(found.samples.row(1).eq([0.5, 0.25, 0.25]));
    assert_eq!(found.samples.times(), [Time::from_s(1_375_308_176), Time::from_s(1_375_308_476)]);
    assert_eq!((found.skipped.total(), found.allotment), (0, vec![5_000.0, 8_388_608.0, 1.0]));
    let layout = Layout::bitbrains(1.0).expect("a layout");
    assert!(layout.units().eq(["MHz", "KB", "KB/s"]));
}

#[test]
fn k01_forms_of_one_file_read_alike() {
    let plain = lines(&[HEADER, ROW_1, ROW_2]);
    let expected = bitbrains(OnBadRow::Refuse, &plain).expect("it is sound");
    let text = String::from_utf8(plain.clone()).expect("text");
    let quoted = text.replace(HEADER, &format!("\"{}\"", HEADER.replace(";\t", "\";\"")));
    let forms: [(&str, Vec<u8>); 7] = [
        ("a byte order mark", [b"\xef\xbb\xbf".as_slice(), &plain].concat()),
        ("CRLF", text.replace('\n', "\r\n").into_bytes()),
        ("no last line end", text.trim_end().as_bytes().to_vec()),
        ("empty lines", text.replace('\n', "\n\n").into_bytes()),
        ("quotes", quoted.into_bytes()),
        ("gzip", gzip(&plain)),
        ("two members", [gzip(&plain[..100]), gzip(&plain[100..])].concat()),
    ];
    let layout = Layout::bitbrains(100.0).expect("a layout");
    for (form, file) in forms {
        assert_eq!(bitbrains(OnBadRow::Refuse, &file).as_ref(), Ok(&expected), "{form}");
        let dripped = read_vm(vm(), &layout, &Policy::default(), OnBadRow::Refuse, Dripping(&file));
        assert_eq!(dripped.as_ref(), Ok(&expected), "{form}, byte by byte");
    }
}

#[test]
fn k01_planetlab_has_percentages_alone() {
    let layout = Layout::planetlab().expect("a layout");
    let file = b"25\n50\n\n100\n".as_slice();
    let found = read_vm(vm(), &layout, &Policy::default(), OnBadRow::Refuse, file).expect("sound");
    assert_eq!(found.samples.column(0), [0.25, 0.5, 1.0]);
    assert_eq!(found.samples.times(), [Time::from_s(0), Time::from_s(300), Time::from_s(600)]);
    // A bad row keeps its place in time.
    let file = b"25\nx\n100\n".as_slice();
    let found = read_vm(vm(), &layout, &Policy::default(), OnBadRow::Skip, file).expect("sound");
    assert_eq!(found.samples.times(), [Time::from_s(0), Time::from_s(600)]);
    assert_eq!(found.skipped, Skipped { number: 1, ..Skipped::default() });
}

#[test]
fn k01_other_layouts_by_place_and_name() {
    let cpu = MetricColumns::new("cpu", vec![Column::At(2)], Full::Column(Column::At(1)));
    let time = TimeColumn::Milliseconds(Column::At(0));
    let layout = Layout::new(b'\t', false, time.clone(), vec![cpu]).expect("a layout");
    let file = b"1500\t4\t1\n2500\t2\t1\n".as_slice();
    let found = read_vm(vm(), &layout, &Policy::default(), OnBadRow::Refuse, file).expect("sound");
    assert_eq!(found.samples.column(0), [0.25, 0.5]);
    assert_eq!(found.samples.times(), [Time::from_ms(1_500), Time::from_ms(2_500)]);

    let named = MetricColumns::new("cpu", vec!["used".into()], Full::Fixed(1.0));
    assert_eq!(Layout::new(b',', false, time.clone(), vec![named.clone()]), Err(Error::Layout));
    let double = MetricColumns::new("cpu", vec!["used".into(), "used".into()], Full::Fixed(1.0));
    assert_eq!(Layout::new(b',', true, time.clone(), vec![double]), Err(Error::Layout));
    let nothing = Layout::new(b',', true, time.clone(), Vec::new()).expect_err("no metric");
    assert_eq!(nothing.code(), vmload::Misuse::Metrics.code());
    let layout = Layout::new(b',', true, time, vec![named]).expect("a layout");
    let read = |file: &'static [u8]| {
        read_vm(vm(), &layout, &Policy::default(), OnBadRow::Refuse, file).map(|_| ())
    };
    assert_eq!(read(b"at,free\n0,1\n"), Err(Error::NoColumn("used".into())));
    assert_eq!(read(b""), Err(Error::NoColumn("used".into())));
    assert_eq!(read(b"at,used\n0,1\n"), Ok(()));
}

#[test]
fn k01_bad_rows_have_their_line_or_are_counted() {
    let rows = [
        ("1375308176;2;5000", BadRow::Short),
        (&ROW_1.replace("1250.0", "12x0"), BadRow::Number),
        (&ROW_1.replace("1375308176", "noon"), BadRow::Time),
        (&ROW_1.replace("1375308176", "-1"), BadRow::Time),
        (&ROW_1.replace("1375308176", "1e300"), BadRow::Time),
        (&ROW_1.replace("5000.0", "0"), BadRow::Allotment),
        (&ROW_1.replace("5000.0", ""), BadRow::Allotment),
        (&ROW_1.replace("5000.0", "inf"), BadRow::Allotment),
    ];
    for (row, why) in rows {
        let file = lines(&[HEADER, ROW_2, row, ROW_2]);
        let refused = bitbrains(OnBadRow::Refuse, &file).expect_err("it is bad");
        assert_eq!(refused, Error::BadRow { line: 3, why }, "{row}");
        assert!(refused.to_string().starts_with("line 3: "), "{refused}");
        let found = bitbrains(OnBadRow::Skip, &file).expect("it is passed over");
        let skipped = found.skipped;
        let of_kind = match why {
            BadRow::Short => skipped.short,
            BadRow::Number => skipped.number,
            BadRow::Time => skipped.time,
            _ => skipped.allotment,
        };
        assert_eq!((of_kind, skipped.total(), found.samples.counts().seen), (1, 1, 2), "{row}");
    }
}

#[test]
fn k01_flaws_of_values_are_the_policys() {
    let missing = ROW_2.replace("2500.0", "");
    let nan = ROW_2.replace("2500.0", "NaN").replace("1375308476", "1375308776");
    let infinite = ROW_2.replace("2500.0", "inf").replace("1375308476", "1375309076");
    let part = ROW_2.replace("10.0", "n/a").replace("1375308476", "1375309376");
    let file = lines(&[HEADER, ROW_1, &missing, &nan, &infinite, &part]);
    let found = bitbrains(OnBadRow::Refuse, &file).expect("the core counts them");
    let counts = found.samples.counts();
    assert_eq!((counts.seen, counts.used, counts.missing), (5, 1, 2));
    assert_eq!((counts.not_a_number, counts.infinite, counts.dropped), (1, 1, 4));

    let layout = Layout::bitbrains(100.0).expect("a layout");
    let policy = Policy { missing: OnGap::Refuse, ..Policy::default() };
    let refused = read_vm(vm(), &layout, &policy, OnBadRow::Skip, &file[..]).map(|_| ());
    assert_eq!(refused, Err(Error::Core { line: 3, why: Flaw::Missing.into() }));
}

#[test]
fn k01_damage_is_told_from_the_end() {
    let whole = gzip(&lines(&[HEADER, ROW_1, ROW_2]));
    for kept in 2..whole.len() {
        let cut = bitbrains(OnBadRow::Skip, &whole[..kept]).expect_err("it is cut off");
        assert!(matches!(cut, Error::Truncated { .. }), "{kept}: {cut:?}");
    }
    let mut damaged = whole.clone();
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    let refused = bitbrains(OnBadRow::Skip, &damaged).expect_err("its checksum is wrong");
    assert_eq!(refused.code(), 9300, "{refused:?}");
}

#[test]
fn k01_endless_rows_end() {
    let endless = io::repeat(b'7').take(1 << 40);
    let layout = Layout::planetlab().expect("a layout");
    let refused = read_vm(vm(), &layout, &Policy::default(), OnBadRow::Skip, endless);
    assert_eq!(refused, Err(Error::TooLong { line: 1 }));
    // Neither does an open quotation swallow the rest.
    let open = b"\"".as_slice().chain(io::repeat(b'\n').take(1 << 40));
    let refused = read_vm(vm(), &layout, &Policy::default(), OnBadRow::Skip, open);
    assert_eq!(refused, Err(Error::TooLong { line: 1 }));
}

#[test]
fn k02_rows_are_a_source() {
    let file = lines(&[HEADER, ROW_1, ROW_2]);
    let layout = Layout::bitbrains(100.0).expect("a layout");
    let mut rows = Rows::new(vm(), &layout, OnBadRow::Refuse, &file[..]).expect("a header");
    let mut pulled = Vec::new();
    assert_eq!(rows.pull(Time::EPOCH, 1, &mut |sample| pulled.push(sample)), Ok(1));
    assert_eq!(rows.pull(Time::EPOCH, 9, &mut |sample| pulled.push(sample)), Ok(1));
    assert_eq!(rows.pull(Time::EPOCH, 9, &mut |sample| pulled.push(sample)), Ok(0));
    assert_eq!(pulled[1].readings, [Some(2_500.0), Some(2_097_152.0), Some(25.0)]);
    assert_eq!(pulled[1].allotment, [5_000.0, 8_388_608.0, 1.0]);
}
