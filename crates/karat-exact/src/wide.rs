//! Numbers of any width and one rounding at the end: what exact moments and elementary functions are computed in.
//!
//! Natural numbers are slices of 64-bit limbs, the lowest first. Nothing here rounds but [`round`], [`quotient`] and
//! [`root_of_quotient`], and each of these rounds once, to nearest, ties to even.

use std::cmp::Ordering;

use crate::doubles::compose;

/// The lowest exponent of a double.
const LOWEST: i64 = -1074;

fn trimmed(mut limbs: Vec<u64>) -> Vec<u64> {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
    limbs
}

/// How many bits a number has.
pub(crate) fn bits(limbs: &[u64]) -> i64 {
    match limbs.iter().rposition(|limb| *limb != 0) {
        Some(top) => top as i64 * 64 + 64 - i64::from(limbs[top].leading_zeros()),
        None => 0,
    }
}

fn compare(a: &[u64], b: &[u64]) -> Ordering {
    bits(a).cmp(&bits(b)).then_with(|| {
        let length = a.len().min(b.len());
        a[..length].iter().rev().cmp(b[..length].iter().rev())
    })
}

fn added(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let mut sum = long.to_vec();
    let mut carry = false;
    for (index, slot) in sum.iter_mut().enumerate() {
        let (value, one) = slot.overflowing_add(short.get(index).copied().unwrap_or(0));
        let (value, two) = value.overflowing_add(u64::from(carry));
        *slot = value;
        carry = one || two;
    }
    if carry {
        sum.push(1);
    }
    sum
}

/// a − b, where a is not less than b.
fn subtracted(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut rest = a.to_vec();
    let mut borrow = false;
    for (index, slot) in rest.iter_mut().enumerate() {
        let (value, one) = slot.overflowing_sub(b.get(index).copied().unwrap_or(0));
        let (value, two) = value.overflowing_sub(u64::from(borrow));
        *slot = value;
        borrow = one || two;
    }
    trimmed(rest)
}

/// a · b.
pub(crate) fn multiplied(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut product = vec![0u64; a.len() + b.len()];
    for (i, x) in a.iter().enumerate() {
        if *x == 0 {
            continue;
        }
        let mut carry = 0u128;
        for (j, y) in b.iter().enumerate() {
            let slot = &mut product[i + j];
            let value = u128::from(*x) * u128::from(*y) + u128::from(*slot) + carry;
            *slot = value as u64;
            carry = value >> 64;
        }
        product[i + b.len()] = carry as u64;
    }
    trimmed(product)
}

/// a · 2^shift.
fn lifted(a: &[u64], shift: u64) -> Vec<u64> {
    let (limbs, shift) = ((shift / 64) as usize, shift % 64);
    let mut out = vec![0u64; limbs];
    let mut carry = 0u64;
    for limb in a {
        out.push(limb << shift | carry);
        carry = if shift == 0 { 0 } else { limb >> (64 - shift) };
    }
    out.push(carry);
    trimmed(out)
}

