//! Routes: contracts with their paths and issuers.

use std::rc::Rc;

use super::cors::{self, Cors};
use super::freshness::{Storage, freshness};
use super::guard::{self, Guard};
use super::issuer::{Issuer, Tokens};
use super::route_settings::{NOT_OF_CONTRACT, find_issuer, host, paths_of};
use super::section::Section;
use super::session_store::{self, SessionStoreRules};
use super::{Environment, REVOCATIONS, minting};
use crate::contracts::Contract;
use crate::json::quoted;
use crate::revocation::{Freshness, Scope};
use crate::route_table::{Kind, RouteTable, Routed};
use crate::token::AnonymousSessionRules;

/// A logout route: a contract with one or several paths.
#[derive(Debug)]
pub struct Route {
    /// The contract.
    pub contract: &'static dyn Contract,
    /// The issuer of the bearer tokens.
    pub issuer: Rc<Issuer>,
    /// The issuer of the sessions, if requests name a session.
    pub sessions: Option<Rc<Issuer>>,
    /// The host; `None` for every host.
    pub host: Option<String>,
    /// The paths. `{parameter}` matches one segment.
    pub paths: Vec<String>,
    /// The scopes that a logout revokes.
    pub revokes: Vec<Scope>,
    /// The freshness of the check whether the token is already revoked.
    pub freshness: Freshness,
    /// The CORS rules.
    pub cors: Option<Cors>,
    /// The minting rules, for contracts that respond with an anonymous session.
    pub anonymous_session: Option<AnonymousSessionRules>,
    /// The name of the KV namespace with user profiles, for contracts that respond with one.
    pub user_directory: Option<String>,
    /// The vendor's session store, for contracts whose requests name a session.
    pub session_store: Option<SessionStoreRules>,
}

/// An entry of the list `routes`.
#[derive(Debug)]
pub enum AnyRoute {
    /// A contract's logout.
    Logout(Box<Route>),
    /// A guard.
    Guard(Guard),
}

impl AnyRoute {
    /// The host.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Logout(route) => route.host.as_deref(),
            Self::Guard(guard) => guard.host.as_deref(),
        }
    }

    /// The kind of the route in the route table.
    fn routed(&self, route: usize) -> Routed<'_> {
        let kind = match self {
            Self::Logout(_) => Kind::Logout,
            Self::Guard(guard) => Kind::Guard { subtree: guard.subtree },
        };
        Routed { route, host: self.host(), paths: self.paths(), kind }
    }

    /// The paths.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        match self {
            Self::Logout(route) => &route.paths,
            Self::Guard(guard) => &guard.paths,
        }
    }
}

/// The context for parsing routes.
pub(super) struct Around<'a, E> {
    pub issuers: &'a [Option<Rc<Issuer>>],
    pub contracts: &'a [&'static dyn Contract],
    pub storage: Storage,
    pub environment: &'a E,
}

/// Parses the routes and creates the route table. Both omit invalid routes.
pub(super) fn read_all(table: &mut Section<'_>, around: &Around<'_, impl Environment>) -> (Vec<AnyRoute>, RouteTable) {
    let routes = table.sections("routes", |section| {
        match section.choice("kind", &["logout", "guard"]).as_ref().map(Option::as_deref) {
            Ok(Some("guard")) => {
                let guard = guard::read(section, around.issuers, around.storage, around.environment);
                return Some(AnyRoute::Guard(guard));
            }
            Ok(_) => {}
            Err(()) => {
                section.abandon();
                return None;
            }
        }
        let contract = contract(section, around.contracts)?;
        read(section, contract, around).map(|route| AnyRoute::Logout(Box::new(route)))
    });
    let read = routes.iter().enumerate().filter_map(|(place, route)| Some(route.as_ref()?.routed(place)));
    let (route_table, conflicts) = RouteTable::fill(&read.collect::<Vec<_>>());
    for (place, problem) in conflicts {
        table.refuse_at("routes", place, "paths", problem);
    }
    (routes.into_iter().flatten().collect(), route_table)
}

fn contract(section: &mut Section<'_>, contracts: &[&'static dyn Contract]) -> Option<&'static dyn Contract> {
    const SETTING: &str = "contract";
    let names: Vec<_> = contracts.iter().map(|contract| contract.name()).collect();
    if !section.has_decisive(SETTING, &["write one of ", &names.join(", "), ", or kind = \"guard\""].concat()) {
        return None;
    }
    let name = section.choice(SETTING, &names).ok().flatten();
    let found = contracts.iter().copied().find(|contract| name.as_deref() == Some(contract.name()));
    if found.is_none() {
        section.abandon();
    }
    found
}

