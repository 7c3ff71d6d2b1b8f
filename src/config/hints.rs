//! Hints in error messages: what was given, and what was probably meant.

use serde_json::Value;

use crate::json::quoted;

/// The maximum length of a value in an error message.
const LONGEST_VALUE: usize = 64;

/// Describes the type of a value. Never includes the value, which may be a secret.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_u64() => "a number",
        Value::Number(number) if number.is_i64() => "a negative number",
        Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => "a larger number",
        Value::Number(_) => "a number with a fraction",
        Value::String(text) if text.is_empty() => "empty text",
        Value::String(text) if text.parse::<i64>().is_ok() || text == "true" || text == "false" => {
            "text (remove the quotes)"
        }
        Value::String(_) => "text",
        Value::Array(elements) if elements.is_empty() => "an empty list",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

/// The error message for an unknown value.
pub(super) fn unknown_value(what: &str, given: &str, known: &[&str], takes_list: bool) -> String {
    // Too long for a name: it may be a misplaced key or secret.
    if given.len() > LONGEST_VALUE {
        return ["unknown ", what, ", too long to be repeated here"].concat();
    }
    let mut problem = ["unknown ", what, " ", &quoted(given)].concat();
    if takes_list && given.contains(',') {
        list(&mut problem, "; write a list: [", &mut given.split(',').map(str::trim));
        problem.push(']');
    } else if let Some(meant) = nearest(given, &mut known.iter().copied()) {
        list(&mut problem, "; did you mean ", &mut [meant].into_iter());
        problem.push('?');
    } else {
        list(&mut problem, "; known: ", &mut known.iter().copied());
    }
    problem
}

fn list(problem: &mut String, introduction: &str, names: &mut dyn Iterator<Item = &str>) {
    let mut before = introduction;
    for name in names {
        problem.push_str(before);
        problem.push_str(&quoted(name));
        before = ", ";
    }
}

/// The most similar known name, if any.
pub(super) fn nearest<'a>(given: &str, known: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_ascii_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for known in known {
        if let Some(difference) = difference(&given, &known.to_ascii_lowercase())
            && best.is_none_or(|(least, _)| difference < least)
        {
            best = Some((difference, known));
        }
    }
    best.map(|(_, known)| known)
}

/// The distance of two names; `None` if they are too different.
fn difference(one: &str, other: &str) -> Option<usize> {
    /// The minimum length of a common part. Shorter texts are part of too many names.
    const SHORTEST_PART: usize = 3;
    let (shorter, longer) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let edits = strsim::osa_distance(one, other);
    if edits <= (longer.len() / 3).max(1) && edits < shorter.len() {
        return Some(edits);
    }
    let is_part = shorter.len() >= SHORTEST_PART && longer.contains(shorter);
    is_part.then_some(edits.saturating_add(longer.len()))
}

/// The error message for a value that should be a list of tables.
pub(super) fn not_a_list(path: &str, given: &Value) -> String {
    let given = if given.is_object() { "one table" } else { kind_of(given) };
    ["must be a list of tables; got ", given, ": write [[vars.", path, "]] with double brackets"].concat()
}
