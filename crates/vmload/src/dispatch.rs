//! Which vectors the inner loops are built for.
//!
//! With the feature `simd` the widest that this processor has, found at run time; else the build's own. One source, so
//! the bits are the same.

/// Work that is inlined into code built for the vectors at hand; `run` has to be `#[inline(always)]`.
pub(crate) trait Kernel {
    type Output;
    fn run(self) -> Self::Output;
}

#[cfg(feature = "simd")]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    pulp::Arch::new().dispatch(Call(kernel))
}

#[cfg(feature = "simd")]
struct Call<K>(K);

#[cfg(feature = "simd")]
impl<K: Kernel> pulp::WithSimd for Call<K> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> K::Output {
        self.0.run()
    }
}

#[cfg(not(feature = "simd"))]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}