fn read(
    section: &mut Section<'_>,
    contract: &'static dyn Contract,
    around: &Around<'_, impl Environment>,
) -> Option<Route> {
    let Around { issuers, storage, environment, .. } = *around;
    let issuer = required_issuer(section, "issuer", issuers);
    if issuer.as_ref().is_some_and(|issuer| matches!(issuer.tokens, Tokens::Opaque)) && !contract.takes_opaque_tokens()
    {
        section.refuse("issuer", "must be an issuer of kind \"jwt\": this contract's tokens are verified");
    }
    let sessions = sessions(section, contract, issuers);
    let anonymous_session = anonymous_session(section, contract, issuer.as_deref(), environment);
    let user_directory = user_directory(section, contract);
    let session_store = session_store::read(section, contract, environment);
    let (host, revokes) = (host(section), revokes(section, contract));
    let published = || contract.paths().iter().map(|path| (*path).to_owned()).collect();
    let paths = paths_of(section, false).unwrap_or_else(published);
    let cors = section.section("cors", cors::read);
    let freshness = freshness(section, storage);
    Some(Route {
        contract,
        freshness: freshness.unwrap_or(issuer.as_ref()?.freshness),
        issuer: issuer?,
        sessions,
        host,
        paths,
        revokes,
        cors,
        anonymous_session,
        user_directory,
        session_store,
    })
}

fn required_issuer(section: &mut Section<'_>, setting: &str, issuers: &[Option<Rc<Issuer>>]) -> Option<Rc<Issuer>> {
    section.require(setting, "write the `name` of one of the issuers");
    let name = section.text(setting)?;
    find_issuer(section, setting, &name, issuers)
}

fn sessions(section: &mut Section<'_>, contract: &dyn Contract, issuers: &[Option<Rc<Issuer>>]) -> Option<Rc<Issuer>> {
    if !contract.ends_session_of_body() {
        section.refuse_each(&["sessions"], NOT_OF_CONTRACT);
        return None;
    }
    let sessions = required_issuer(section, "sessions", issuers)?;
    if !matches!(sessions.tokens, Tokens::Opaque) {
        section.refuse(
            "sessions",
            ["must be an issuer of kind \"opaque\", and ", &quoted(&sessions.name), " is not"].concat(),
        );
    }
    Some(sessions)
}

fn user_directory(section: &mut Section<'_>, contract: &dyn Contract) -> Option<String> {
    const SETTING: &str = "user_directory";
    if !contract.answers_with_session() {
        section.refuse_each(&[SETTING], NOT_OF_CONTRACT);
        return None;
    }
    let name = section.text(SETTING)?;
    if name == REVOCATIONS {
        section.refuse(SETTING, "must not be REVOCATIONS, the namespace of the revocations");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        section.refuse(SETTING, "must be the name of a KV binding: letters, digits and _");
    }
    Some(name)
}

fn anonymous_session(
    section: &mut Section<'_>,
    contract: &dyn Contract,
    issuer: Option<&Issuer>,
    environment: &impl Environment,
) -> Option<AnonymousSessionRules> {
    const SETTING: &str = "anonymous_session";
    if !contract.answers_with_session() {
        section.refuse_each(&[SETTING], NOT_OF_CONTRACT);
        return None;
    }
    section.require(
        SETTING,
        "this contract answers with a new session; write { signing_secret = \"NAME\", access_token_seconds = ..., \
         refresh_token_seconds = ... }",
    );
    match issuer.map(|issuer| &issuer.tokens) {
        Some(Tokens::Jwt(rules)) => {
            section.section(SETTING, |section| minting::read(section, rules, environment)).flatten()
        }
        // The issuer is invalid, and the valid settings depend on it.
        _ => {
            section.take(SETTING);
            None
        }
    }
}

fn revokes(section: &mut Section<'_>, contract: &dyn Contract) -> Vec<Scope> {
    let Some(names) = section.texts("revokes") else { return contract.ends().to_vec() };
    let mut scopes = Vec::new();
    for name in &names {
        match Scope::ALL.into_iter().find(|scope| scope.name() == name) {
            Some(Scope::Issuer) => {
                section.refuse("revokes", "must not be \"issuer\": one logout would end everybody's sessions");
            }
            Some(scope) if scopes.contains(&scope) => {
                section.refuse("revokes", ["has ", &quoted(name), " twice"].concat());
            }
            Some(scope) => scopes.push(scope),
            None => section.refuse_unknown("revokes", "scope", name, &["token", "session", "subject"]),
        }
    }
    if names.is_empty() {
        section.refuse("revokes", "is empty, so that a logout would end nothing: leave it out for the contract's own");
    }
    if scopes.contains(&Scope::Session) && scopes.contains(&Scope::Subject) {
        // Neither scope implies the other. If only one were written, a retry would be rejected as already revoked.
        section.refuse("revokes", "must not have both \"session\" and \"subject\": \"subject\" ends all sessions");
    }
    if contract.ends_session_of_body() && scopes != [Scope::Token] {
        section.refuse("revokes", "must be \"token\": an opaque session does not name its user");
    }
    scopes
}
