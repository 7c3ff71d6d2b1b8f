//! Parses tables of the configuration. Code takes settings by name; all that are not taken are reported as unknown.
//!
//! The parser is hand-written: unlike serde, it reports all errors at once and in the terms of `wrangler.toml`, and it
//! needs less code.

use serde_json::{Map, Value};

use super::hints::{kind_of, nearest, not_a_list, unknown_value};
use super::parts::Place;
use super::refusals::Refusals;
use crate::json::quoted;

/// The maximum number of paths in an error message.
const MAX_NAMED_PATHS: usize = 3;
/// List settings that are often mistakenly written as one string with commas.
const LIST_SETTINGS: [&str; 3] = ["algorithms", "issuers", "revokes"];
/// The maximum length of a name in an error message.
const MAX_NAME_LENGTH: usize = 64;

/// A table of the configuration, while it is parsed.
pub(super) struct Section<'a> {
    path: String,
    /// The issuer, route or client of the table, for error messages.
    owner: String,
    settings: Map<String, Value>,
    /// The names of all settings that the code has asked for: the known ones.
    asked: Vec<String>,
    /// Groups of settings of which one is required and none is present, with the remedy. Not reported if one is
    /// misspelled.
    missing: Vec<(Vec<String>, String)>,
    /// For the root table: the variables that its members are from.
    places: Vec<Place>,
    /// The list, path and owner of each parsed table in a list.
    elements: Vec<(String, String, String)>,
    refusals: &'a mut Refusals,
}

impl<'a> Section<'a> {
    /// Creates the section of the root table.
    pub(super) fn outermost(settings: Map<String, Value>, places: Vec<Place>, refusals: &'a mut Refusals) -> Self {
        Self { places, ..Self::new(String::new(), String::new(), settings, refusals) }
    }

    fn new(path: String, owner: String, settings: Map<String, Value>, refusals: &'a mut Refusals) -> Self {
        let (asked, missing, places, elements) = Default::default();
        Self { path, owner, settings, asked, missing, places, elements, refusals }
    }

    /// Creates the section of a table with a path. Reports other types.
    fn open(path: String, owner: String, value: Value, refusals: &'a mut Refusals) -> Option<Self> {
        let given = match value {
            Value::Object(settings) => return Some(Self::new(path, owner, settings, refusals)),
            other => kind_of(&other),
        };
        // Tables in a list cannot be named as `[vars.path]`.
        let problem = if given == "a list" && !path.contains('[') {
            ["must be one table; got a list: write [vars.", &path, "] with single brackets"].concat()
        } else {
            ["must be a table, { setting = value, ... }; got ", given].concat()
        };
        refusals.add(path, &owner, problem);
        None
    }

    /// Reports an invalid setting or, with an empty name, the table itself.
    pub(super) fn refuse(&mut self, setting: &str, problem: impl Into<String>) {
        let path = self.path_of(setting);
        self.refusals.add(path, &self.owner, problem);
    }

    /// Reports an invalid setting of a table in a list that has been parsed.
    pub(super) fn refuse_at(&mut self, list: &str, index: usize, setting: &str, problem: impl Into<String>) {
        let of_list = |element: &&(String, String, String)| element.0 == list;
        if let Some((_, path, owner)) = self.elements.iter().filter(of_list).nth(index) {
            let dot = if setting.is_empty() { "" } else { "." };
            self.refusals.add([path, dot, setting].concat(), owner, problem);
        }
    }

    /// Reports an unknown value.
    pub(super) fn refuse_unknown(&mut self, setting: &str, what: &str, given: &str, known: &[&str]) {
        self.refuse(setting, unknown_value(what, given, known, LIST_SETTINGS.contains(&setting)));
    }

    /// Reports a setting if it is missing. `remedy` says what to write.
    pub(super) fn require(&mut self, setting: &str, remedy: &str) {
        self.require_any(&[setting], remedy);
    }

    /// Reports if all of these settings are missing. `remedy` says what to write.
    pub(super) fn require_any(&mut self, settings: &[&str], remedy: &str) {
        if !settings.iter().any(|setting| self.has(setting)) {
            let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
            self.missing.push((settings, remedy.to_owned()));
        }
    }

