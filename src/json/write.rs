//! A JSON writer.

use std::fmt::Write as _;

/// Writes a JSON object.
#[derive(Debug)]
pub struct Object(String);

/// Writes a JSON array.
#[derive(Debug)]
pub struct Array(String);

impl Object {
    /// Creates an empty object.
    #[must_use]
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// Adds a string.
    #[must_use]
    pub fn text(mut self, name: &str, text: &str) -> Self {
        self.name(name);
        push_text(&mut self.0, text);
        self
    }

    /// Adds a string if it is not `None`.
    #[must_use]
    pub fn some_text(self, name: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// Adds a value that is already JSON.
    #[must_use]
    pub fn raw(mut self, name: &str, json: &str) -> Self {
        self.name(name);
        self.0.push_str(json);
        self
    }

    /// Adds an integer.
    #[must_use]
    pub fn number(self, name: &str, number: i64) -> Self {
        self.raw(name, &number.to_string())
    }

    /// Adds an integer or `null`.
    #[must_use]
    pub fn number_or_null(self, name: &str, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.number(name, number),
            None => self.raw(name, "null"),
        }
    }

    /// Adds a member.
    #[must_use]
    pub fn flag(self, name: &str, flag: bool) -> Self {
        self.raw(name, if flag { "true" } else { "false" })
    }

    /// Returns the JSON text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        push_text(&mut self.0, name);
        self.0.push(':');
    }
}

impl Default for Object {
    fn default() -> Self {
        Self::new()
    }
}

impl Array {
    /// Creates an empty array.
    #[must_use]
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// Adds a string.
    pub fn text(&mut self, text: &str) {
        self.separate();
        push_text(&mut self.0, text);
    }

    /// Adds a value that is already JSON.
    pub fn raw(&mut self, json: &str) {
        self.separate();
        self.0.push_str(json);
    }

    /// Returns the JSON text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('[');
        }
        self.0.push(']');
        self.0
    }

    fn separate(&mut self) {
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
    }
}

impl Default for Array {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes a quoted string with the escapes that RFC 8259 section 7 requires.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    // Most strings need no escapes and are copied at once.
    if text.bytes().any(is_escaped) {
        text.chars().for_each(|character| push_character(out, character));
    } else {
        out.push_str(text);
    }
    out.push('"');
}

const fn is_escaped(byte: u8) -> bool {
    byte < b' ' || matches!(byte, b'"' | b'\\')
}

/// Writes one character of a string.
pub(crate) fn push_character(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        // Writing to a `String` cannot fail.
        control if control < ' ' => drop(write!(out, "\\u{:04x}", u32::from(control))),
        other => out.push(other),
    }
}

/// Quotes a text as a JSON string, for error messages.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::new();
    push_text(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(name in any::<String>(), text in any::<String>(), number in any::<i64>()) {
            let mut array = Array::new();
            array.text(&text);
            array.raw("null");
            let object = Object::new().text(&name, &text).number("#", number).raw("[]", &array.finish()).finish();
            let read: serde_json::Value = serde_json::from_str(&object).unwrap();
            prop_assume!(name != "#" && name != "[]");
            prop_assert_eq!(read, serde_json::json!({ name: text.clone(), "#": number, "[]": [text, null] }));
        }
    }

    #[test]
    fn empty_ones() {
        assert_eq!(Object::new().finish(), "{}");
        assert_eq!(Array::new().finish(), "[]");
        assert_eq!(Object::new().text("a\u{1}\"\\", "\u{1f}\n").finish(), r#"{"a\u0001\"\\":"\u001f\n"}"#);
    }
}
