//! Vectors of any width, with the few operations that the kernels use. None of them reorders or fuses anything, so the
//! width changes no bit.

/// How many numbers are worked on at once.
pub(crate) trait Width: Copy {
    /// So many numbers; 1, 2, 4 or 8.
    type V: Copy;
    /// A yes or no for each.
    type M: Copy;
    /// How many.
    const LANES: usize;

    fn split(values: &[f64]) -> &[Self::V];
    fn split_mut(values: &mut [f64]) -> &mut [Self::V];
    fn splat(self, value: f64) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    fn sqrt(self, a: Self::V) -> Self::V;
    /// The lesser, of numbers that are not −0.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// The greater, of numbers that are not −0.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    fn is_less(self, a: Self::V, b: Self::V) -> Self::M;
    fn select(self, which: Self::M, yes: Self::V, no: Self::V) -> Self::V;
}

/// One number at a time, for builds without the feature `simd` and processors without vectors.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "simd", allow(dead_code))]
pub(crate) struct One;

impl Width for One {
    type V = f64;
    type M = bool;
    const LANES: usize = 1;

    #[inline(always)]
    fn split(values: &[f64]) -> &[f64] {
        values
    }
    #[inline(always)]
    fn split_mut(values: &mut [f64]) -> &mut [f64] {
        values
    }
    #[inline(always)]
    fn splat(self, value: f64) -> f64 {
        value
    }
    #[inline(always)]
    fn add(self, a: f64, b: f64) -> f64 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f64, b: f64) -> f64 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f64, b: f64) -> f64 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f64, b: f64) -> f64 {
        a / b
    }
    #[inline(always)]
    fn sqrt(self, a: f64) -> f64 {
        libm::sqrt(a)
    }
    #[inline(always)]
    fn min(self, a: f64, b: f64) -> f64 {
        if a < b { a } else { b }
    }
    #[inline(always)]
    fn max(self, a: f64, b: f64) -> f64 {
        if a > b { a } else { b }
    }
    #[inline(always)]
    fn is_less(self, a: f64, b: f64) -> bool {
        a < b
    }
    #[inline(always)]
    fn select(self, which: bool, yes: f64, no: f64) -> f64 {
        if which { yes } else { no }
    }
}

/// The processor's vectors.
#[cfg(feature = "simd")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide<S>(pub(crate) S);

#[cfg(feature = "simd")]
impl<S: pulp::Simd> Width for Wide<S> {
    type V = S::f64s;
    type M = S::m64s;
    const LANES: usize = S::F64_LANES;

    #[inline(always)]
    fn split(values: &[f64]) -> &[S::f64s] {
        S::as_simd_f64s(values).0
    }
    #[inline(always)]
    fn split_mut(values: &mut [f64]) -> &mut [S::f64s] {
        S::as_mut_simd_f64s(values).0
    }
    #[inline(always)]
    fn splat(self, value: f64) -> S::f64s {
        self.0.splat_f64s(value)
    }
    #[inline(always)]
    fn add(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.add_f64s(a, b)
    }
    #[inline(always)]
    fn sub(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.sub_f64s(a, b)
    }
    #[inline(always)]
    fn mul(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.mul_f64s(a, b)
    }
    #[inline(always)]
    fn div(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.div_f64s(a, b)
    }
    #[inline(always)]
    fn sqrt(self, a: S::f64s) -> S::f64s {
        self.0.sqrt_f64s(a)
    }
    #[inline(always)]
    fn min(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.min_f64s(a, b)
    }
    #[inline(always)]
    fn max(self, a: S::f64s, b: S::f64s) -> S::f64s {
        self.0.max_f64s(a, b)
    }
    #[inline(always)]
    fn is_less(self, a: S::f64s, b: S::f64s) -> S::m64s {
        self.0.less_than_f64s(a, b)
    }
    #[inline(always)]
    fn select(self, which: S::m64s, yes: S::f64s, no: S::f64s) -> S::f64s {
        self.0.select_f64s(which, yes, no)
    }
}
