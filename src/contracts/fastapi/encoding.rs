//! The text of a body, decoded as Python's `json.loads` decodes bytes.
//!
//! `json.detect_encoding` goes by a byte order mark and by where the first zero bytes are, and
//! the decoding uses the error handler `surrogatepass`. The result is therefore code points that
//! may be surrogates, which is what a Python `str` is made of, and what the positions in the
//! syntax errors count.

use std::str;

/// One Unicode code point, surrogates included.
pub type CodePoint = u32;

/// The greatest code point, which UTF-32 must not exceed.
const LAST: CodePoint = 0x10_FFFF;

/// The code points of the body; nothing where Python raises `UnicodeDecodeError`.
pub fn decode(body: &[u8]) -> Option<Vec<CodePoint>> {
    match body {
        [0, 0, 0xFE, 0xFF, text @ ..] => utf32(text, u32::from_be_bytes),
        [0xFF, 0xFE, 0, 0, text @ ..] => utf32(text, u32::from_le_bytes),
        [0xFE, 0xFF, text @ ..] => utf16(text, u16::from_be_bytes),
        [0xFF, 0xFE, text @ ..] => utf16(text, u16::from_le_bytes),
        [0xEF, 0xBB, 0xBF, text @ ..] => utf8(text),
        [0, 0, _, _, ..] => utf32(body, u32::from_be_bytes),
        [0, _, _, _, ..] | [0, _] => utf16(body, u16::from_be_bytes),
        [_, 0, 0, 0, ..] => utf32(body, u32::from_le_bytes),
        [_, 0, _, _, ..] | [_, 0] => utf16(body, u16::from_le_bytes),
        _ => utf8(body),
    }
}

fn utf8(mut bytes: &[u8]) -> Option<Vec<CodePoint>> {
    let mut text = Vec::with_capacity(bytes.len());
    loop {
        let good = match str::from_utf8(bytes) {
            Ok(rest) => {
                text.extend(rest.chars().map(CodePoint::from));
                return Some(text);
            }
            Err(error) => error.valid_up_to(),
        };
        let (good, rest) = bytes.split_at_checked(good)?;
        text.extend(str::from_utf8(good).ok()?.chars().map(CodePoint::from));
        // What stopped there may be a surrogate in the three bytes of its code point.
        let [0xED, middle @ 0xA0..=0xBF, last @ 0x80..=0xBF, rest @ ..] = rest else {
            return None;
        };
        let low_bits = CodePoint::from(middle & 0x3F) << 6 | CodePoint::from(last & 0x3F);
        text.push(0xD000 | low_bits);
        bytes = rest;
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Vec<CodePoint>> {
    let (units, []) = bytes.as_chunks() else {
        return None;
    };
    let decoded = char::decode_utf16(units.iter().copied().map(unit));
    let passed = decoded.map(|result| match result {
        Ok(character) => CodePoint::from(character),
        Err(lone) => CodePoint::from(lone.unpaired_surrogate()),
    });
    Some(passed.collect())
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Option<Vec<CodePoint>> {
    let (units, []) = bytes.as_chunks() else {
        return None;
    };
    let decoded = units.iter().copied().map(unit);
    decoded.map(|code| (code <= LAST).then_some(code)).collect()
}
