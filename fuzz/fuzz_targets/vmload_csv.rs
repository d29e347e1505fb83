//! Any bytes as a file of samples, in every layout: samples or a typed error, whether bad rows are refused or passed over.

#![no_main]

use interbank_samples::{Column, Full, Layout, MetricColumns, OnBadRow, TimeColumn, read_vm};
use interbank_vmload::{Policy, VmId};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let cpu =
        MetricColumns::new("cpu", vec![Column::At(1), Column::At(2)], Full::Column(Column::At(3)));
    let places = Layout::new(b',', false, TimeColumn::Milliseconds(Column::At(0)), vec![cpu]);
    for layout in [Layout::bitbrains(1_000.0), Layout::planetlab(), places] {
        let layout = layout.unwrap();
        let read =
            |rule| read_vm(VmId::new("vm").unwrap(), &layout, &Policy::default(), rule, bytes);
        let (strict, lenient) = (read(OnBadRow::Refuse), read(OnBadRow::Skip));
        if let Ok(strict) = &strict {
            assert_eq!(lenient.as_ref(), Ok(strict), "no row was bad");
            assert_eq!(strict.skipped.total(), 0);
        }
        if let Ok(found) = lenient {
            let counts = found.samples.counts();
            assert_eq!(counts.used + counts.dropped + counts.joined, counts.seen);
            assert!(found.samples.as_columns().iter().all(|load| (0.0..=1.0).contains(load)));
        }
    }
});