    /// Whether the setting that determines all others is present. If not, reports only that.
    pub(super) fn has_decisive(&mut self, setting: &str, remedy: &str) -> bool {
        if self.has(setting) {
            return true;
        }
        self.require(setting, remedy);
        for name in self.names() {
            if nearest(&name, &mut [setting].into_iter()).is_none() {
                self.settings.remove(&name);
            }
        }
        false
    }

    /// Reports each of these settings that is present.
    pub(super) fn refuse_each(&mut self, settings: &[&str], problem: &str) {
        for setting in settings {
            if self.take(setting).is_some() {
                self.refuse(setting, problem);
            }
        }
    }

    /// Takes a setting without conversion.
    pub(super) fn take(&mut self, setting: &str) -> Option<Value> {
        self.asked.push(setting.to_owned());
        self.settings.remove(setting)
    }

    /// Whether a setting is present.
    pub(super) fn has(&mut self, setting: &str) -> bool {
        self.asked.push(setting.to_owned());
        self.settings.contains_key(setting)
    }

    /// Ignores the other settings, whose validity depends on an invalid one.
    pub(super) fn abandon(&mut self) {
        self.settings.clear();
    }

    /// Takes a string.
    pub(super) fn text(&mut self, setting: &str) -> Option<String> {
        match self.take(setting)? {
            Value::String(text) if !text.is_empty() => Some(text),
            other => self.mistyped(setting, "text", kind_of(&other)),
        }
    }

    /// Takes a required string.
    pub(super) fn required_text(&mut self, setting: &str) -> Option<String> {
        self.require(setting, "");
        self.text(setting)
    }

    /// Takes one of these strings; `None` if the setting is missing.
    ///
    /// # Errors
    /// The setting has another value, which was reported.
    pub(super) fn choice(&mut self, setting: &str, known: &[&str]) -> Result<Option<String>, ()> {
        if !self.has(setting) {
            return Ok(None);
        }
        let given = self.text(setting).ok_or(())?;
        if known.contains(&given.as_str()) {
            return Ok(Some(given));
        }
        self.refuse_unknown(setting, setting, &given, known);
        Err(())
    }

    /// Takes a string or a list of strings.
    pub(super) fn texts(&mut self, setting: &str) -> Option<Vec<String>> {
        const EXPECTED: &str = "text or a list of texts";
        let elements = match self.take(setting)? {
            Value::Array(elements) => elements,
            Value::String(text) if !text.is_empty() => return Some(vec![text]),
            other => return self.mistyped(setting, EXPECTED, kind_of(&other)),
        };
        let mut texts = Vec::new();
        for element in elements {
            match element {
                Value::String(text) if !text.is_empty() => texts.push(text),
                other => {
                    return self.mistyped(setting, EXPECTED, &["a list with ", kind_of(&other), " in it"].concat());
                }
            }
        }
        Some(texts)
    }

    /// Takes a 32-bit integer.
    pub(super) fn number(&mut self, setting: &str) -> Option<u32> {
        const EXPECTED: &str = "a whole number from 0 to 4294967295";
        let given = self.take(setting)?;
        match given.as_u64().map(u32::try_from) {
            Some(Ok(number)) => Some(number),
            Some(Err(_)) => self.mistyped(setting, EXPECTED, "a larger number"),
            None => self.mistyped(setting, EXPECTED, kind_of(&given)),
        }
    }

    /// Takes a required integer.
    pub(super) fn required_number(&mut self, setting: &str) -> Option<u32> {
        self.require(setting, "");
        self.number(setting)
    }

    /// Takes a flag that defaults to `false`.
    pub(super) fn flag(&mut self, setting: &str) -> bool {
        self.flag_or(setting, false)
    }

    /// Takes a flag with a default.
    pub(super) fn flag_or(&mut self, setting: &str, default: bool) -> bool {
        match self.take(setting) {
            None => default,
            Some(Value::Bool(flag)) => flag,
            Some(other) => self.mistyped(setting, "true or false", kind_of(&other)).unwrap_or_default(),
        }
    }

