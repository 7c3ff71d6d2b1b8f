//! The tokens of JSON as Python scans them: Python 3.11's `scanstring_unicode` and
//! `_match_number_unicode`, with their messages and positions.

use super::encoding::CodePoint;
use super::failure::Failure;
use super::number::Literal;
use super::value::Text;

/// A place in a text.
#[derive(Clone, Copy)]
pub struct Scanner<'text> {
    rest: &'text [CodePoint],
    length: usize,
}

impl<'text> Scanner<'text> {
    pub const fn new(text: &'text [CodePoint]) -> Self {
        let length = text.len();
        Self { rest: text, length }
    }

    /// How many code points came before.
    const fn position(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    /// The character that many places on. A lone surrogate passes for U+FFFD here, which is as
    /// meaningless in JSON.
    fn peek(&self, places: usize) -> Option<char> {
        let code = *self.rest.get(places)?;
        Some(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn advance(&mut self, places: usize) {
        self.rest = self.rest.get(places..).unwrap_or_default();
    }

    /// The syntax error that is noticed here.
    pub const fn fault(&self, message: &'static str) -> Failure {
        let position = self.position();
        Failure::Syntax { message, position }
    }

    /// Moves past this character, if it is next.
    pub fn take(&mut self, character: char) -> bool {
        let found = self.peek(0) == Some(character);
        if found {
            self.advance(1);
        }
        found
    }

    /// Moves past this word, if it is next.
    pub fn take_word(&mut self, word: &str) -> bool {
        let mut ahead = *self;
        let found = word.chars().all(|character| ahead.take(character));
        if found {
            *self = ahead;
        }
        found
    }

    /// Moves past this character, which must be next.
    pub fn expect(&mut self, character: char, message: &'static str) -> Result<(), Failure> {
        if self.take(character) { Ok(()) } else { Err(self.fault(message)) }
    }

    /// Checks that nothing is left.
    pub const fn expect_end(&self, message: &'static str) -> Result<(), Failure> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.fault(message)) }
    }

    /// Moves past what JSON holds to be white space.
    pub fn skip_space(&mut self) {
        while matches!(self.peek(0), Some(' ' | '\t' | '\n' | '\r')) {
            self.advance(1);
        }
    }

    /// Moves past decimal digits, if there are any.
    fn take_digits(&mut self) -> bool {
        let found = matches!(self.peek(0), Some('0'..='9'));
        while matches!(self.peek(0), Some('0'..='9')) {
            self.advance(1);
        }
        found
    }

    /// Moves past the number that is next. A fraction or exponent without digits is no part of
    /// it, and what comes after it is then found to be in the wrong place.
    pub fn number(&mut self) -> Option<Literal> {
        let start = *self;
        let mut end = start;
        end.take('-');
        if !end.take('0') && !end.take_digits() {
            return None;
        }
        let integer = end;
        let mut fraction = end;
        if fraction.take('.') && fraction.take_digits() {
            end = fraction;
        }
        let mut exponent = end;
        if exponent.take('e') || exponent.take('E') {
            let _sign = exponent.take('+') || exponent.take('-');
            if exponent.take_digits() {
                end = exponent;
            }
        }
        *self = end;
        let length = start.rest.len().saturating_sub(end.rest.len());
        let codes = start.rest.iter().take(length).copied();
        let text = codes.filter_map(char::from_u32).collect();
        Some(if end.position() == integer.position() { Literal::Integer(text) } else { Literal::Float(text) })
    }

    /// Moves past the string that is next, if one is.
    pub fn string(&mut self) -> Result<Option<Text>, Failure> {
        let unterminated = self.fault("Unterminated string starting at");
        if !self.take('"') {
            return Ok(None);
        }
        let mut content = Vec::new();
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('"'), _) => {
                    self.advance(1);
                    return Ok(Some(Text::from(content)));
                }
                (None, _) | (Some('\\'), None) => return Err(unterminated),
                (Some('\\'), Some('u')) => content.push(self.unicode_escape()?),
                (Some('\\'), Some(letter)) => {
                    let meant = unescaped(letter).ok_or_else(|| self.fault("Invalid \\escape"))?;
                    content.push(CodePoint::from(meant));
                    self.advance(2);
                }
                (Some('\0'..='\x1F'), _) => return Err(self.fault("Invalid control character at")),
                (Some(_), _) => {
                    content.extend(self.rest.first());
                    self.advance(1);
                }
            }
        }
    }

    /// Moves past a `\uXXXX` escape, or past two that make a surrogate pair.
    fn unicode_escape(&mut self) -> Result<CodePoint, Failure> {
        let first = self.hex_digits()?;
        self.advance(6);
        let high = matches!(first, 0xD800..=0xDBFF);
        // Python looks at a second escape only where something comes after it.
        let pair = high && self.peek(0) == Some('\\') && self.peek(1) == Some('u');
        if pair && self.peek(6).is_some() {
            let second = self.hex_digits()?;
            if matches!(second, 0xDC00..=0xDFFF) {
                self.advance(6);
                let astral = (first & 0x3FF) << 10 | second & 0x3FF;
                return Ok(astral.saturating_add(0x1_0000));
            }
        }
        Ok(first)
    }

    /// The code that the escape here says. Python wants something to follow its four digits, and
    /// reports the `u`.
    fn hex_digits(&self) -> Result<CodePoint, Failure> {
        let digits = self.rest.get(2..6).filter(|_| self.peek(6).is_some());
        let code = digits.and_then(|digits| {
            digits.iter().try_fold(0, |code, &digit| {
                let digit = char::from_u32(digit)?.to_digit(16)?;
                Some(code << 4 | digit)
            })
        });
        code.ok_or_else(|| {
            let mut letter = *self;
            letter.advance(1);
            letter.fault("Invalid \\uXXXX escape")
        })
    }
}

/// What a backslash before this letter means.
const fn unescaped(letter: char) -> Option<char> {
    match letter {
        '"' | '\\' | '/' => Some(letter),
        'b' => Some('\x08'),
        'f' => Some('\x0C'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        _ => None,
    }
}
