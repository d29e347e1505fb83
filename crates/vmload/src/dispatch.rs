//! Which vectors the inner loops run on.
//!
//! With the feature `simd` the widest that this processor has, found at run time; else one number at a time. One source
//! for all, so the bits are the same.

use crate::width::Width;

/// Work that is inlined into code built for the vectors at hand; `run` has to be `#[inline(always)]`.
pub(crate) trait Kernel {
    type Output;
    fn run<W: Width>(self, width: W) -> Self::Output;
}

#[cfg(feature = "simd")]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    pulp::Arch::new().dispatch(Call(kernel))
}

#[cfg(not(feature = "simd"))]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(crate::width::One)
}

#[cfg(feature = "simd")]
pub(crate) struct Call<K>(pub(crate) K);

#[cfg(feature = "simd")]
impl<K: Kernel> pulp::WithSimd for Call<K> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) -> K::Output {
        self.0.run(crate::width::Wide(simd))
    }
}
