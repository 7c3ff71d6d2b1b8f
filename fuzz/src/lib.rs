//! What the fuzz targets share: the native tests' platform, tokens and configuration, and JSON numbers.

#[path = "../../tests/support/mod.rs"]
pub mod support;

/// The text that an input begins with, up to its first byte that is not UTF-8.
#[must_use]
pub fn text(data: &[u8]) -> &str {
    data.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

/// Whether a text is a number of JSON (RFC 8259 section 6), of any size.
#[must_use]
pub fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
        && text.ends_with(|last: char| last.is_ascii_digit())
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Panics unless a text reads back as a double, to the bit, and no shorter one does.
pub fn assert_shortest(text: &str, number: f64) {
    let read: f64 = text.parse().expect("a number");
    assert_eq!(read.to_bits(), number.to_bits(), "{text} is not {number:e}");
    assert_eq!(digits(text), digits(&format!("{number:e}")), "{text} is longer than {number:e}");
}

/// How many significant digits a number is written with.
fn digits(text: &str) -> usize {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0');
    // Zeros at the end of a whole number, or of its fraction, carry nothing.
    significant.trim_end_matches('0').len()
}
