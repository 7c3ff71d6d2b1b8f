//! A JSON reader that fails where Python's does, in the same words.
//!
//! Follows Python 3.11's `Modules/_json.c` (`scan_once_unicode`, `_parse_object_unicode`,
//! `_parse_array_unicode`), but keeps the open arrays and objects in a list, not on the stack,
//! which hostile nesting could exhaust.

use std::mem;

use super::encoding::CodePoint;
use super::failure::Failure;
use super::scanner::Scanner;
use super::value::{Members, Text, Value};

/// How many arrays and objects may be open at once. Python stops at its recursion limit of 1000,
/// of which the frames of the server take their part: 960 are left under uvicorn 0.54.
const DEEPEST: usize = 960;

/// Reads the one value that is the text: Python's `JSONDecoder.decode`.
pub fn read(text: &[CodePoint]) -> Result<Value, Failure> {
    let mut scanner = Scanner::new(text);
    let mut open = Vec::new();
    scanner.skip_space();
    'value: loop {
        let mut value = match Container::opened(&mut scanner) {
            Some(_) if open.len() >= DEEPEST => return Err(Failure::Unsupported),
            Some(container) => {
                scanner.skip_space();
                if !scanner.take(container.closing()) {
                    open.push(container.at_element(&mut scanner)?);
                    continue 'value;
                }
                container.into_value()
            }
            None => scalar(&mut scanner)?,
        };
        while let Some(mut container) = open.pop() {
            container.add(value);
            scanner.skip_space();
            if !scanner.take(container.closing()) {
                scanner.expect(',', "Expecting ',' delimiter")?;
                scanner.skip_space();
                open.push(container.at_element(&mut scanner)?);
                continue 'value;
            }
            value = container.into_value();
        }
        scanner.skip_space();
        return scanner.expect_end("Extra data").map(|()| value);
    }
}

/// An array or object that is being read.
enum Container {
    Array(Vec<Value>),
    Object {
        members: Members,
        /// The name of the member whose value comes next.
        name: Text,
    },
}

impl Container {
    /// The container whose opening bracket is next, which is taken.
    fn opened(scanner: &mut Scanner) -> Option<Self> {
        if scanner.take('[') {
            Some(Self::Array(Vec::new()))
        } else if scanner.take('{') {
            let (members, name) = (Members::default(), Text::default());
            Some(Self::Object { members, name })
        } else {
            None
        }
    }

    const fn closing(&self) -> char {
        match self {
            Self::Array(_) => ']',
            Self::Object { .. } => '}',
        }
    }

    /// Brings the scanner to the value of the next element: past the name, in an object.
    fn at_element(mut self, scanner: &mut Scanner) -> Result<Self, Failure> {
        if let Self::Object { name, .. } = &mut self {
            *name = match scanner.string()? {
                Some(text) => text,
                None => {
                    return Err(scanner.fault("Expecting property name enclosed in double quotes"));
                }
            };
            scanner.skip_space();
            scanner.expect(':', "Expecting ':' delimiter")?;
            scanner.skip_space();
        }
        Ok(self)
    }

    fn add(&mut self, value: Value) {
        match self {
            Self::Array(items) => items.push(value),
            Self::Object { members, name } => members.set(mem::take(name), value),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Array(items) => Value::Array(items),
            Self::Object { members, .. } => Value::Object(members),
        }
    }
}

/// Reads a value that is neither array nor object.
fn scalar(scanner: &mut Scanner) -> Result<Value, Failure> {
    if let Some(text) = scanner.string()? {
        return Ok(Value::Text(text));
    }
    if let Some(value) = constant(scanner) {
        return Ok(value);
    }
    match scanner.number() {
        Some(literal) => literal.into_value().ok_or(Failure::Unsupported),
        None => Err(scanner.fault("Expecting value")),
    }
}

/// Reads a value that has a name. Python knows three that JSON does not: no answer can say them.
fn constant(scanner: &mut Scanner) -> Option<Value> {
    let named = [
        ("null", Value::Null),
        ("true", Value::Bool(true)),
        ("false", Value::Bool(false)),
        ("NaN", Value::Null),
        ("Infinity", Value::Null),
        ("-Infinity", Value::Null),
    ];
    let found = named.into_iter().find(|(word, _)| scanner.take_word(word));
    found.map(|(_, value)| value)
}
