#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use proptest::prelude::*;

fn rendered(literal: &str) -> Option<String> {
    let mut out = String::new();
    render(literal, &mut out).map(|()| out)
}

/// The digits and the exponent of a number, whatever its form.
fn parts(text: &str) -> (String, i32) {
    let decimal = Decimal::read(text.trim_start_matches('-'));
    decimal.map_or((String::new(), 0), |decimal| (decimal.digits, decimal.point))
}

/// That a text is the nearest of the shortest ones that read back as a double.
fn assert_shortest(text: &str, number: f64) {
    assert_eq!(text.parse::<f64>().unwrap().to_bits(), number.to_bits(), "{text} {number:e}");
    let (digits, _) = parts(text);
    let fewest = parts(&format!("{number:e}"));
    assert_eq!(digits.len(), fewest.0.len(), "{text} {number:e}");
    let even = format!("{number:.*e}", digits.len().saturating_sub(1));
    let reads_back = even.parse::<f64>().unwrap().to_bits() == number.to_bits();
    assert_eq!(parts(text), if reads_back { parts(&even) } else { fewest }, "{text} {number:e}");
}

#[test]
fn as_python_has_them() {
    for (literal, shown) in [
        ("1e16", "1e+16"),
        ("1e15", "1000000000000000.0"),
        ("9999999999999999.0", "1e+16"),
        ("0.0001", "0.0001"),
        ("-0.00001", "-1e-05"),
        ("1e23", "1e+23"),
        ("100000000000000000000000.0000000000000000", "1e+23"),
        ("0.10000000000000001", "0.1"),
        ("2.98023223876953125e-8", "2.9802322387695312e-08"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("2.4703282292062327208e-324", "0.0"),
        ("2.4703282292062327209e-324", "5e-324"),
        ("7.4109846876186981627e-324", "1e-323"),
        ("4.94065645841246544177e-324", "5e-324"),
        ("1.79769313486231570815e+308", "1.7976931348623157e+308"),
        ("1e-400", "0.0"),
        ("-0.0", "-0.0"),
        ("1e-99999999999999999999", "0.0"),
        ("0e99999999999999999999", "0.0"),
    ] {
        assert_eq!(rendered(literal).as_deref(), Some(shown), "{literal}");
    }
    for infinite in ["1e309", "1.7976931348623159e308", "-1e99999999999999999999"] {
        assert_eq!(rendered(infinite), None, "{infinite}");
    }
}

#[test]
fn powers_of_two_and_their_neighbours() {
    for exponent in 0..2047_u64 {
        for bits in [(exponent << 52).wrapping_sub(1), exponent << 52, (exponent << 52) + 1] {
            let number = f64::from_bits(bits);
            if number.is_finite() {
                assert_shortest(&text(number), number);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_double(bits: u64) {
        let number = f64::from_bits(bits);
        prop_assume!(number.is_finite());
        assert_shortest(&text(number), number);
        assert_eq!(rendered(&format!("{number:.20e}")), Some(text(number)));
    }

    #[test]
    fn any_literal(literal in "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?[eE][+-]?[0-9]{1,3}") {
        let number: f64 = literal.parse().unwrap();
        match rendered(&literal) {
            Some(shown) => assert_shortest(&shown, number),
            None => prop_assert!(number.is_infinite()),
        }
    }

    /// What lies exactly between two doubles, and next to it.
    #[test]
    fn any_middle(bits in 0..0x7FE0_0000_0000_0000_u64, nudge in "(|0000000001)") {
        let (one, next) = (f64::from_bits(bits), f64::from_bits(bits + 1));
        // Exact: 1,100 decimals are enough for any double, and for the middle of two.
        let (one, next) = (format!("{one:.1100}"), format!("{next:.1100}"));
        let sum = half_of_sum(&one, &next) + &nudge;
        let number: f64 = sum.parse().unwrap();
        assert_shortest(&rendered(&sum).unwrap(), number);
    }
}

/// Half of the sum of two decimals with as many decimals each.
fn half_of_sum(one: &str, other: &str) -> String {
    let (whole, decimals) = one.split_once('.').unwrap();
    let length = whole.len().max(other.find('.').unwrap()) + 1 + decimals.len();
    let digits = |text: &str| format!("{:0>length$}", text.replace('.', "")).into_bytes();
    let mut sum: Vec<u32> =
        digits(one).iter().zip(digits(other)).map(|(a, b)| u32::from(a - b'0') + u32::from(b - b'0')).collect();
    let mut rest = 0;
    for digit in &mut sum {
        let all = rest * 10 + *digit;
        (*digit, rest) = (all / 2, all % 2);
    }
    sum.push(rest * 5);
    for place in (1..sum.len()).rev() {
        sum[place - 1] += sum[place] / 10;
        sum[place] %= 10;
    }
    let text: String = sum.iter().map(|digit| char::from_digit(*digit, 10).unwrap()).collect();
    let (whole, fraction) = text.split_at(text.len() - decimals.len() - 1);
    format!("{}.{fraction}", whole.trim_start_matches('0'))
}
