//! Exact sums of doubles, rounded once at the end: the same bits in any order, on any machine (rule E4).
//!
//! A double is m 2^e with 53 bits of m. A sum lives in 127 bits at the smallest exponent met; what leaves that window moves into
//! 2,240 bits that hold every double and 2^60 additions. Whole batches are first added in 128 bits at one exponent for all groups,
//! chosen from the data: an addition is then a multiplication by a power of two and an add, without a branch that fails.

use std::collections::HashMap;

use crate::numbers::{canonical, split};

/// The lowest exponent of a double.
const LOWEST: i32 = -1074;
/// 32-bit digits from 2^-1074 to beyond 2^1024, with room for carries and a sign.
const DIGITS: usize = 70;
/// Additions between two normalisations; each adds less than 2^32 to a digit.
const BETWEEN_CARRIES: u32 = 1 << 29;

/// How far above the lowest exponent of a fixed sum a value may lie: 53 + 40 bits leave room for 2^33 additions.
const REACH: u32 = 40;
/// How far the largest exponent of the batch that chooses lies above the lowest.
const ROOM_BELOW: i32 = 36;
/// Values beyond the reach that are added one by one before another exponent is chosen, beside one a group.
const MISSES: u64 = 1 << 14;
const HIDDEN_BIT: u64 = 1 << 52;
/// Exponents of fixed sums end below this, so that infinity and NaN are always out of reach.
const HIGHEST_BASE: i32 = 2046 - REACH as i32;

/// The lowest exponent of sums of 128 bits, as doubles store it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Base(i32);

impl Base {
    /// Additions after which a fixed sum must be moved elsewhere.
    pub(crate) const ADDITIONS: u64 = 1 << 33;

    /// The exponent that suits values of this size.
    pub(crate) fn for_values<'v>(values: impl IntoIterator<Item = &'v f64>) -> Option<Base> {
        let mut largest = 0;
        for value in values {
            let magnitude = value.to_bits() & !(1 << 63);
            // Infinity and NaN say nothing.
            largest = largest.max(if magnitude < 0x7ff << 52 {
                magnitude
            } else {
                0
            });
        }
        let exponent = (largest >> 52) as i32;
        (exponent > 0).then(|| Base((exponent - ROOM_BELOW).clamp(1, HIGHEST_BASE)))
    }

    /// x in units of the lowest exponent, if it is within reach.
    #[inline(always)]
    pub(crate) fn fixed(self, x: f64) -> Option<i128> {
        let bits = x.to_bits();
        let shift = (((bits >> 52) & 0x7ff) as i32).wrapping_sub(self.0) as u32;
        if shift > REACH {
            return (bits << 1 == 0).then_some(0);
        }
        let m = (bits & (HIDDEN_BIT - 1) | HIDDEN_BIT) as i64;
        let sign = (bits as i64) >> 63;
        let m = (m ^ sign) - sign;
        Some(i128::from(m) * i128::from(1i64 << shift))
    }
}

/// Not-a-number, plus and minus infinity: how many were met.
type Specials = [i64; 3];

/// One exact sum within the window.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    sum: i128,
    exponent: i32,
    wide: bool,
}

#[derive(Clone, Debug)]
struct Wide {
    digits: Box<[i64; DIGITS]>,
    additions: u32,
}

impl Wide {
    fn new() -> Wide {
        Wide {
            digits: Box::new([0; DIGITS]),
            additions: 0,
        }
    }

    /// Adds magnitude · 2^exponent.
    fn add(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        let at = (exponent - LOWEST) as usize;
        let (digit, shift) = (at / 32, at % 32);
        let sign = if negative { -1 } else { 1 };
        // The low 32 bits after the shift, then the rest in steps of 32.
        let mut rest = magnitude;
        let low = (rest << shift) as u32;
        self.put(digit, sign * i64::from(low));
        rest >>= 32 - shift;
        let mut next = digit + 1;
        while rest != 0 {
            self.put(next, sign * i64::from(rest as u32));
            rest >>= 32;
            next += 1;
        }
        self.additions += 1;
        if self.additions >= BETWEEN_CARRIES {
            self.carry();
        }
    }

    fn put(&mut self, digit: usize, value: i64) {
        if let Some(slot) = self.digits.get_mut(digit) {
            *slot += value;
        }
    }