/// Quotient, and whether there is a rest; b is not 0.
fn divided(a: &[u64], b: &[u64]) -> (Vec<u64>, bool) {
    let (a, b) = (trimmed(a.to_vec()), trimmed(b.to_vec()));
    if let [divisor] = b.as_slice() {
        let mut rest = 0u128;
        let mut quotient = a;
        for limb in quotient.iter_mut().rev() {
            let value = rest << 64 | u128::from(*limb);
            *limb = (value / u128::from(*divisor)) as u64;
            rest = value % u128::from(*divisor);
        }
        return (trimmed(quotient), rest != 0);
    }
    if compare(&a, &b) == Ordering::Less {
        return (Vec::new(), !a.is_empty());
    }
    // Knuth's algorithm D: the divisor's top bit is set, so that each digit is guessed at most 2 too high.
    let shift = u64::from(b.last().map_or(0, |top| top.leading_zeros()));
    let b = lifted(&b, shift);
    let mut rest = lifted(&a, shift);
    rest.resize(a.len() + 1, 0);
    let n = b.len();
    let (top, next) = (u128::from(b[n - 1]), u128::from(b[n - 2]));
    let mut quotient = vec![0u64; rest.len() - n];
    for at in (0..quotient.len()).rev() {
        let high = u128::from(rest[at + n]) << 64 | u128::from(rest[at + n - 1]);
        let mut digit = high / top;
        let mut left = high % top;
        while digit >> 64 != 0 || digit * next > (left << 64 | u128::from(rest[at + n - 2])) {
            digit -= 1;
            left += top;
            if left >> 64 != 0 {
                break;
            }
        }
        let mut carry = 0u128;
        let mut borrow = false;
        for (index, limb) in b.iter().enumerate() {
            let product = digit * u128::from(*limb) + carry;
            carry = product >> 64;
            let (value, one) = rest[at + index].overflowing_sub(product as u64);
            let (value, two) = value.overflowing_sub(u64::from(borrow));
            rest[at + index] = value;
            borrow = one || two;
        }
        let (value, one) = rest[at + n].overflowing_sub(carry as u64);
        let (value, two) = value.overflowing_sub(u64::from(borrow));
        rest[at + n] = value;
        if one || two {
            digit -= 1;
            let mut carry = false;
            for (index, limb) in b.iter().enumerate() {
                let (value, one) = rest[at + index].overflowing_add(*limb);
                let (value, two) = value.overflowing_add(u64::from(carry));
                rest[at + index] = value;
                carry = one || two;
            }
            rest[at + n] = rest[at + n].wrapping_add(u64::from(carry));
        }
        quotient[at] = digit as u64;
    }
    (trimmed(quotient), rest.iter().any(|limb| *limb != 0))
}

/// The double nearest to ± limbs · 2^exponent, and a little more away from zero if `inexact`; ties to even.
pub(crate) fn round(negative: bool, limbs: &[u64], exponent: i64, inexact: bool) -> f64 {
    let width = bits(limbs);
    // One zero, as everywhere (E6).
    let signed = |x: f64| if negative && x != 0.0 { -x } else { x };
    if width == 0 || width + exponent < LOWEST {
        return 0.0;
    }
    if width + exponent > 1024 {
        return signed(f64::INFINITY);
    }
    // The lowest bit that the result keeps, counted from the lowest of the limbs.
    let low = (width - 53).max(LOWEST - exponent);
    if low <= 0 {
        return signed(compose(limbs[0], exponent as i32));
    }
    let bit = |index: i64| limbs[(index / 64) as usize] >> (index % 64) & 1 == 1;
    let (limb, shift) = ((low / 64) as usize, low % 64);
    let mut kept = limbs.get(limb).map_or(0, |l| l >> shift);
    if shift > 0 {
        kept |= limbs.get(limb + 1).map_or(0, |l| l << (64 - shift));
    }
    let half = low - 1;
    if bit(half) {
        let (limb, shift) = ((half / 64) as usize, half % 64);
        let below = inexact
            || limbs[..limb].iter().any(|l| *l != 0)
            || limbs[limb] & ((1 << shift) - 1) != 0;
        if below || kept & 1 == 1 {
            kept += 1;
        }
    }
    let mut scale = exponent + low;
    if kept == 1 << 53 {
        kept >>= 1;
        scale += 1;
    }
    signed(compose(kept, scale as i32))
}

/// ± limbs · 2^exponent, exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dyadic {
    negative: bool,
    limbs: Vec<u64>,
    exponent: i64,
}

impl Dyadic {
    pub(crate) fn new(negative: bool, limbs: Vec<u64>, exponent: i64) -> Dyadic {
        let mut limbs = trimmed(limbs);
        if limbs.is_empty() {
            return Dyadic::default();
        }
        let zeros = limbs.iter().take_while(|limb| **limb == 0).count();
        limbs.drain(..zeros);
        Dyadic {
            negative,
            limbs,
            exponent: exponent + 64 * zeros as i64,
        }
    }

    pub(crate) fn whole(value: u128) -> Dyadic {
        Dyadic::new(false, vec![value as u64, (value >> 64) as u64], 0)
    }

