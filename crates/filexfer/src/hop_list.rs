//! The sites that a request has passed.

use crate::SiteId;
use alloc::vec::Vec;
use core::fmt;
use port::WireError;
use port::wire::{Reader, Writer};

/// The sites that a request has passed, first to last; no site twice, at most eight.
///
/// Each forwarding server adds its own site before it passes a request on; one that finds itself in the list refuses. So a
/// loop of routing tables ends at the first site that sees the request again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopList {
    sites: Vec<SiteId>,
}

impl HopList {
    /// The most sites.
    pub const SITES_MAX: usize = 8;

    /// No site yet.
    pub const fn new() -> Self {
        Self { sites: Vec::new() }
    }

    /// Adds a site.
    ///
    /// # Errors
    /// [`BadHop`]; the list is unchanged.
    pub fn visit(&mut self, site: &SiteId) -> Result<(), BadHop> {
        if self.sites.contains(site) {
            return Err(BadHop::Loop);
        }
        if self.sites.len() >= Self::SITES_MAX {
            return Err(BadHop::TooMany);
        }
        self.sites.push(site.clone());
        Ok(())
    }

    /// Where the request entered.
    pub fn first(&self) -> Option<&SiteId> {
        self.sites.first()
    }

    /// Who passed it on.
    pub fn last(&self) -> Option<&SiteId> {
        self.sites.last()
    }

    /// Whether a site was passed.
    pub fn has(&self, site: &SiteId) -> bool {
        self.sites.contains(site)
    }

    /// The sites.
    pub fn sites(&self) -> &[SiteId] {
        &self.sites
    }

    /// Appends count (`u8`) and sites (`u8` length each).
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub(crate) fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        to.u8(u8::try_from(self.sites.len()).map_err(|_| WireError::TooLong)?);
        for site in &self.sites {
            to.lp8(site.as_str().as_bytes())?;
        }
        Ok(())
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        let mut hops = Self::new();
        for _ in 0..from.u8()? {
            let site = SiteId::new(Reader::text(from.lp8()?)?).map_err(|_| WireError::Invalid)?;
            hops.visit(&site).map_err(|_| WireError::Invalid)?;
        }
        Ok(hops)
    }
}

/// Why a request cannot pass a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadHop {
    /// It was here before.
    Loop,
    /// It has passed too many sites.
    TooMany,
}

impl BadHop {
    /// Stable number, 5015 and 5016.
    pub const fn code(self) -> u32 {
        match self {
            Self::Loop => 5_015,
            Self::TooMany => 5_016,
        }
    }
}

impl fmt::Display for BadHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loop => "the request was at this site before",
            Self::TooMany => "the request has passed too many sites",
        })
    }
}

impl core::error::Error for BadHop {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fd12_no_site_is_passed_twice() {
        let site = |n: usize| SiteId::new(&alloc::format!("s{n}")).unwrap();
        let mut hops = HopList::new();
        for n in 0..8 {
            assert_eq!(hops.visit(&site(n)), Ok(()));
            assert_eq!(hops.visit(&site(0)), Err(BadHop::Loop));
        }
        assert_eq!(hops.visit(&site(9)), Err(BadHop::TooMany));
        assert_eq!((hops.first(), hops.last()), (Some(&site(0)), Some(&site(7))));
        let mut bytes = Vec::new();
        hops.write(&mut Writer::bare(&mut bytes)).unwrap();
        assert_eq!(HopList::read(&mut Reader::new(&bytes)), Ok(hops));
        assert_eq!(HopList::read(&mut Reader::new(b"\x02\x01a\x01a")), Err(WireError::Invalid));
    }
}
