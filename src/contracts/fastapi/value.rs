//! A JSON document as Python holds it, and as Starlette's `JSONResponse` writes it back:
//! `json.dumps(ensure_ascii=False, separators=(",", ":"))` after FastAPI's `jsonable_encoder`.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::encoding::CodePoint;
use crate::json::{float, push_character};

/// A JSON value. Its depth is bounded by the reader, so that recursion over it is safe.
#[derive(Debug)]
pub enum Value {
    Null,
    Bool(bool),
    /// An integer of any size, in decimal.
    Integer(String),
    /// A number with a fraction or an exponent, as it is written in the document.
    Float(String),
    Text(Text),
    Array(Vec<Value>),
    Object(Members),
}

impl Value {
    /// Writes the value to the end of `out`.
    pub fn render(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Integer(digits) => out.push_str(digits),
            Self::Float(literal) => {
                if float::render(literal, out).is_none() {
                    out.push_str("null");
                }
            }
            Self::Text(text) => text.render(out),
            Self::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    separate(place, out);
                    item.render(out);
                }
                out.push(']');
            }
            Self::Object(members) => members.render(out),
        }
    }
}

/// Writes the comma that comes before every element but the first.
fn separate(place: usize, out: &mut String) {
    if place > 0 {
        out.push(',');
    }
}

/// A Python `str`: code points, of which some may be surrogates without their other half.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(Rc<[CodePoint]>);

impl Text {
    /// Python's `len`.
    pub fn code_points(&self) -> usize {
        self.0.len()
    }

    /// The text, unless it has a lone surrogate.
    pub fn to_unicode(&self) -> Option<String> {
        self.0.iter().copied().map(char::from_u32).collect()
    }

    /// Writes the text as a JSON string, escaping only what must be.
    pub fn render(&self, out: &mut String) {
        out.push('"');
        self.characters().for_each(|character| push_character(out, character));
        out.push('"');
    }

    /// The characters, with U+FFFD in the place of a lone surrogate, which UTF-8 cannot say.
    fn characters(&self) -> impl Iterator<Item = char> {
        let codes = self.0.iter().copied();
        codes.map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// Whether `SQLAlchemy` would keep its state under this name. `jsonable_encoder` leaves such
    /// members out (`sqlalchemy_safe`), wherever in the document they are.
    fn is_sqlalchemy_state(&self) -> bool {
        self.characters().take(3).eq("_sa".chars())
    }
}

impl From<Vec<CodePoint>> for Text {
    fn from(code_points: Vec<CodePoint>) -> Self {
        Self(code_points.into())
    }
}

impl From<&str> for Text {
    fn from(string: &str) -> Self {
        Self(string.chars().map(CodePoint::from).collect())
    }
}

/// The members of an object, as a Python `dict` has them: a name that is repeated keeps its
/// first place and takes its last value.
#[derive(Debug, Default)]
pub struct Members {
    in_order: Vec<(Text, Value)>,
    places: BTreeMap<Text, usize>,
}

impl Members {
    /// Python's `dict[name] = value`.
    pub fn set(&mut self, name: Text, value: Value) {
        let place = self.places.get(&name).copied();
        if let Some(member) = place.and_then(|place| self.in_order.get_mut(place)) {
            member.1 = value;
            return;
        }
        self.places.insert(name.clone(), self.in_order.len());
        self.in_order.push((name, value));
    }

    /// The value under this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        let place = *self.places.get(&Text::from(name))?;
        self.in_order.get(place).map(|(_, value)| value)
    }

    fn render(&self, out: &mut String) {
        let members = self.in_order.iter();
        let shown = members.filter(|(name, _)| !name.is_sqlalchemy_state());
        out.push('{');
        for (place, (name, value)) in shown.enumerate() {
            separate(place, out);
            name.render(out);
            out.push(':');
            value.render(out);
        }
        out.push('}');
    }
}
