//! The parts of the table. A Worker variable is limited to 5 KB, so the table may be split over several variables.

use serde_json::{Map, Value};

use super::hints::{kind_of, not_a_list};
use super::refusals::{Refusals, TABLE_NAME};
use crate::json;

/// The lists that several parts may have, which are concatenated. Any other setting may be in one part only.
const LISTS: [&str; 3] = ["issuers", "routes", "clients"];

/// The variable that a member of the table is from.
pub(super) struct Place {
    member: String,
    variable: String,
    /// The number of elements of a list in that variable; 0 for other members.
    length: usize,
}

impl Place {
    /// The path of a member. For a missing one, the path in `EDGE_LOGOUT`.
    pub(super) fn path_of(places: &[Self], member: &str) -> String {
        let place = places.iter().find(|place| place.member == member);
        [place.map_or(TABLE_NAME, |place| &place.variable), ".", member].concat()
    }

    /// The path of an element of a list.
    pub(super) fn of_element(places: &[Self], list: &str, mut index: usize) -> Option<String> {
        for place in places.iter().filter(|place| place.member == list) {
            match index.checked_sub(place.length) {
                Some(rest) => index = rest,
                None => return Some([&place.variable, ".", list, "[", &index.to_string(), "]"].concat()),
            }
        }
        None
    }
}

/// Merges the parts, given as variable names and JSON texts, in order of name.
pub(super) fn join(parts: &[(&str, &str)], refusals: &mut Refusals) -> (Map<String, Value>, Vec<Place>) {
    let (mut table, mut places) = (Map::new(), Vec::new());
    // `serde_json` maps are sorted by name.
    let mut sorted = Map::new();
    for (variable, text) in parts {
        if let Some(part) = read(variable, text, refusals) {
            sorted.insert((*variable).to_owned(), part);
        }
    }
    for (variable, part) in sorted {
        let Value::Object(members) = part else { continue };
        for (member, value) in members {
            add(&mut table, &mut places, &variable, member, value, refusals);
        }
    }
    (table, places)
}

fn read(variable: &str, text: &str, refusals: &mut Refusals) -> Option<Value> {
    // Do not show the value: it could be a secret whose name starts like the table's.
    let problem = match json::read(text) {
        Some(part @ Value::Object(_)) => return Some(part),
        Some(other @ Value::Array(_)) => {
            ["must be a table; got ", kind_of(&other), ": write [vars.", variable, "] with single brackets"].concat()
        }
        Some(other) => ["must be a table; got ", kind_of(&other)].concat(),
        None => "must be a table, or a JSON object as text in which no name is there twice; got other text".to_owned(),
    };
    let why = if variable == TABLE_NAME {
        ""
    } else {
        " (every variable whose name begins with EDGE_LOGOUT is a part of the table)"
    };
    refusals.add(variable, "", problem + why);
    None
}

fn add(
    table: &mut Map<String, Value>,
    places: &mut Vec<Place>,
    variable: &str,
    member: String,
    value: Value,
    refusals: &mut Refusals,
) {
    let length = value.as_array().map_or(0, Vec::len);
    let is_list = LISTS.contains(&member.as_str());
    let path = || [variable, ".", &member].concat();
    match (table.get_mut(&member), value) {
        (None, value) => {
            table.insert(member.clone(), value);
        }
        (Some(Value::Array(joined)), Value::Array(more)) if is_list => joined.extend(more),
        (Some(_), value) if is_list && !value.is_array() => {
            return refusals.add(path(), "", not_a_list(&path(), &value));
        }
        // The value in the other part is not a list, which is reported separately.
        (Some(_), _) if is_list => return,
        (Some(_), _) => {
            let first = places.iter().find(|place| place.member == member).map_or(TABLE_NAME, |place| &place.variable);
            let problem = ["is in vars.", first, " as well: only the lists issuers, routes and clients are joined"];
            return refusals.add(path(), "", problem.concat());
        }
    }
    places.push(Place { member, variable: variable.to_owned(), length });
}