    /// Parses a nested table, if present.
    pub(super) fn section<T>(&mut self, setting: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> Option<T> {
        let mut section = self.within(setting)?;
        let read = read(&mut section);
        section.close();
        Some(read)
    }

    fn within(&mut self, setting: &str) -> Option<Section<'_>> {
        let value = self.take(setting)?;
        let path = self.path_of(setting);
        Section::open(path, self.owner.clone(), value, self.refusals)
    }

    /// Parses the tables of a required, non-empty list. `None` for an invalid one.
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
        self.require(setting, &["write at least one [[vars.", &path, "]]"].concat());
        let tables = match self.take(setting) {
            Some(Value::Array(tables)) if !tables.is_empty() => tables,
            Some(Value::Array(_)) => {
                return self.refuse(setting, ["is empty: write at least one [[vars.", &path, "]]"].concat());
            }
            Some(other) => return self.refuse(setting, not_a_list(&path, &other)),
            None => return,
        };
        for (index, table) in tables.into_iter().enumerate() {
            let place = self.place_of(setting, index);
            let owner = table.as_object().map_or_else(String::new, |element| owner(setting, element));
            self.elements.push((setting.to_owned(), place.clone(), owner.clone()));
            let mut section = Section::open(place, owner, table, self.refusals);
            read(section.as_mut());
            if let Some(section) = section {
                section.close();
            }
        }
    }

    /// The names of the settings that were not taken.
    pub(super) fn names(&self) -> Vec<String> {
        self.settings.keys().cloned().collect()
    }

    /// Reports unknown settings, and missing required ones.
    pub(super) fn close(mut self) {
        for setting in self.names() {
            let meant = nearest(&setting, &mut self.asked.iter().map(String::as_str));
            let hint = meant.map(|meant| ["; did you mean `", meant, "`?"].concat()).unwrap_or_default();
            self.missing.retain(|(missing, _)| !missing.iter().any(|missing| Some(missing.as_str()) == meant));
            self.refuse(&setting, ["unknown setting `", &setting, "`", &hint].concat());
        }
        for (settings, remedy) in std::mem::take(&mut self.missing) {
            let colon = if remedy.is_empty() { "" } else { ": " };
            let setting = settings.first().map(String::as_str).unwrap_or_default();
            self.refuse(setting, ["is missing", colon, &remedy].concat());
        }
    }

    fn path_of(&self, setting: &str) -> String {
        if self.path.is_empty() {
            return Place::path_of(&self.places, setting);
        }
        if setting.is_empty() { self.path.clone() } else { [&self.path, ".", setting].concat() }
    }

    fn place_of(&self, list: &str, index: usize) -> String {
        Place::of_element(&self.places, list, index)
            .unwrap_or_else(|| [&self.path_of(list), "[", &index.to_string(), "]"].concat())
    }

    fn mistyped<T>(&mut self, setting: &str, expected: &str, given: &str) -> Option<T> {
        self.refuse(setting, ["must be ", expected, "; got ", given].concat());
        None
    }
}

/// The name of a table in error messages, such as `issuer "worth"`.
fn owner(list: &str, element: &Map<String, Value>) -> String {
    let text = |name: &str| match element.get(name) {
        Some(Value::String(text)) if !text.is_empty() && text.len() <= MAX_NAME_LENGTH => Some(quoted(text)),
        _ => None,
    };
    let named = |what: &str, name: &str| text(name).map(|name| [what, " ", &name].concat());
    let is_guard = element.get("kind").is_some_and(|kind| kind == "guard");
    let owner = match list {
        "issuers" => named("issuer", "name"),
        "clients" => named("client", "name"),
        _ if is_guard => paths(element).map(|paths| ["guard of ", &paths].concat()),
        _ => named("route", "contract").or_else(|| paths(element).map(|paths| ["route of ", &paths].concat())),
    };
    owner.unwrap_or_default()
}

fn paths(route: &Map<String, Value>) -> Option<String> {
    let paths = match route.get("paths")? {
        Value::Array(paths) => paths.as_slice(),
        one => std::slice::from_ref(one),
    };
    let texts: Vec<_> = paths.iter().filter_map(|path| Some(quoted(path.as_str()?))).take(MAX_NAMED_PATHS).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}