    fn carry(&mut self) {
        let mut carry = 0i64;
        for slot in self.digits.iter_mut().take(DIGITS - 1) {
            let value = *slot + carry;
            *slot = value & 0xffff_ffff;
            carry = value >> 32;
        }
        self.digits[DIGITS - 1] += carry;
        self.additions = 0;
    }

    /// Sign and digits of the magnitude, lowest first.
    fn magnitude(&self) -> (bool, Vec<u32>) {
        let mut copy = self.clone();
        copy.carry();
        let negative = copy.digits[DIGITS - 1] < 0;
        if negative {
            copy.digits.iter_mut().for_each(|d| *d = -*d);
            copy.carry();
        }
        (negative, copy.digits.iter().map(|d| *d as u32).collect())
    }
}

/// Exact sums of doubles, one a group.
#[derive(Debug, Default)]
pub(crate) struct DoubleSums {
    /// What was added since the last settlement, in units of `base`.
    fixed: Vec<i128>,
    base: Option<Base>,
    added: u64,
    missed: u64,
    windows: Vec<Window>,
    wide: HashMap<usize, Wide>,
    specials: HashMap<usize, Specials>,
}

impl DoubleSums {
    pub(crate) fn resize(&mut self, groups: usize) {
        self.windows.resize(groups, Window::default());
    }

    /// Adds the values to their groups.
    pub(crate) fn add_all(&mut self, values: &[f64], groups: &[usize]) {
        self.fixed.resize(self.windows.len(), 0);
        let Some(base) = self.base_for(values) else {
            for (group, x) in groups.iter().zip(values) {
                self.add(*group, *x, false);
            }
            return;
        };
        for (group, x) in groups.iter().zip(values) {
            match base.fixed(*x) {
                Some(fixed) => self.fixed[*group] += fixed,
                None => self.miss(*group, *x),
            }
        }
        self.added += values.len() as u64;
    }

    /// Adds a sum of `values` doubles in units of a base.
    pub(crate) fn add_fixed(&mut self, group: usize, base: Base, fixed: i128) {
        self.add_scaled(group, fixed < 0, fixed.unsigned_abs(), base.0 - 1075);
    }

    #[cold]
    fn miss(&mut self, group: usize, x: f64) {
        self.missed += 1;
        self.add(group, x, false);
    }

    fn base_for(&mut self, values: &[f64]) -> Option<Base> {
        let astray = self.missed > MISSES + self.windows.len() as u64;
        if astray || self.added + values.len() as u64 > Base::ADDITIONS {
            self.settle();
        }
        if self.base.is_none() {
            self.base = Base::for_values(values);
        }
        self.base
    }

    /// Moves the fixed sums into the windows.
    pub(crate) fn settle(&mut self) {
        let Some(base) = self.base.take() else { return };
        let mut fixed = std::mem::take(&mut self.fixed);
        for (group, sum) in fixed.iter_mut().enumerate() {
            self.add_fixed(group, base, std::mem::take(sum));
        }
        self.fixed = fixed;
        (self.added, self.missed) = (0, 0);
    }

    pub(crate) fn size(&self) -> usize {
        self.fixed.capacity() * size_of::<i128>()
            + self.windows.capacity() * size_of::<Window>()
            + self.wide.capacity() * (size_of::<(usize, Wide)>() + DIGITS * 8)
            + self.specials.capacity() * size_of::<(usize, Specials)>()
    }

    /// Adds x, or takes it away again.
    #[inline]
    pub(crate) fn add(&mut self, group: usize, x: f64, retract: bool) {
        if !x.is_finite() {
            self.special(group, x, if retract { -1 } else { 1 });
            return;
        }
        let (negative, m, e) = split(x);
        if m == 0 {
            return;
        }
        let negative = negative != retract;
        let window = &mut self.windows[group];
        let shift = e - window.exponent;
        // The usual case: within the window, no carry out of it.
        if !window.wide && (0..=70).contains(&shift) && window.sum != 0 {
            let scaled = i128::from(m) << shift;
            if let Some(sum) = window
                .sum
                .checked_add(if negative { -scaled } else { scaled })
            {
                window.sum = sum;
                return;
            }
        }
        self.add_scaled(group, negative, u128::from(m), e);
    }