    /// 10^k.
    pub(crate) fn power_of_ten(k: u32) -> Dyadic {
        let mut limbs = vec![1u64];
        for _ in 0..k {
            limbs = multiplied(&limbs, &[10]);
        }
        Dyadic::new(false, limbs, 0)
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    pub(crate) fn is_negative(&self) -> bool {
        self.negative
    }

    pub(crate) fn times(&self, other: &Dyadic) -> Dyadic {
        Dyadic::new(
            self.negative != other.negative,
            multiplied(&self.limbs, &other.limbs),
            self.exponent + other.exponent,
        )
    }

    pub(crate) fn minus(&self, other: &Dyadic) -> Dyadic {
        if other.is_zero() {
            return self.clone();
        }
        if self.is_zero() {
            return Dyadic {
                negative: !other.negative,
                ..other.clone()
            };
        }
        let exponent = self.exponent.min(other.exponent);
        let a = lifted(&self.limbs, (self.exponent - exponent) as u64);
        let b = lifted(&other.limbs, (other.exponent - exponent) as u64);
        if self.negative != other.negative {
            return Dyadic::new(self.negative, added(&a, &b), exponent);
        }
        match compare(&a, &b) {
            Ordering::Less => Dyadic::new(!self.negative, subtracted(&b, &a), exponent),
            _ => Dyadic::new(self.negative, subtracted(&a, &b), exponent),
        }
    }
}

/// The first 126 to 128 bits of a / b with their exponent, and whether there is more; the exponent is even if asked for.
fn leading(a: &Dyadic, b: &Dyadic, even: bool) -> (u128, i64, bool) {
    let mut shift = 127 - (bits(&a.limbs) - bits(&b.limbs));
    if even && (a.exponent - b.exponent - shift) % 2 != 0 {
        shift -= 1;
    }
    let lift = |limbs: &[u64], by: i64| lifted(limbs, by.max(0) as u64);
    let (quotient, inexact) = divided(&lift(&a.limbs, shift), &lift(&b.limbs, -shift));
    let limb = |index: usize| u128::from(quotient.get(index).copied().unwrap_or(0));
    (
        limb(1) << 64 | limb(0),
        a.exponent - b.exponent - shift,
        inexact,
    )
}

/// a / b, rounded once; b is not 0.
pub(crate) fn quotient(a: &Dyadic, b: &Dyadic) -> f64 {
    if a.is_zero() {
        return 0.0;
    }
    let (value, exponent, inexact) = leading(a, b, false);
    let limbs = [value as u64, (value >> 64) as u64];
    round(a.negative != b.negative, &limbs, exponent, inexact)
}

/// √(a / b), rounded once; neither is negative, b is not 0.
pub(crate) fn root_of_quotient(a: &Dyadic, b: &Dyadic) -> f64 {
    if a.is_zero() {
        return 0.0;
    }
    let (value, exponent, inexact) = leading(a, b, true);
    let root = value.isqrt();
    round(
        false,
        &[root as u64],
        exponent / 2,
        inexact || root * root != value,
    )
}

/// A sum of integers times powers of two, exact at any width: two's complement from 2^(64 · lowest) up.
#[derive(Clone, Debug)]
pub(crate) struct ExactSum {
    limbs: Limbs,
    lowest: i16,
}

/// Limbs that are kept beside the sum: those of squares of doubles of one magnitude, and of integers, are no more.
const FEW: usize = 4;

#[derive(Clone, Debug)]
enum Limbs {
    Few(u8, [u64; FEW]),
    Many(Vec<u64>),
}

impl Default for ExactSum {
    fn default() -> ExactSum {
        ExactSum {
            limbs: Limbs::Few(0, [0; FEW]),
            lowest: 0,
        }
    }
}

impl Limbs {
    fn as_slice(&self) -> &[u64] {
        match self {
            Limbs::Few(length, few) => &few[..usize::from(*length)],
            Limbs::Many(many) => many,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u64] {
        match self {
            Limbs::Few(length, few) => &mut few[..usize::from(*length)],
            Limbs::Many(many) => many,
        }
    }

    fn is_negative(&self) -> bool {
        self.as_slice().last().is_some_and(|top| top >> 63 == 1)
    }

    /// At least so many limbs, by the sign.
    fn extend(&mut self, wanted: usize) {
        let have = self.as_slice().len();
        if have >= wanted {
            return;
        }
        let fill = if self.is_negative() { u64::MAX } else { 0 };
        match self {
            Limbs::Few(length, few) if wanted <= FEW => {
                few[have..wanted].fill(fill);
                *length = wanted as u8;
            }
            Limbs::Few(..) => {
                let mut many = Vec::with_capacity(wanted);
                many.extend_from_slice(self.as_slice());
                many.resize(wanted, fill);
                *self = Limbs::Many(many);
            }
            Limbs::Many(many) => many.resize(wanted, fill),
        }
    }

    /// Makes room for so many lower limbs.
    fn deepen(&mut self, more: usize) {
        let have = self.as_slice().len();
        self.extend(have + more);
        let all = self.as_mut_slice();
        all.copy_within(..have, more);
        all[..more].fill(0);
    }
}

impl ExactSum {
    /// Adds ± magnitude · 2^exponent.
    pub(crate) fn add(&mut self, negative: bool, magnitude: &[u64], exponent: i32) {
        let length = magnitude
            .iter()
            .rposition(|l| *l != 0)
            .map_or(0, |top| top + 1);
        if length == 0 {
            return;
        }
        // The exponents of products of doubles have thirteen bits.
        let (at, shift) = (
            exponent.div_euclid(64) as i16,
            exponent.rem_euclid(64) as u32,
        );
        if self.limbs.as_slice().is_empty() {
            self.lowest = at;
        }
        if at < self.lowest {
            self.limbs.deepen((self.lowest - at) as usize);
            self.lowest = at;
        }
        let from = (at - self.lowest) as usize;
        self.limbs.extend(from + length + 2);
        let mut carry = false;
        let mut below = 0u64;
        let limbs = self.limbs.as_mut_slice();
        for (index, slot) in limbs[from..].iter_mut().enumerate() {
            if index > length && !carry {
                break;
            }
            let limb = if index < length { magnitude[index] } else { 0 };
            let value = if shift == 0 {
                limb
            } else {
                limb << shift | below >> (64 - shift)
            };
            below = limb;
            let (first, one) = step(*slot, value, negative);
            let (second, two) = step(first, u64::from(carry), negative);
            *slot = second;
            carry = one || two;
        }
        // The top limb is below all that is added later, and has room for its carries.
        let top = limbs.last().copied().unwrap_or(0) as i64;
        if !(i64::MIN / 4..i64::MAX / 4).contains(&top) {
            let longer = limbs.len() + 1;
            self.limbs.extend(longer);
        }
    }

