//! Arbitrary-precision integers, with the operations that float conversion needs.

use std::cmp::Ordering;

/// An unsigned integer: its digits in base 2^32, least significant first, without leading zeros.
#[derive(Clone)]
pub struct Whole(Vec<u32>);

impl Whole {
    pub fn new(number: u64) -> Self {
        let mut whole = Self(Vec::new());
        whole.multiply_add(1, number >> 32);
        whole.shift(32);
        whole.multiply_add(1, number & 0xFFFF_FFFF);
        whole
    }

    /// Parses decimal digits.
    pub fn from_decimal(digits: &str) -> Self {
        let mut whole = Self(Vec::new());
        for digit in digits.bytes() {
            whole.multiply_add(10, u64::from(digit & 0xF));
        }
        whole
    }

    /// Multiplies by a number below 2^32 and adds another one.
    fn multiply_add(&mut self, factor: u64, summand: u64) {
        let mut carry = summand;
        for digit in &mut self.0 {
            // At most (2^32 - 1)^2 + (2^32 - 1), so this does not overflow.
            carry = u64::from(*digit).wrapping_mul(factor).wrapping_add(carry);
            *digit = low(carry);
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(low(carry));
        }
    }

    /// Multiplies by a number below 2^32.
    pub fn multiply(&mut self, factor: u32) {
        self.multiply_add(factor.into(), 0);
    }

    /// Multiplies by a power of ten.
    pub fn multiply_by_ten_to(&mut self, mut exponent: u32) {
        while exponent >= 9 {
            self.multiply(1_000_000_000);
            exponent = exponent.saturating_sub(9);
        }
        self.multiply(10_u32.saturating_pow(exponent));
    }

    /// Multiplies by a power of two.
    pub fn shift(&mut self, bits: u32) {
        self.multiply(1_u32.wrapping_shl(bits & 31));
        if !self.0.is_empty() {
            let zeros = (0..bits >> 5).map(|_| 0);
            self.0.splice(..0, zeros);
        }
    }

    /// The number of bits.
    pub fn bits(&self) -> i32 {
        let spare = self.0.last().map_or(0, |digit| digit.leading_zeros());
        let bits = self.0.len().saturating_mul(32);
        i32::try_from(bits).unwrap_or(i32::MAX).saturating_sub_unsigned(spare)
    }

    /// Subtracts another number unless it is greater. Returns whether it was subtracted.
    pub fn subtract(&mut self, other: &Self) -> bool {
        if self.compare(other) == Ordering::Less {
            return false;
        }
        let mut borrow = 0;
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        for (digit, other) in self.0.iter_mut().zip(others) {
            let difference = i64::from(*digit).wrapping_sub(i64::from(other)).wrapping_add(borrow);
            *digit = low(difference.cast_unsigned());
            borrow = difference >> 32;
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        true
    }

    /// Adds two numbers.
    pub fn plus(&self, other: &Self) -> Self {
        let (longer, shorter) = if self.0.len() < other.0.len() { (other, self) } else { (self, other) };
        let mut sum = longer.clone();
        let mut carry = 0;
        let others = shorter.0.iter().copied().chain(std::iter::repeat(0));
        for (digit, other) in sum.0.iter_mut().zip(others) {
            carry = u64::from(*digit).wrapping_add(other.into()).wrapping_add(carry);
            *digit = low(carry);
            carry >>= 32;
        }
        if carry > 0 {
            sum.0.push(low(carry));
        }
        sum
    }

    /// Compares two numbers.
    pub fn compare(&self, other: &Self) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

/// The lower half.
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
const fn low(number: u64) -> u32 {
    number as u32
}