    /// Adds magnitude · 2^exponent, moving the window where it must.
    fn add_scaled(&mut self, group: usize, negative: bool, magnitude: u128, exponent: i32) {
        if magnitude == 0 {
            return;
        }
        let window = &mut self.windows[group];
        if !window.wide {
            if window.sum == 0 {
                window.exponent = exponent;
            }
            let lowest = window.exponent.min(exponent);
            let lifted = |value: u128, from: i32| -> Option<i128> {
                let shift = (from - lowest) as u32;
                let fits = shift < 127 && value.leading_zeros() > shift + 1;
                fits.then(|| (value << shift) as i128)
            };
            let sum = lifted(window.sum.unsigned_abs(), window.exponent)
                .zip(lifted(magnitude, exponent))
                .and_then(|(sum, x)| {
                    let sum = if window.sum < 0 { -sum } else { sum };
                    sum.checked_add(if negative { -x } else { x })
                });
            if let Some(sum) = sum {
                *window = Window {
                    sum,
                    exponent: lowest,
                    wide: false,
                };
                return;
            }
            let mut wide = Wide::new();
            wide.add(window.sum < 0, window.sum.unsigned_abs(), window.exponent);
            window.wide = true;
            self.wide.insert(group, wide);
        }
        if let Some(wide) = self.wide.get_mut(&group) {
            wide.add(negative, magnitude, exponent);
        }
    }

    fn special(&mut self, group: usize, x: f64, times: i64) {
        let kind = if x.is_nan() {
            0
        } else if x > 0.0 {
            1
        } else {
            2
        };
        self.specials.entry(group).or_default()[kind] += times;
    }

    /// Sign, digits from the lowest, and the exponent of the lowest, once settled.
    fn exact(&self, group: usize) -> (bool, Vec<u32>, i32) {
        if let Some(wide) = self.wide.get(&group) {
            let (negative, digits) = wide.magnitude();
            return (negative, digits, LOWEST);
        }
        let window = self.windows.get(group).copied().unwrap_or_default();
        let magnitude = window.sum.unsigned_abs();
        let digits = (0..4).map(|k| (magnitude >> (32 * k)) as u32).collect();
        (window.sum < 0, digits, window.exponent)
    }

    /// The sum divided by `count`, rounded once to the nearest double, ties to even.
    pub(crate) fn mean(&self, group: usize, count: u64) -> f64 {
        if let Some([nan, plus, minus]) = self.specials.get(&group).copied() {
            if nan > 0 || (plus > 0 && minus > 0) {
                return canonical(f64::NAN);
            }
            if plus > 0 {
                return f64::INFINITY;
            }
            if minus > 0 {
                return f64::NEG_INFINITY;
            }
        }
        let (negative, digits, exponent) = self.exact(group);
        let value = if count == 1 {
            round(&digits, exponent, false)
        } else {
            // Four more digits below give the quotient enough bits to round by.
            let mut quotient = vec![0u32; 4];
            quotient.extend(digits);
            let mut rest = 0u128;
            for digit in quotient.iter_mut().rev() {
                let value = rest << 32 | u128::from(*digit);
                *digit = (value / u128::from(count)) as u32;
                rest = value % u128::from(count);
            }
            round(&quotient, exponent - 128, rest != 0)
        };
        canonical(if negative { -value } else { value })
    }

    pub(crate) fn sum(&self, group: usize) -> f64 {
        self.mean(group, 1)
    }

    /// The exact state in bytes, for another process to add.
    pub(crate) fn encode(&self, group: usize) -> Vec<u8> {
        let (negative, mut digits, mut exponent) = self.exact(group);
        while digits.last() == Some(&0) {
            digits.pop();
        }
        let zeros = digits.iter().take_while(|d| **d == 0).count();
        digits.drain(..zeros);
        exponent += 32 * zeros as i32;
        let specials = self.specials.get(&group);
        let mut bytes = vec![u8::from(negative) | u8::from(specials.is_some()) << 1];
        bytes.extend(exponent.to_le_bytes());
        for count in specials.into_iter().flatten() {
            bytes.extend(count.to_le_bytes());
        }
        for digit in digits {
            bytes.extend(digit.to_le_bytes());
        }
        bytes
    }