    pub(crate) fn value(&self) -> Dyadic {
        let negative = self.limbs.is_negative();
        let mut limbs = self.limbs.as_slice().to_vec();
        if negative {
            let mut carry = true;
            for limb in &mut limbs {
                let (value, more) = (!*limb).overflowing_add(u64::from(carry));
                *limb = value;
                carry = more;
            }
        }
        Dyadic::new(negative, limbs, 64 * i64::from(self.lowest))
    }

    /// Bytes on the heap, with what the allocator keeps beside them.
    pub(crate) fn heap(&self) -> usize {
        match &self.limbs {
            Limbs::Few(..) => 0,
            Limbs::Many(many) => many.capacity() * 8 + 16,
        }
    }

    /// Appends the sum's bytes: how many limbs, the lowest's place, the limbs.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        let limbs = self.limbs.as_slice();
        bytes.extend((limbs.len() as u32).to_le_bytes());
        bytes.extend(i32::from(self.lowest).to_le_bytes());
        for limb in limbs {
            bytes.extend(limb.to_le_bytes());
        }
    }

    /// Adds a sum read from the front of the bytes; `None` if there is none.
    pub(crate) fn merge(&mut self, bytes: &mut &[u8]) -> Option<()> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (lowest, mut rest) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length) as usize;
        let mut limbs = Limbs::Few(0, [0; FEW]);
        limbs.extend(length.min(rest.len() / 8 + 1));
        for slot in limbs.as_mut_slice() {
            let (limb, tail) = rest.split_first_chunk::<8>()?;
            *slot = u64::from_le_bytes(*limb);
            rest = tail;
        }
        *bytes = rest;
        let lowest = i16::try_from(i32::from_le_bytes(*lowest)).ok()?;
        let other = ExactSum { limbs, lowest };
        if self.limbs.as_slice().is_empty() {
            *self = other;
            return Some(());
        }
        self.absorb(&other);
        Some(())
    }

    /// Adds another sum.
    fn absorb(&mut self, other: &ExactSum) {
        let more = other.limbs.as_slice();
        if other.lowest < self.lowest {
            self.limbs.deepen((self.lowest - other.lowest) as usize);
            self.lowest = other.lowest;
        }
        let from = (other.lowest - self.lowest) as usize;
        self.limbs.extend(from + more.len() + 1);
        let fill = if other.limbs.is_negative() {
            u64::MAX
        } else {
            0
        };
        let mut carry = false;
        let limbs = self.limbs.as_mut_slice();
        for (index, slot) in limbs[from..].iter_mut().enumerate() {
            let limb = more.get(index).copied().unwrap_or(fill);
            let (first, one) = slot.overflowing_add(limb);
            let (second, two) = first.overflowing_add(u64::from(carry));
            *slot = second;
            carry = one || two;
        }
        let top = limbs.last().copied().unwrap_or(0) as i64;
        if !(i64::MIN / 4..i64::MAX / 4).contains(&top) {
            let longer = limbs.len() + 1;
            self.limbs.extend(longer);
        }
    }
}

