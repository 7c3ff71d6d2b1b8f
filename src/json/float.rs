//! Formats floats as Python does: with the fewest digits that parse to the same IEEE 754 double, and of these the
//! nearest (Steele and White's algorithm, as in `dtoa.c`).
//!
//! Implemented here because the standard library's conversions need much code and large tables, and this is only used
//! for error responses.

use std::cmp::Ordering;

use super::whole::Whole;

/// Decimals with at most this many digits are already the shortest for their double.
const ALWAYS_APART: usize = 15;
/// Digits after this many only decide on which side of the midpoint of two doubles a number is.
const DECISIVE: usize = 800;
/// 2^52: the hidden bit of the significand of normal doubles.
const HIDDEN_BIT: u64 = 1 << 52;
/// The binary exponent of the smallest doubles.
const LEAST: i32 = -1074;
/// The binary exponent of the largest doubles.
const GREATEST: i32 = 971;

/// A decimal fraction: 0.DIGITS times ten to the power of `point`. Neither the first nor the last digit is 0.
struct Decimal {
    digits: String,
    point: i32,
}

/// A non-negative double: an integer times a power of two.
#[derive(Clone, Copy)]
struct Double {
    significand: u64,
    exponent: i32,
}

/// Formats a JSON number with a fraction or an exponent as Python does; `None` if it is infinite.
pub fn render(literal: &str, out: &mut String) -> Option<()> {
    let (sign, literal) = literal.strip_prefix('-').map_or(("", literal), |rest| ("-", rest));
    let shown = match Decimal::read(literal) {
        Some(decimal) if decimal.point > 309 => return None,
        Some(decimal) if decimal.is_its_own() => Some(decimal),
        Some(decimal) => Double::nearest(&decimal)?.shortest(decimal.point.saturating_sub(1)),
        None => None,
    };
    out.push_str(sign);
    match shown {
        Some(decimal) => decimal.render(out),
        None => out.push_str("0.0"),
    }
    Some(())
}

/// Formats a double; `null` for values that JSON cannot represent.
pub fn text(number: f64) -> String {
    let mut out = String::new();
    let bits = number.abs().to_bits();
    // The stored exponent. Also 1 for subnormal doubles, which do not have the hidden bit.
    let (stored, fraction) = (i32::try_from(bits >> 52).unwrap_or(0), bits & HIDDEN_BIT.wrapping_sub(1));
    if stored == 0x7FF {
        return "null".to_owned();
    }
    if number.is_sign_negative() {
        out.push('-');
    }
    let significand = if stored == 0 { fraction } else { fraction | HIDDEN_BIT };
    let double = Double { significand, exponent: stored.max(1).saturating_add(LEAST).saturating_sub(1) };
    match double.shortest(double.least_point()) {
        Some(decimal) => decimal.render(&mut out),
        None => out.push_str("0.0"),
    }
    out
}

impl Decimal {
    /// Parses a decimal; `None` for zero and for numbers that round to zero.
    fn read(literal: &str) -> Option<Self> {
        let (mantissa, exponent) = literal.split_once(['e', 'E']).unwrap_or((literal, "0"));
        let endless = if exponent.starts_with('-') { i32::MIN } else { i32::MAX };
        let exponent = exponent.parse().unwrap_or(endless);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = [whole, fraction].concat();
        let significant = all.trim_start_matches('0');
        let zeros = all.len().saturating_sub(significant.len());
        let before = i32::try_from(whole.len()).ok()?.saturating_sub_unsigned(u32::try_from(zeros).ok()?);
        let point = before.saturating_add(exponent);
        let digits = significant.trim_end_matches('0');
        if digits.is_empty() || point < -323 {
            return None;
        }
        let digits = match digits.get(..DECISIVE) {
            Some(decisive) if digits.len() > DECISIVE => [decisive, "1"].concat(),
            _ => digits.to_owned(),
        };
        Some(Self { digits, point })
    }

    fn is_its_own(&self) -> bool {
        self.digits.len() <= ALWAYS_APART && matches!(self.point, -300..=300)
    }

    /// Formats the number like Python's `repr`, with an exponent below 1e-4 and from 1e16 on.
    fn render(&self, out: &mut String) {
        let digits = self.digits.as_str();
        let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
        match usize::try_from(self.point) {
            Ok(point @ 1..=16) => match digits.split_at_checked(point) {
                Some((whole, fraction)) if !fraction.is_empty() => out.push_str(&[whole, ".", fraction].concat()),
                _ => {
                    let missing = point.saturating_sub(digits.len());
                    out.push_str(&[digits, &"0".repeat(missing), ".0"].concat());
                }
            },
            _ if matches!(self.point, -3..=0) => {
                out.push_str(&["0.", &zeros(self.point.saturating_neg()), digits].concat());
            }
            _ => self.render_with_exponent(out),
        }
    }

