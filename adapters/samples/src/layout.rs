//! Which column means what.

use crate::Error;
use vmload::{Metric, Metrics, Misuse, Scale};

/// How a file of one machine's samples is laid out: one row for each sample.
///
/// ```
/// use interbank_samples::{Column, Full, Layout, MetricColumns, TimeColumn};
/// let layout = Layout::new(b',', true, TimeColumn::Milliseconds("when".into()), vec![
///     MetricColumns::new("cpu", vec!["cpu_percent".into()], Full::Fixed(100.0)),
///     MetricColumns::new("memory", vec!["mem_used".into()], Full::Column("mem_size".into())),
///     MetricColumns::new("io", vec!["rx".into(), "tx".into()], Full::Fixed(125_000.0)),
/// ])?;
/// assert_eq!(layout.metrics().dimension(), 3);
/// # Ok::<(), interbank_samples::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    pub(crate) separator: u8,
    pub(crate) has_header: bool,
    pub(crate) time: TimeColumn,
    pub(crate) columns: Vec<MetricColumns>,
    metrics: Metrics,
}

impl Layout {
    /// Cells apart by `separator`, spaces and tabs around them not counting.
    ///
    /// # Errors
    /// [`Error::Layout`] if a metric reads no column or one twice, or if a column is named and there is no header;
    /// [`Error::Core`] if the core does not take the metrics.
    pub fn new(
        separator: u8,
        has_header: bool,
        time: TimeColumn,
        columns: Vec<MetricColumns>,
    ) -> Result<Self, Error> {
        let is_double = |of: &MetricColumns| {
            of.sum
                .iter()
                .enumerate()
                .any(|(at, column)| of.sum.iter().take(at).any(|c| c == column))
        };
        if columns.iter().any(|of| of.sum.is_empty() || is_double(of)) {
            return Err(Error::Layout);
        }
        let is_named = |column: &Column| matches!(column, Column::Named(_));
        let names =
            columns.iter().any(|of| of.all().any(is_named)) || time.column().is_some_and(is_named);
        if names && !has_header {
            return Err(Error::Layout);
        }
        let core = |why: Misuse| Error::Core { line: 0, why: why.into() };
        let metrics: Result<Vec<Metric>, Misuse> =
            columns.iter().map(MetricColumns::metric).collect();
        let metrics = Metrics::new(metrics.map_err(core)?).map_err(core)?;
        Ok(Self { separator, has_header, time, columns, metrics })
    }

    /// The Bitbrains GWA-T-12 traces: a file for each machine, `;` and tab, a header. Metrics: `cpu` in MHz of what is
    /// provisioned, `memory` in KB of what is provisioned, `io` as disk and network throughput together, of which
    /// `io_full` KB/s is full load.
    ///
    /// The header calls the time milliseconds; the files hold seconds, and so they are read.
    ///
    /// # Errors
    /// [`Error::Core`] unless `io_full` is finite and positive.
    pub fn bitbrains(io_full: f64) -> Result<Self, Error> {
        let io = [
            "Disk read throughput [KB/s]",
            "Disk write throughput [KB/s]",
            "Network received throughput [KB/s]",
            "Network transmitted throughput [KB/s]",
        ];
        Self::new(
            b';',
            true,
            TimeColumn::Seconds("Timestamp [ms]".into()),
            vec![
                MetricColumns::new(
                    "cpu",
                    vec!["CPU usage [MHZ]".into()],
                    Full::Column("CPU capacity provisioned [MHZ]".into()),
                )
                .in_unit("MHz"),
                MetricColumns::new(
                    "memory",
                    vec!["Memory usage [KB]".into()],
                    Full::Column("Memory capacity provisioned [KB]".into()),
                )
                .in_unit("KB"),
                MetricColumns::new("io", io.map(Column::from).into(), Full::Fixed(io_full))
                    .in_unit("KB/s"),
            ],
        )
    }

    /// The PlanetLab traces of CoMon: a file for each machine, one percentage of CPU in each line, every five minutes,
    /// without header or times. One metric: `cpu`. The first sample's time is the epoch.
    ///
    /// # Errors
    /// None that is known; the signature is that of the other layouts.
    pub fn planetlab() -> Result<Self, Error> {
        let cpu = MetricColumns::new("cpu", vec![Column::At(0)], Full::Fixed(100.0)).in_unit("%");
        Self::new(b'\t', false, TimeColumn::Every { interval_ms: 300_000 }, vec![cpu])
    }

    /// What is measured, in the layout's order.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The units of the readings and of the allotments, in the layout's order; empty where none was said.
    pub fn units(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|of| of.unit.as_str())
    }
}

/// A metric and the columns that it is read from.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricColumns {
    pub(crate) name: String,
    pub(crate) sum: Vec<Column>,
    pub(crate) full: Full,
    unit: String,
}

impl MetricColumns {
    /// The sum of the columns `sum`, of which `full` is full load.
    pub fn new(name: &str, sum: Vec<Column>, full: Full) -> Self {
        Self { name: name.into(), sum, full, unit: String::new() }
    }

    /// Says what the readings are counted in. Nothing is computed from it: it is for those who show allotments.
    #[must_use]
    pub fn in_unit(mut self, unit: &str) -> Self {
        self.unit = unit.into();
        self
    }

    fn metric(&self) -> Result<Metric, Misuse> {
        let scale = match self.full {
            Full::Fixed(high) => Scale::Fixed { low: 0.0, high },
            Full::Column(_) => Scale::Allotment,
        };
        Metric::new(&self.name, scale)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Column> {
        let full = match &self.full {
            Full::Column(column) => Some(column),
            Full::Fixed(_) => None,
        };
        self.sum.iter().chain(full)
    }
}

/// What full load of a metric is.
#[derive(Clone, Debug, PartialEq)]
pub enum Full {
    /// The same for all machines, in the unit of the readings.
    Fixed(f64),
    /// What this column says for each sample.
    Column(Column),
}

/// Where a sample's time comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum TimeColumn {
    /// Seconds since the Unix epoch, fractions allowed.
    Seconds(Column),
    /// Milliseconds since the Unix epoch.
    Milliseconds(Column),
    /// There is none: rows are this far apart, and the first one is at the epoch.
    Every {
        /// From row to row.
        interval_ms: u64,
    },
}

impl TimeColumn {
    pub(crate) const fn column(&self) -> Option<&Column> {
        match self {
            Self::Seconds(column) | Self::Milliseconds(column) => Some(column),
            Self::Every { .. } => None,
        }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// By the header's name for it.
    Named(String),
    /// By its place, from 0.
    At(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Self::Named(name.into())
    }
}