    /// Adds a state; `None` if the bytes are none.
    pub(crate) fn merge(&mut self, group: usize, bytes: &[u8]) -> Option<()> {
        let (flags, rest) = bytes.split_first()?;
        let (exponent, mut rest) = rest.split_first_chunk::<4>()?;
        let exponent = i32::from_le_bytes(*exponent);
        if flags & 2 != 0 {
            let entry = self.specials.entry(group).or_default();
            for slot in entry {
                let (count, tail) = rest.split_first_chunk::<8>()?;
                *slot += i64::from_le_bytes(*count);
                rest = tail;
            }
        }
        for (index, chunk) in rest.chunks(12).enumerate() {
            let mut magnitude = 0u128;
            for (k, digit) in chunk.chunks_exact(4).enumerate() {
                magnitude |= u128::from(u32::from_le_bytes(digit.try_into().ok()?)) << (32 * k);
            }
            self.add_scaled(
                group,
                flags & 1 != 0,
                magnitude,
                exponent + 96 * index as i32,
            );
        }
        Some(())
    }

    /// Adds the sum of a group of others; both are settled.
    pub(crate) fn absorb(&mut self, group: usize, others: &DoubleSums, at: usize) {
        if let Some(specials) = others.specials.get(&at) {
            let here = self.specials.entry(group).or_default();
            for (count, more) in here.iter_mut().zip(specials) {
                *count += more;
            }
        }
        let (negative, digits, exponent) = others.exact(at);
        self.add_digits(group, negative, &digits, exponent);
    }

    fn add_digits(&mut self, group: usize, negative: bool, digits: &[u32], exponent: i32) {
        for (index, chunk) in digits.chunks(3).enumerate() {
            let digits = chunk.iter().rev();
            let magnitude = digits.fold(0u128, |all, digit| all << 32 | u128::from(*digit));
            self.add_scaled(group, negative, magnitude, exponent + 96 * index as i32);
        }
    }

    /// Forgets the first n groups.
    pub(crate) fn drop_first(&mut self, n: usize) {
        self.settle();
        self.windows.drain(..n.min(self.windows.len()));
        self.fixed.truncate(self.windows.len());
        shift_keys(&mut self.wide, n);
        shift_keys(&mut self.specials, n);
    }
}

/// Keys beyond the first n move down by n.
pub(crate) fn shift_keys<T>(map: &mut HashMap<usize, T>, n: usize) {
    if !map.is_empty() {
        *map = std::mem::take(map)
            .into_iter()
            .filter_map(|(key, value)| Some((key.checked_sub(n)?, value)))
            .collect();
    }
}

/// The double nearest to digits · 2^exponent (and a little more, if `inexact`), ties to even.
fn round(digits: &[u32], exponent: i32, inexact: bool) -> f64 {
    let Some(top) = digits.iter().rposition(|d| *d != 0) else {
        return 0.0;
    };
    let bits = top as i32 * 32 + 32 - digits[top].leading_zeros() as i32;
    let bit = |index: i32| {
        index >= 0
            && digits
                .get(index as usize / 32)
                .is_some_and(|d| d >> (index % 32) & 1 == 1)
    };
    // The lowest bit that the result keeps, counted within the digits.
    let low = (bits - 53).max(LOWEST - exponent);
    let mut kept = 0u64;
    for index in (low.max(0)..bits).rev() {
        kept = kept << 1 | u64::from(bit(index));
    }
    let mut scale = exponent + low.max(0);
    if low > 0 {
        let half = bit(low - 1);
        let below = inexact || (0..low - 1).any(bit);
        if half && (below || kept & 1 == 1) {
            kept += 1;
        }
    }
    if kept == 1 << 53 {
        kept >>= 1;
        scale += 1;
    }
    compose(kept, scale)
}