    /// Formats an exponent like Python: with a sign and at least two digits.
    fn render_with_exponent(&self, out: &mut String) {
        let (first, rest) = self.digits.split_at_checked(1).unwrap_or_default();
        let exponent = self.point.saturating_sub(1);
        let magnitude = exponent.unsigned_abs().to_string();
        let dot = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { "e-" } else { "e+" };
        let zero = if magnitude.len() < 2 { "0" } else { "" };
        out.push_str(&[first, dot, rest, sign, zero, &magnitude].concat());
    }
}

impl Double {
    /// The nearest double, ties to even; `None` if it is infinite.
    fn nearest(decimal: &Decimal) -> Option<Self> {
        let (mut over, mut under) = (Whole::from_decimal(&decimal.digits), Whole::new(1));
        let tens = decimal.point.saturating_sub(i32::try_from(decimal.digits.len()).ok()?);
        if tens < 0 { &mut under } else { &mut over }.multiply_by_ten_to(tens.unsigned_abs());
        // The quotient is below 2^(bits + 1), and at least 2^(bits - 1).
        let bits = over.bits().saturating_sub(under.bits());
        let mut exponent = bits.saturating_sub(53).max(LEAST);
        let (mut significand, mut rest) = divide(&over, &under, exponent);
        if significand >> 53 > 0 {
            exponent = exponent.saturating_add(1);
            (significand, rest) = divide(&over, &under, exponent);
        }
        let is_odd = significand & 1 == 1;
        if rest == Ordering::Greater || (rest == Ordering::Equal && is_odd) {
            significand = significand.wrapping_add(1);
        }
        if significand >> 53 > 0 {
            (significand, exponent) = (HIDDEN_BIT, exponent.saturating_add(1));
        }
        (exponent <= GREATEST).then_some(Self { significand, exponent })
    }

    /// The shortest decimal that parses to this double, which is at least ten to the power of `least`; `None` for zero.
    fn shortest(self, least: i32) -> Option<Decimal> {
        let Self { significand, exponent } = self;
        if significand == 0 {
            return None;
        }
        // The double is `rest / unit`. The midpoints to its neighbours are `above` more and `below` less.
        let (mut rest, mut unit) = (Whole::new(significand.wrapping_mul(4)), Whole::new(4));
        let is_lowest = significand == HIDDEN_BIT && exponent > LEAST;
        let (mut above, mut below) = (Whole::new(2), Whole::new(if is_lowest { 1 } else { 2 }));
        if exponent < 0 {
            unit.shift(exponent.unsigned_abs());
        } else {
            for number in [&mut rest, &mut above, &mut below] {
                number.shift(exponent.unsigned_abs());
            }
        }
        if least < 0 {
            for number in [&mut rest, &mut above, &mut below] {
                number.multiply_by_ten_to(least.unsigned_abs());
            }
        } else {
            unit.multiply_by_ten_to(least.unsigned_abs());
        }
        // A midpoint parses to the even double.
        let reaches = if significand & 1 == 0 { Ordering::Less } else { Ordering::Equal };
        let mut point = least;
        while rest.plus(&above).compare(&unit) > reaches {
            unit.multiply(10);
            point = point.saturating_add(1);
        }
        let mut digits = String::new();
        loop {
            for number in [&mut rest, &mut above, &mut below] {
                number.multiply(10);
            }
            let mut digit = 0_u8;
            while rest.subtract(&unit) {
                digit = digit.saturating_add(1);
            }
            let (goes_down, goes_up) = (below.compare(&rest) > reaches, rest.plus(&above).compare(&unit) > reaches);
            let is_up = goes_up && (!goes_down || is_past_half(&rest, &unit, digit));
            digits.push(char::from(b'0'.saturating_add(digit).saturating_add(u8::from(is_up))));
            if goes_down || goes_up {
                return Some(Decimal { digits, point });
            }
        }
    }

    /// The exponent of a power of ten that is slightly below or equal to this double.
    fn least_point(self) -> i32 {
        let bits = Whole::new(self.significand).bits().saturating_add(self.exponent).saturating_sub(1);
        // log10(2) is slightly less than 0.30103.
        bits.saturating_mul(30103).div_euclid(100_000).saturating_sub(1)
    }
}

/// Divides `over` by `under` times a power of two. Also compares the remainder with half of the divisor.
fn divide(over: &Whole, under: &Whole, exponent: i32) -> (u64, Ordering) {
    let (mut rest, mut unit) = (over.clone(), under.clone());
    // Long division in binary.
    let twos = exponent.saturating_add(54);
    if twos < 0 { &mut rest } else { &mut unit }.shift(twos.unsigned_abs());
    let mut quotient = 0_u64;
    for _ in 0..54 {
        rest.multiply(2);
        quotient = quotient.wrapping_mul(2).wrapping_add(rest.subtract(&unit).into());
    }
    rest.multiply(2);
    (quotient, rest.compare(&unit))
}

/// Whether to round up to the next digit, ties to even.
fn is_past_half(rest: &Whole, unit: &Whole, digit: u8) -> bool {
    match rest.plus(rest).compare(unit) {
        Ordering::Less => false,
        Ordering::Equal => digit & 1 == 1,
        Ordering::Greater => true,
    }
}

#[cfg(test)]
mod tests;
