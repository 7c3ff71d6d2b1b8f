//! Reading the table: each setting once, by name, and every one that nobody asked for is refused.
//!
//! A hand-written reader instead of derived ones: it reports every refusal at once and in `wrangler.toml`'s words, and
//! it is a tenth of their code, which every isolate loads before its first answer.

use serde_json::{Map, Value};

use super::refusals::Refusals;

/// A table within the configuration, being read.
pub(super) struct Section<'a> {
    path: String,
    settings: Map<String, Value>,
    refusals: &'a mut Refusals,
}

impl<'a> Section<'a> {
    /// A table at this path; anything else is refused.
    pub(super) fn open(path: String, value: Value, refusals: &'a mut Refusals) -> Option<Self> {
        if let Value::Object(settings) = value {
            return Some(Self { path, settings, refusals });
        }
        refusals.add(path, "must be a table");
        None
    }

    /// Notes that a setting is refused.
    pub(super) fn refuse(&mut self, setting: &str, problem: impl Into<String>) {
        let path = self.path_of(setting);
        self.refusals.add(path, problem);
    }

    /// Takes a setting as it stands.
    pub(super) fn take(&mut self, setting: &str) -> Option<Value> {
        self.settings.remove(setting)
    }

    /// Whether a setting is there.
    pub(super) fn has(&self, setting: &str) -> bool {
        self.settings.contains_key(setting)
    }

    /// A text.
    pub(super) fn text(&mut self, setting: &str) -> Option<String> {
        match self.take(setting)? {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => self.mistyped(setting, "must be a text, and not empty"),
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&mut self, setting: &str) -> Option<String> {
        if !self.has(setting) {
            self.refuse(setting, "is missing");
        }
        self.text(setting)
    }

    /// A text or a list of texts.
    pub(super) fn texts(&mut self, setting: &str) -> Option<Vec<String>> {
        const EXPECTED: &str = "must be a text or a list of texts, and none of them empty";
        let elements = match self.take(setting)? {
            Value::Array(elements) => elements,
            one => vec![one],
        };
        let mut texts = Vec::new();
        for element in elements {
            match element {
                Value::String(text) if !text.is_empty() => texts.push(text),
                _ => return self.mistyped(setting, EXPECTED),
            }
        }
        Some(texts)
    }

    /// A whole number within 32 bits.
    pub(super) fn number(&mut self, setting: &str) -> Option<u32> {
        let number = self.take(setting)?.as_u64().and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            self.refuse(setting, "must be a whole number from 0 to 4294967295");
        }
        number
    }

    /// A whole number that must be there.
    pub(super) fn required_number(&mut self, setting: &str) -> Option<u32> {
        if !self.has(setting) {
            self.refuse(setting, "is missing");
        }
        self.number(setting)
    }

    /// `true` or `false`; `false` unless it is there.
    pub(super) fn flag(&mut self, setting: &str) -> bool {
        match self.take(setting) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => self.mistyped(setting, "must be true or false").unwrap_or_default(),
        }
    }

    /// Reads the table within, when it is there.
    pub(super) fn section<T>(&mut self, setting: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        let mut section = self.within(setting)?;
        let read = read(&mut section);
        section.close();
        Some(read)
    }

    fn within(&mut self, setting: &str) -> Option<Section<'_>> {
        let value = self.take(setting)?;
        let path = self.path_of(setting);
        Section::open(path, value, self.refusals)
    }

    /// Reads each table of a list; one that is refused leaves its place empty. The list must be there and hold any.
    pub(super) fn sections<T>(
        &mut self,
        setting: &str,
        mut read: impl FnMut(&mut Section<'_>) -> Option<T>,
    ) -> Vec<Option<T>> {
        let mut all = Vec::new();
        self.each(setting, &mut |section| all.push(section.and_then(&mut read)));
        all
    }

    fn each(&mut self, setting: &str, read: &mut dyn FnMut(Option<&mut Section<'_>>)) {
        let path = self.path_of(setting);
        let tables = match self.take(setting) {
            Some(Value::Array(tables)) if !tables.is_empty() => tables,
            _ => {
                self.refuse(setting, ["is missing: it takes at least one [[", &path, "]]"].concat());
                return;
            }
        };
        for (index, table) in tables.into_iter().enumerate() {
            let place = [&path, "[", &index.to_string(), "]"].concat();
            let mut section = Section::open(place, table, self.refusals);
            read(section.as_mut());
            if let Some(section) = section {
                section.close();
            }
        }
    }

    /// The names of the settings that are left.
    pub(super) fn names(&self) -> Vec<String> {
        self.settings.keys().cloned().collect()
    }

    /// Refuses what nobody asked for.
    pub(super) fn close(mut self) {
        for setting in self.names() {
            self.refuse(&setting, "is no setting that is known");
        }
    }

    fn path_of(&self, setting: &str) -> String {
        if self.path.is_empty() { setting.to_owned() } else { [&self.path, ".", setting].concat() }
    }

    fn mistyped<T>(&mut self, setting: &str, expected: &str) -> Option<T> {
        self.refuse(setting, expected);
        None
    }
}