/// kept · 2^scale, exact or infinite; kept has at most 53 bits, scale is at least −1074.
pub(crate) fn compose(kept: u64, scale: i32) -> f64 {
    if kept == 0 {
        return 0.0;
    }
    let bits = 64 - kept.leading_zeros() as i32;
    let exponent = scale + bits - 1;
    if exponent > 1023 {
        return f64::INFINITY;
    }
    if exponent < -1022 {
        return f64::from_bits(kept << (scale - LOWEST));
    }
    let fraction = (kept << (53 - bits)) & ((1 << 52) - 1);
    f64::from_bits(((exponent + 1023) as u64) << 52 | fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> f64 {
        let mut sums = DoubleSums::default();
        sums.resize(1);
        values.iter().for_each(|x| sums.add(0, *x, false));
        sums.sum(0)
    }

    fn mean(values: &[f64]) -> f64 {
        let mut sums = DoubleSums::default();
        sums.resize(1);
        values.iter().for_each(|x| sums.add(0, *x, false));
        sums.mean(0, values.len() as u64)
    }

    #[test]
    fn sums_are_rounded_once() {
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[1e308, 1e308, -1e308, -1e308, 1.0]), 1.0);
        assert_eq!(sum(&[1e308, 1e308]), f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, -f64::MAX, 5e-324]), 5e-324);
        assert_eq!(sum(&[1.0, 1e-320, -1.0]), 1e-320);
        assert_eq!(sum(&[9007199254740992.0, 1.0, 5e-324]), 9007199254740994.0);
        assert_eq!(sum(&[9007199254740992.0, 1.0]), 9007199254740992.0);
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert_eq!(sum(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert_eq!(mean(&[f64::MAX, f64::MAX]), f64::MAX);
        assert_eq!(mean(&[5e-324, 0.0]), 0.0);
        assert_eq!(mean(&[5e-324, 1e-323, 1e-323]), 1e-323);
        assert_eq!(mean(&[1.0, 2.0, 2.0]), 5.0 / 3.0);
    }

    fn doubles() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<i32>().prop_map(f64::from),
            (-1e6..1e6f64),
            any::<u64>()
                .prop_map(f64::from_bits)
                .prop_filter("finite", |x| x.is_finite())
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn two_doubles_add_as_the_machine_adds(a in doubles(), b in doubles()) {
            prop_assert_eq!(sum(&[a, b]), canonical(a + b));
        }

        #[test]
        fn integers_divide_as_the_machine_divides(values in prop::collection::vec(any::<i32>(), 1..20)) {
            let total: i64 = values.iter().map(|v| i64::from(*v)).sum();
            let doubles: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            prop_assert_eq!(mean(&doubles), canonical(total as f64 / values.len() as f64));
        }

        #[test]
        fn any_order_and_any_merge_give_the_same_bits(mut values in prop::collection::vec(doubles(), 1..40), cut in 0usize..40) {
            let expected = sum(&values);
            values.reverse();
            prop_assert_eq!(sum(&values), expected);
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut total = DoubleSums::default();
            total.resize(1);
            for part in [left, right] {
                let mut sums = DoubleSums::default();
                sums.resize(1);
                part.iter().for_each(|x| sums.add(0, *x, false));
                prop_assert!(total.merge(0, &sums.encode(0)).is_some());
            }
            prop_assert_eq!(total.sum(0), expected);
            for x in left {
                total.add(0, *x, true);
            }
            prop_assert_eq!(total.sum(0), sum(right));
        }

        #[test]
        fn batches_add_as_single_values_do(values in prop::collection::vec((doubles(), 0usize..3), 1..60), batch in 1usize..60, limit in 0u64..3) {
            let mut expected = DoubleSums::default();
            expected.resize(3);
            values.iter().for_each(|(x, group)| expected.add(*group, *x, false));
            let mut sums = DoubleSums::default();
            sums.resize(3);
            for part in values.chunks(batch) {
                let (x, groups): (Vec<f64>, Vec<usize>) = part.iter().copied().unzip();
                sums.add_all(&x, &groups);
                if sums.missed > limit {
                    sums.settle();
                }
            }
            sums.settle();
            for group in 0..3 {
                prop_assert_eq!(sums.sum(group), expected.sum(group));
            }
        }

        #[test]
        fn sums_equal_those_of_big_integers(values in prop::collection::vec((any::<i32>(), -60i32..60), 1..30)) {
            let doubles: Vec<f64> = values.iter().map(|(m, e)| f64::from(*m) * 2f64.powi(*e)).collect();
            let exact: i128 = values.iter().map(|(m, e)| i128::from(*m) << (e + 60).min(90)).sum();
            if values.iter().all(|(_, e)| *e <= 30) {
                // i128 as f64 rounds to nearest, ties to even; the scale is exact.
                prop_assert_eq!(sum(&doubles), canonical(exact as f64 * 2f64.powi(-60)));
            }
        }
    }
}