#[inline]
fn step(a: u64, b: u64, negative: bool) -> (u64, bool) {
    if negative {
        a.overflowing_sub(b)
    } else {
        a.overflowing_add(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numbers::split;
    use proptest::prelude::*;

    fn dyadic(x: f64) -> Dyadic {
        let (negative, m, e) = split(x);
        Dyadic::new(negative, vec![m], i64::from(e))
    }

    fn doubles() -> impl Strategy<Value = f64> {
        any::<u64>()
            .prop_map(f64::from_bits)
            .prop_filter("finite", |x| x.is_finite() && *x != 0.0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn doubles_divide_and_have_roots_as_the_machine_says(a in doubles(), b in doubles()) {
            prop_assert_eq!(quotient(&dyadic(a), &dyadic(b)), a / b + 0.0);
            prop_assert_eq!(root_of_quotient(&dyadic(a.abs()), &Dyadic::whole(1)), a.abs().sqrt());
        }

        #[test]
        fn a_quotient_times_the_divisor_and_the_rest_is_the_dividend(
            a in prop::collection::vec(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)], 0..9),
            b in prop::collection::vec(prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)], 0..5),
        ) {
            let b = if trimmed(b.clone()).is_empty() { vec![3] } else { b };
            let (q, inexact) = divided(&a, &b);
            let product = multiplied(&q, &b);
            prop_assert_ne!(compare(&product, &a), Ordering::Greater);
            let rest = subtracted(&a, &product);
            prop_assert_eq!(compare(&rest, &b), Ordering::Less);
            prop_assert_eq!(inexact, !rest.is_empty());
        }

        #[test]
        fn what_is_added_and_taken_away_again_leaves_nothing(
            values in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u64>(), 1..5), -4000i32..4000), 1..30)
        ) {
            let mut sum = ExactSum::default();
            let mut total = Dyadic::default();
            for (negative, limbs, exponent) in &values {
                sum.add(*negative, limbs, *exponent);
                total = total.minus(&Dyadic::new(!negative, limbs.clone(), i64::from(*exponent)));
            }
            prop_assert!(sum.value().minus(&total).is_zero());
            let mut bytes = Vec::new();
            sum.encode(&mut bytes);
            // Merged into nothing, and into another sum.
            for other in [&[][..], &values[..1]] {
                let mut copy = ExactSum::default();
                for (negative, limbs, exponent) in other {
                    copy.add(*negative, limbs, *exponent);
                }
                prop_assert!(copy.merge(&mut bytes.as_slice()).is_some());
                for (negative, limbs, exponent) in values.iter().chain(other) {
                    copy.add(!negative, limbs, *exponent);
                }
                prop_assert!(copy.value().is_zero());
            }
        }
    }
}
