//! Parquet files, behind the feature of that name.

use crate::read::Collecting;
use crate::slots::Slots;
use crate::{BadRow, Collected, Column, Error, Layout, OnBadRow, Row, Skipped};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use vmload::{Policy, VmId};

/// Reads the Parquet file of one machine to its end, as [`crate::read_vm`] reads CSV. Of the layout only the columns count:
/// names are always there, places go by the columns of the outermost level, and what separates cells is of no matter. A
/// time column of the logical type timestamp has its own unit, whatever the layout says. Columns are numbers: whole, or
/// floating-point; they are stored plain or with Snappy.
///
/// Lines in errors are rows, from 1. Memory is that of the samples, and of a page of each column that is read. Sizes in
/// the file's own tables are believed, so that a hostile file can ask for more: read files of known origin.
///
/// # Errors
/// As [`crate::read_vm`]; [`Error::Unreadable`] for what is not Parquet or is compressed otherwise.
pub fn read_vm_parquet(
    vm: VmId,
    layout: &Layout,
    policy: &Policy,
    on_bad_row: OnBadRow,
    file: File,
) -> Result<Collected, Error> {
    // The decoder checks most of what it reads, and panics over some of the rest.
    let read = catch_unwind(AssertUnwindSafe(|| read(vm, layout, policy, on_bad_row, file)));
    read.unwrap_or(Err(Error::Unreadable { line: 0, kind: io::ErrorKind::InvalidData }))
}

fn read(
    vm: VmId,
    layout: &Layout,
    policy: &Policy,
    on_bad_row: OnBadRow,
    file: File,
) -> Result<Collected, Error> {
    let fails = |why: ParquetError| unreadable(0, why);
    let reader = SerializedFileReader::new(file).map_err(fails)?;
    let schema = reader.metadata().file_metadata().schema();
    let fields = if schema.is_group() { schema.get_fields() } else { &[] };
    let find = |column: &Column| match column {
        Column::At(place) if *place < fields.len() => Ok(*place),
        Column::At(place) => Err(Error::NoColumn(format!("#{place}"))),
        Column::Named(name) => {
            let place = fields.iter().position(|field| field.name() == name);
            place.ok_or_else(|| Error::NoColumn(name.clone()))
        }
    };
    // Only the columns that are wanted are read, in the file's order.
    let wanted: Result<BTreeSet<usize>, Error> = layout
        .columns
        .iter()
        .flat_map(|of| of.all())
        .chain(layout.time.column())
        .map(find)
        .collect();
    let wanted = wanted?;
    let place = |column: &Column| find(column).map(|place| wanted.range(..place).count());
    let mut slots = Slots::new(layout, place)?;
    let fields: Vec<Arc<Type>> = wanted.iter().filter_map(|&at| fields.get(at)).cloned().collect();
    let scales: Vec<f64> =
        fields.iter().map(|field| timestamp_ms(field) / slots.time_unit_ms()).collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build();
    let rows = RowIter::from_file(Some(projection.map_err(fails)?), &reader).map_err(fails)?;

    let mut collecting = Collecting::new(vm, layout, policy);
    let mut skipped = Skipped::default();
    for (line, row) in (1_u64..).zip(rows) {
        let row = row.map_err(|why| unreadable(line - 1, why))?;
        let cells: Vec<Result<Option<f64>, BadRow>> = row
            .get_column_iter()
            .zip(&scales)
            .map(|((_, field), scale)| reading(field, *scale))
            .collect();
        let filled =
            slots.fill(line - 1, |place| cells.get(place).copied().unwrap_or(Err(BadRow::Short)));
        match filled {
            Ok(at) => {
                let (readings, allotment) = (&slots.readings, &slots.allotment);
                collecting.take(&Row { at, line, readings, allotment })?;
            }
            Err(why) if on_bad_row == OnBadRow::Refuse => return Err(Error::BadRow { line, why }),
            Err(why) => skipped.count(why),
        }
    }
    collecting.finish(skipped)
}

/// A cell's number; a timestamp's in units of the layout's time, `scale` for each of its own.
#[allow(clippy::cast_precision_loss, reason = "counts beyond 2⁵³ are no loads")]
fn reading(field: &Field, scale: f64) -> Result<Option<f64>, BadRow> {
    Ok(Some(match *field {
        Field::Null => return Ok(None),
        Field::Byte(value) => f64::from(value),
        Field::Short(value) => f64::from(value),
        Field::Int(value) => f64::from(value),
        Field::UByte(value) => f64::from(value),
        Field::UShort(value) => f64::from(value),
        Field::UInt(value) => f64::from(value),
        Field::ULong(value) => value as f64,
        Field::Float(value) => f64::from(value),
        Field::Double(value) => value,
        Field::Long(value) if scale.is_nan() => value as f64,
        Field::Long(value) | Field::TimestampMillis(value) | Field::TimestampMicros(value) => {
            value as f64 * scale
        }
        _ => return Err(BadRow::Number),
    }))
}

/// Milliseconds in a unit of a column of timestamps; NaN for other columns.
fn timestamp_ms(field: &Type) -> f64 {
    let of = field.get_basic_info();
    match (of.logical_type_ref(), of.converted_type()) {
        (Some(LogicalType::Timestamp(of)), _) => match of.unit {
            TimeUnit::MILLIS => 1.0,
            TimeUnit::MICROS => 1e-3,
            TimeUnit::NANOS => 1e-6,
        },
        // files of older writers
        (_, ConvertedType::TIMESTAMP_MILLIS) => 1.0,
        (_, ConvertedType::TIMESTAMP_MICROS) => 1e-3,
        _ => f64::NAN,
    }
}

fn unreadable(line: u64, why: ParquetError) -> Error {
    let kind = match why {
        ParquetError::EOF(_) => return Error::Truncated { line },
        ParquetError::NYI(_) => io::ErrorKind::Unsupported,
        ParquetError::External(why) => {
            why.downcast_ref::<io::Error>().map_or(io::ErrorKind::InvalidData, io::Error::kind)
        }
        _ => io::ErrorKind::InvalidData,
    };
    Error::Unreadable { line, kind }
}
