//! A whole file as the samples of one machine.

use crate::{Error, Layout, OnBadRow, Row, Rows, Skipped};
use std::io::Read;
use vmload::{Intake, Policy, Samples, VmId};

/// Reads the file of one machine to its end. Memory is that of the samples, at most [`vmload::SAMPLES_MAX`].
///
/// # Errors
/// As [`Rows::new`] and [`Rows::next_row`]; [`Error::Core`] for what the policy refuses, and for too many samples.
pub fn read_vm(
    vm: VmId,
    layout: &Layout,
    policy: &Policy,
    on_bad_row: OnBadRow,
    file: impl Read + Send,
) -> Result<Collected, Error> {
    let mut rows = Rows::new(vm.clone(), layout, on_bad_row, file)?;
    let mut collecting = Collecting::new(vm, layout, policy);
    while let Some(row) = rows.next_row()? {
        collecting.take(&row)?;
    }
    collecting.finish(rows.skipped())
}

/// One machine's file.
#[derive(Clone, Debug, PartialEq)]
pub struct Collected {
    /// The samples, with what the core counted.
    pub samples: Samples,
    /// Bad rows that were passed over before the core saw them.
    pub skipped: Skipped,
    /// The last allotment, one number for each metric; empty without a good row.
    pub allotment: Vec<f64>,
}

/// Rows on their way into samples.
pub(crate) struct Collecting<'a> {
    intake: Intake<'a>,
    allotment: Vec<f64>,
}

impl<'a> Collecting<'a> {
    pub(crate) fn new(vm: VmId, layout: &'a Layout, policy: &'a Policy) -> Self {
        Self { intake: Intake::new(vm, layout.metrics(), policy), allotment: Vec::new() }
    }

    pub(crate) fn take(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let core = |why: vmload::Error| Error::Core { line: row.line, why };
        if self.allotment != row.allotment {
            self.allotment.clear();
            self.allotment.extend_from_slice(row.allotment);
            self.intake.allot(&self.allotment).map_err(|why| core(why.into()))?;
        }
        self.intake.push_partial(row.at, row.readings).map_err(core)
    }

    pub(crate) fn finish(self, skipped: Skipped) -> Result<Collected, Error> {
        let samples = self.intake.finish().map_err(|why| Error::Core { line: 0, why })?;
        Ok(Collected { samples, skipped, allotment: self.allotment })
    }
}
