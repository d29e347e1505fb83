//! Reading back the parameters in force, after a start or when a decision says that others are.

use crate::install::PARTS_MAX;
use crate::parameters::Head;
use crate::stand_in::Setup;
use crate::{Error, Parameters, SealError, SealedParameters, StandIn, table};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Bytes;
use port::{
    Answers, Ask, Batch, Conclusion, Decision, Key, ReadSet, Row, Scan, Step, Time, WireError,
};
use seal::TrustList;

impl StandIn {
    /// Reads the parameters in force and checks their signature once more. Writes nothing.
    pub fn load(&self, now: Time, trust: &TrustList) -> Load {
        Load { setup: self.setup.clone(), now, trust: trust.clone(), head: None }
    }
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loaded {
    /// No parameters were ever accepted: everything is declined.
    Nothing,
    /// These.
    InForce {
        /// The set, for [`crate::StandInConfig::parameters`].
        parameters: Parameters,
        /// When another one takes over: load again then.
        until: Option<Time>,
    },
    /// Their signature is not believed any more: nothing decides until others are accepted.
    Distrusted(SealError),
}

/// The look-up of the parameters in force.
#[derive(Clone, Debug)]
pub struct Load {
    setup: Arc<Setup>,
    now: Time,
    trust: TrustList,
    head: Option<Head>,
}

impl Decision for Load {
    type Verdict = Loaded;
    type Error = Error;

    fn begin(&mut self) -> Ask {
        self.head = None;
        Ask::rows(ReadSet::points([table::head(self.setup.config.institution)]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Loaded>, Error> {
        let done = |verdict| Ok(Step::Done(Conclusion { verdict, batch: Batch::new() }));
        let Some(head) = self.head.take() else {
            let [row] = &answers.rows.points[..] else { return Err(Error::Answers) };
            let Some(row) = row else { return done(Loaded::Nothing) };
            let head = Head::parse(&row.value).map_err(Error::Corrupt)?;
            let version = head.in_force(self.now).version;
            self.head = Some(head);
            let prefix = table::set(self.setup.config.institution, version);
            return Ok(Step::Ask(Ask::rows(ReadSet::scan(Scan::first(prefix, PARTS_MAX)))));
        };
        let [parts] = &answers.rows.scans[..] else { return Err(Error::Answers) };
        let installed = head.installed(self.now);
        match joined(parts)?.reopen(self.now, installed.at, &self.trust) {
            Ok(parameters) if parameters.mark() == installed.mark => {
                done(Loaded::InForce { parameters, until: head.until(self.now) })
            }
            // Other rows than those that were accepted.
            Ok(_) => Err(Error::Corrupt(WireError::Invalid)),
            Err(why) => done(Loaded::Distrusted(why)),
        }
    }
}

/// A signed set out of its rows.
pub(crate) fn joined(parts: &[(Key, Row)]) -> Result<SealedParameters, Error> {
    let bytes: Vec<&Bytes> = parts.iter().map(|(_, row)| &row.value).collect();
    let bytes: Vec<u8> = bytes.into_iter().flatten().copied().collect();
    SealedParameters::parse(&bytes).map_err(Error::Corrupt)
}
