//! Parquet files: columns by name and place, types of numbers and times, and damage.

#![cfg(feature = "parquet")]
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use interbank_samples::{
    BadRow, Collected, Column, Error, Full, Layout, MetricColumns, OnBadRow, Skipped, TimeColumn,
    read_vm_parquet,
};
use parquet::basic::Compression;
use parquet::data_type::{DoubleType, FloatType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use port::Time;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use vmload::{Policy, VmId};

const SCHEMA: &str = "message samples {
    optional binary note (UTF8); required int64 at (TIMESTAMP(UNIT,true));
    optional double used; required float size; required int64 sent; }";

/// Four rows in two groups: the second has no reading, the third no allotment. The first column is not read.
fn write(path: &Path, unit: &str, of_ms: i64, compression: Compression) {
    let schema = parse_message_type(&SCHEMA.replace("UNIT", unit)).expect("a schema");
    let properties = WriterProperties::builder().set_compression(compression).build();
    let file = File::create(path).expect("a file");
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).expect("a writer");
    for group in 0..2 {
        let mut rows = writer.next_row_group().expect("a group");
        let mut at = 0;
        while let Some(mut column) = rows.next_column().expect("a column") {
            let first = group * 2;
            let times = [first, first + 1].map(|n| (1_375_308_176_000 + n * 300_000) * of_ms);
            match at {
                0 => column.typed::<parquet::data_type::ByteArrayType>().write_batch(
                    &[],
                    Some(&[0, 0]),
                    None,
                ),
                1 => column.typed::<Int64Type>().write_batch(&times, None, None),
                2 if group == 0 => {
                    column.typed::<DoubleType>().write_batch(&[2.0], Some(&[1, 0]), None)
                }
                2 => column.typed::<DoubleType>().write_batch(&[4.0, 6.0], Some(&[1, 1]), None),
                3 if group == 0 => column.typed::<FloatType>().write_batch(&[8.0, 8.0], None, None),
                3 => column.typed::<FloatType>().write_batch(&[0.0, 8.0], None, None),
                _ => column.typed::<Int64Type>().write_batch(&[25, 50], None, None),
            }
            .expect("values");
            column.close().expect("it is whole");
            at += 1;
        }
        rows.close().expect("it is whole");
    }
    writer.close().expect("it is whole");
}

fn layout(time: TimeColumn) -> Layout {
    let memory = MetricColumns::new("memory", vec!["used".into()], Full::Column("size".into()));
    let network = MetricColumns::new("network", vec![Column::At(4)], Full::Fixed(100.0));
    Layout::new(b',', true, time, vec![memory, network]).expect("a layout")
}

fn read(path: &Path, layout: &Layout, on_bad_row: OnBadRow) -> Result<Collected, Error> {
    let vm = VmId::new("1").expect("a name");
    read_vm_parquet(vm, layout, &Policy::default(), on_bad_row, File::open(path).expect("a file"))
}

#[test]
fn k01_parquet_is_read_by_columns() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("1.parquet");
    for (unit, of_ms, compression) in [
        ("MILLIS", 1, Compression::UNCOMPRESSED),
        ("MICROS", 1_000, Compression::SNAPPY),
        ("NANOS", 1_000_000, Compression::SNAPPY),
    ] {
        write(&path, unit, of_ms, compression);
        for time in [TimeColumn::Seconds("at".into()), TimeColumn::Milliseconds(Column::At(1))] {
            let found = read(&path, &layout(time), OnBadRow::Skip).expect("it is sound");
            assert_eq!(found.skipped, Skipped { allotment: 1, ..Skipped::default() });
            assert_eq!((found.samples.counts().seen, found.samples.counts().missing), (3, 1));
            let last = Time::from_ms(1_375_308_176_000 + 900_000);
            assert_eq!(found.samples.times().last(), Some(&last), "{unit}");
            let end = found.samples.len() - 1;
            assert!(
                found.samples.row(0).eq([0.25, 0.25]) && found.samples.row(end).eq([0.75, 0.5])
            );
        }
    }
    let refused = read(&path, &layout(TimeColumn::Seconds("at".into())), OnBadRow::Refuse);
    assert_eq!(refused, Err(Error::BadRow { line: 3, why: BadRow::Allotment }));
    // text is no time, and a name may be absent
    let refused = read(&path, &layout(TimeColumn::Seconds("note".into())), OnBadRow::Refuse);
    assert_eq!(refused, Err(Error::BadRow { line: 1, why: BadRow::Time }));
    let refused = read(&path, &layout(TimeColumn::Seconds("when".into())), OnBadRow::Skip);
    assert_eq!(refused, Err(Error::NoColumn("when".into())));
    let refused = read(&path, &layout(TimeColumn::Seconds(Column::At(5))), OnBadRow::Skip);
    assert_eq!(refused, Err(Error::NoColumn("#5".into())));
}

#[test]
fn k01_damaged_parquet_is_an_error_or_other_samples() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("1.parquet");
    let layout = layout(TimeColumn::Seconds("at".into()));
    write(&path, "MILLIS", 1, Compression::SNAPPY);
    let sound = fs::read(&path).expect("it is there");
    let damaged = folder.path().join("2.parquet");
    for end in [0, 3, 8, sound.len() / 2, sound.len() - 1] {
        fs::write(&damaged, sound.split_at(end).0).expect("a file");
        assert!(read(&damaged, &layout, OnBadRow::Skip).is_err(), "cut at {end}");
    }
    let mut errors = 0;
    for at in (0..sound.len()).step_by(3) {
        let mut bytes = sound.clone();
        bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x15);
        fs::write(&damaged, bytes).expect("a file");
        errors += u32::from(read(&damaged, &layout, OnBadRow::Skip).is_err());
    }
    assert!(errors > 10, "{errors} of {}", sound.len());
}
