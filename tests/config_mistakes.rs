//! Common mistakes in `wrangler.toml`, and the exact refusals of each.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use crate::support::shipped::TestEnvironment;
use edge_logout::config::Config;

/// The lines of a valid issuer and route. `@ISSUER` stands for all lines of the issuer.
const LINES: [(&str, &str); 6] = [
    ("@NAME", r#"[[vars.EDGE_LOGOUT.issuers]] | name = "shop""#),
    ("@ISS", r#"iss = "https://id.example""#),
    ("@AUD", r#"audiences = ["api"]"#),
    ("@ALG", r#"algorithms = ["ES256"]"#),
    ("@KEYS", r#"jwks_url = "https://id.example/jwks""#),
    ("@ROUTE", r#"[[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop""#),
];
/// The text of a secret that is no key, and too short for a client.
const PLAIN_TEXT: &str = "correct-horse-battery-staple";

/// The mistake, a `wrangler.toml` that has it, and every finding. ` | ` is a line's end, `@` stands for the lines above.
const MISTAKES: &[(&str, &str, &[&str])] = &[
    (
        "a setting in the singular",
        r#"@NAME | @ISS | audience = "api" | @ALG | @KEYS | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].audience (issuer "shop"): unknown setting `audience`; did you mean `audiences`?"#,
        ],
    ),
    (
        "a claim's name for a setting",
        r#"@NAME | @ISS | aud = "api" | @ALG | @KEYS | @ROUTE"#,
        &[r#"vars.EDGE_LOGOUT.issuers[0].aud (issuer "shop"): unknown setting `aud`; did you mean `audiences`?"#],
    ),
    (
        "an algorithm in lower case",
        r#"@NAME | @ISS | @AUD | algorithms = "es256" | @KEYS | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].algorithms (issuer "shop"): unknown algorithm "es256"; did you mean "ES256"?"#,
        ],
    ),
    (
        "an algorithm in lower case, beside its key",
        r#"@NAME | @ISS | @AUD | algorithms = "es256" | jwks = { keys = [{ kty = "EC", alg = "ES256", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }] } | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].algorithms (issuer "shop"): unknown algorithm "es256"; did you mean "ES256"?"#,
        ],
    ),
    (
        "an empty list of algorithms",
        "@NAME | @ISS | @AUD | algorithms = [] | @KEYS | @ROUTE",
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].algorithms (issuer "shop"): is empty: write those that its keys are for, such as ["ES256"]"#,
        ],
    ),
    (
        "algorithms in one text",
        r#"@NAME | @ISS | @AUD | algorithms = "RS256, ES256" | @KEYS | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].algorithms (issuer "shop"): unknown algorithm "RS256, ES256"; write a list: ["RS256", "ES256"]"#,
        ],
    ),
    (
        "a misspelt algorithm",
        r#"@NAME | @ISS | @AUD | algorithms = ["RSA256"] | @KEYS | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].algorithms (issuer "shop"): unknown algorithm "RSA256"; did you mean "RS256"?"#,
        ],
    ),
    (
        "a key in place of its algorithm",
        r#"@NAME | @ISS | @AUD | algorithms = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" | @KEYS | @ROUTE"#,
        &[r#"vars.EDGE_LOGOUT.issuers[0].algorithms (issuer "shop"): unknown algorithm, too long to be repeated here"#],
    ),
    (
        "no algorithms at all",
        "@NAME | @ISS | @AUD | @KEYS | @ROUTE",
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].algorithms (issuer "shop"): is missing: write those that its keys are for, such as ["ES256"]"#,
        ],
    ),
    (
        "the algorithm none",
        r#"@NAME | @ISS | @AUD | algorithms = ["none"] | @KEYS | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].algorithms (issuer "shop"): unknown algorithm "none"; known: "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA""#,
        ],
    ),
    (
        "a symmetric algorithm with fetched keys",
        r#"@NAME | @ISS | @AUD | algorithms = ["HS256"] | @KEYS | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].algorithms (issuer "shop"): "HS256" is symmetric, and `jwks_url` has public keys alone: put its key into a Worker secret, named in `secret`"#,
        ],
    ),
    (
        "another name for jwks_url",
        r#"@NAME | @ISS | @AUD | @ALG | jwks_uri = "https://id.example/jwks" | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].jwks_uri (issuer "shop"): unknown setting `jwks_uri`; did you mean `jwks_url`?"#,
        ],
    ),
    (
        "a URL as jwks",
        r#"@NAME | @ISS | @AUD | @ALG | jwks = "https://id.example/jwks" | @ROUTE"#,
        &[r#"vars.EDGE_LOGOUT.issuers[0].jwks (issuer "shop"): must be a JWK set; got a URL: write it as `jwks_url`"#],
    ),
    (
        "a PEM as jwks",
        r#"@NAME | @ISS | @AUD | @ALG | jwks = "-----BEGIN PUBLIC KEY-----" | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].jwks (issuer "shop"): must be a JWK set; got PEM: write the key into { keys = [...] }, with its `alg` and `kid` added, as printed by `node -e 'const c=require("crypto");const k=c.createPublicKey(require("fs").readFileSync(0)).export({format:"jwk"});console.log("{ "+Object.entries(k).map(([n,v])=>n+" = "+JSON.stringify(v)).join(", ")+" }")' < key.pem`"#,
        ],
    ),
    (
        "a list of keys without the set around it",
        r#"@NAME | @ISS | @AUD | @ALG | jwks = [{ kty = "EC" }] | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].jwks (issuer "shop"): must be a JWK set, { keys = [{ kty = ... }] }; got a list: write { keys = ... } around it"#,
        ],
    ),
    (
        "a private key",
        r#"@NAME | @ISS | @AUD | @ALG | jwks = { keys = [{ kty = "EC", kid = "1", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", d = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI" }] } | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].jwks.keys[0] (issuer "shop"): is a private key: write its public half into `jwks` instead, as printed by `node -e 'const{d,p,q,dp,dq,qi,oth,key_ops,...k}=JSON.parse(require("fs").readFileSync(0));console.log("{ "+Object.entries(k).map(([n,v])=>JSON.stringify(n)+" = "+JSON.stringify(v)).join(", ")+" }")' < private.jwk.json`"#,
        ],
    ),
    (
        "a symmetric key in the table",
        r#"@NAME | @ISS | @AUD | algorithms = ["HS256"] | jwks = { keys = [{ kty = "oct", k = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow" }] } | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].jwks.keys[0] (issuer "shop"): is a symmetric key, which must not stand in the table: put it into a Worker secret, and write that secret's name into `secret`"#,
        ],
    ),
    (
        "a key for another algorithm",
        r#"@NAME | @ISS | @AUD | algorithms = ["RS256"] | jwks = { keys = [{ kty = "EC", crv = "P-256", x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }] } | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].jwks.keys[0] (issuer "shop"): has a `kty` or `crv` that fits none of the issuer's `algorithms`"#,
        ],
    ),
    (
        "an http URL",
        r#"@NAME | @ISS | @AUD | @ALG | jwks_url = "http://id.example/jwks" | @ROUTE"#,
        &[r#"vars.EDGE_LOGOUT.issuers[0].jwks_url (issuer "shop"): must be https://host[:port][/path][?query]"#],
    ),
    (
        "two sources of keys",
        r#"@NAME | @ISS | @AUD | @ALG | @KEYS | discovery_url = "https://id.example/.well-known/openid-configuration" | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].discovery_url (issuer "shop"): cannot be combined with `jwks_url`: an issuer has one source of keys"#,
        ],
    ),
    (
        "the secret itself in place of its name",
        r#"@NAME | @ISS | @AUD | algorithms = ["HS256"] | secret = "correct-horse-battery-staple" | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].secret (issuer "shop"): must be the name of a Worker secret, never its text: upper-case letters, digits and _"#,
        ],
    ),
    (
        "a secret that is not set",
        r#"@NAME | @ISS | @AUD | algorithms = ["HS256"] | secret = "SHOP_KEY" | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].secret (issuer "shop"): the Worker secret SHOP_KEY is not set: run `npx wrangler secret put SHOP_KEY`; for `npm start` write it in .dev.vars"#,
        ],
    ),
    (
        "a secret that is plain text",
        r#"@NAME | @ISS | @AUD | algorithms = ["HS256"] | secret = "PLAIN_TEXT" | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].secret (issuer "shop"): the Worker secret PLAIN_TEXT is not a JWK or a JWK set, JSON such as {"kty":"oct","alg":"HS256","k":"..."}"#,
        ],
    ),
    (
        "a number in quotes",
        r#"@NAME | @ISS | @AUD | @ALG | @KEYS | leeway_seconds = "5" | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].leeway_seconds (issuer "shop"): must be a whole number from 0 to 4294967295; got text (remove the quotes)"#,
        ],
    ),
    (
        "a number too large",
        "@NAME | @ISS | @AUD | @ALG | @KEYS | leeway_seconds = 3600 | @ROUTE",
        &[r#"vars.EDGE_LOGOUT.issuers[0].leeway_seconds (issuer "shop"): must be at most 300"#],
    ),
    (
        "a fraction",
        "@NAME | @ISS | @AUD | @ALG | @KEYS | longest_lifetime_seconds = 0.5 | @ROUTE",
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].longest_lifetime_seconds (issuer "shop"): must be a whole number from 0 to 4294967295; got a number with a fraction"#,
        ],
    ),
    (
        "a setting without its unit",
        "@NAME | @ISS | @AUD | @ALG | @KEYS | leeway = 5 | @ROUTE",
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].leeway (issuer "shop"): unknown setting `leeway`; did you mean `leeway_seconds`?"#,
        ],
    ),
    (
        "hyphens for underscores",
        "@NAME | @ISS | @AUD | @ALG | @KEYS | longest-lifetime-seconds = 3600 | @ROUTE",
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].longest-lifetime-seconds (issuer "shop"): unknown setting `longest-lifetime-seconds`; did you mean `longest_lifetime_seconds`?"#,
        ],
    ),
    (
        "a number for text",
        "[[vars.EDGE_LOGOUT.issuers]] | name = 1 | @ISS | @AUD | @ALG | @KEYS | @ROUTE",
        &["vars.EDGE_LOGOUT.issuers[0].name: must be text; got a number"],
    ),
    (
        "a name with capitals and spaces",
        r#"[[vars.EDGE_LOGOUT.issuers]] | name = "My Shop" | @ISS | @AUD | @ALG | @KEYS | @ROUTE"#,
        &[r#"vars.EDGE_LOGOUT.issuers[0].name (issuer "My Shop"): must be 1 to 64 of a-z, 0-9 and -"#],
    ),
    (
        "no name",
        "[[vars.EDGE_LOGOUT.issuers]] | @ISS | @AUD | @ALG | @KEYS | @ROUTE",
        &["vars.EDGE_LOGOUT.issuers[0].name: is missing: write a name of your own for it, which routes and logs use"],
    ),
    (
        "a wrong kind",
        r#"@NAME | @ISS | @AUD | @ALG | @KEYS | kind = "oauth" | @ROUTE"#,
        &[r#"vars.EDGE_LOGOUT.issuers[0].kind (issuer "shop"): unknown kind "oauth"; known: "jwt", "opaque""#],
    ),
    (
        "a kind that is no text",
        "@NAME | @ISS | @AUD | @ALG | @KEYS | kind = true | @ROUTE",
        &[r#"vars.EDGE_LOGOUT.issuers[0].kind (issuer "shop"): must be text; got true or false"#],
    ),
    (
        "a claim in the wrong place",
        r#"@NAME | @ISS | @AUD | @ALG | @KEYS | required_claims = ["admin"] | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].required_claims (issuer "shop"): must be a table, { setting = value, ... }; got a list"#,
        ],
    ),
    (
        "seconds for a bound",
        "@NAME | @ISS | @AUD | @ALG | @KEYS | bound_seconds = 1 | @ROUTE",
        &[
            r#"vars.EDGE_LOGOUT.issuers[0].bound_seconds (issuer "shop"): unknown setting `bound_seconds`; did you mean `bound_milliseconds`?"#,
        ],
    ),
    (
        "keys for an opaque issuer",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.issuers]] | name = "sessions" | kind = "opaque" | longest_lifetime_seconds = 3600 | @ALG | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[1].algorithms (issuer "sessions"): is for issuers of kind "jwt": opaque tokens are looked up, never verified"#,
        ],
    ),
    (
        "an opaque issuer without a lifetime",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.issuers]] | name = "sessions" | kind = "opaque" | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.issuers[1].longest_lifetime_seconds (issuer "sessions"): is missing: an opaque token does not say how long it lives"#,
        ],
    ),
    (
        "the same issuer twice",
        "@ISSUER | @ISSUER | @ROUTE",
        &[r#"vars.EDGE_LOGOUT.issuers[1].name (issuer "shop"): is the name of another issuer as well"#],
    ),
    (
        "single brackets for issuers",
        r#"[vars.EDGE_LOGOUT.issuers] | name = "shop" | @ISS | @AUD | @ALG | @KEYS | @ROUTE"#,
        &[
            "vars.EDGE_LOGOUT.issuers: must be a list of tables; got one table: write [[vars.EDGE_LOGOUT.issuers]] with double brackets",
        ],
    ),
    (
        "issuers by name",
        "[vars.EDGE_LOGOUT.issuers.shop] | @ISS | @AUD | @ALG | @KEYS | @ROUTE",
        &[
            "vars.EDGE_LOGOUT.issuers: must be a list of tables; got one table: write [[vars.EDGE_LOGOUT.issuers]] with double brackets",
        ],
    ),
    (
        "single brackets for routes",
        r#"@ISSUER | [vars.EDGE_LOGOUT.routes] | contract = "worth" | issuer = "shop""#,
        &[
            "vars.EDGE_LOGOUT.routes: must be a list of tables; got one table: write [[vars.EDGE_LOGOUT.routes]] with double brackets",
        ],
    ),
    (
        "issuers in the singular",
        r#"[[vars.EDGE_LOGOUT.issuer]] | name = "shop" | @ISS | @AUD | @ALG | @KEYS | @ROUTE"#,
        &["vars.EDGE_LOGOUT.issuer: unknown setting `issuer`; did you mean `issuers`?"],
    ),
    (
        "double brackets for the ledger",
        "@ISSUER | @ROUTE | [[vars.EDGE_LOGOUT.ledger]] | shards = 1",
        &[
            "vars.EDGE_LOGOUT.ledger: must be one table; got a list: write [vars.EDGE_LOGOUT.ledger] with single brackets",
        ],
    ),
    (
        "double brackets for the table",
        "[[vars.EDGE_LOGOUT]] | issuers = []",
        &["vars.EDGE_LOGOUT: must be a table; got a list: write [vars.EDGE_LOGOUT] with single brackets"],
    ),
    ("no routes", "@ISSUER", &["vars.EDGE_LOGOUT.routes: is missing: write at least one [[vars.EDGE_LOGOUT.routes]]"]),
    (
        "no table",
        r#"[vars] | OTHER = "x""#,
        &[
            "vars.EDGE_LOGOUT: is missing: write at least one [[vars.EDGE_LOGOUT.issuers]] and one [[vars.EDGE_LOGOUT.routes]], also for each environment, which does not inherit `vars`",
        ],
    ),
    (
        "an empty table",
        "[vars.EDGE_LOGOUT]",
        &[
            "vars.EDGE_LOGOUT.issuers: is missing: write at least one [[vars.EDGE_LOGOUT.issuers]]",
            "vars.EDGE_LOGOUT.routes: is missing: write at least one [[vars.EDGE_LOGOUT.routes]]",
        ],
    ),
    (
        "a misspelt contract",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "wrth" | issuer = "shop" | revokes = "session""#,
        &[r#"vars.EDGE_LOGOUT.routes[0].contract (route "wrth"): unknown contract "wrth"; did you mean "worth"?"#],
    ),
    (
        "two contracts in one text",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth,marzipan" | issuer = "shop""#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].contract (route "worth,marzipan"): unknown contract "worth,marzipan"; did you mean "marzipan"?"#,
        ],
    ),
    (
        "no contract",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | issuer = "shop" | paths = ["/logout"]"#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].contract (route of "/logout"): is missing: write one of loyaltydog, worth, marzipan, commerce-engine-pos, commerce-engine-storefront, or kind = "guard""#,
        ],
    ),
    (
        "another name for contract",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contact = "worth" | issuer = "shop""#,
        &["vars.EDGE_LOGOUT.routes[0].contact: unknown setting `contact`; did you mean `contract`?"],
    ),
    (
        "a misspelt issuer",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shpo""#,
        &[r#"vars.EDGE_LOGOUT.routes[0].issuer (route "worth"): unknown issuer "shpo"; did you mean "shop"?"#],
    ),
    (
        "no issuer",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth""#,
        &[r#"vars.EDGE_LOGOUT.routes[0].issuer (route "worth"): is missing: write the `name` of one of the issuers"#],
    ),
    (
        "a path in the singular, without its slash",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | path = "logout""#,
        &[r#"vars.EDGE_LOGOUT.routes[0].path (route "worth"): unknown setting `path`; did you mean `paths`?"#],
    ),
    (
        "a path without its slash",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | paths = "logout""#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].paths (route "worth"): "logout" must begin with / and be percent-encoded, without . and .. segments, \, ?, # and *"#,
        ],
    ),
    (
        "a wildcard for a logout",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | paths = ["/auth/*"]"#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].paths (route "worth"): "/auth/*" must begin with / and be percent-encoded, without . and .. segments, \, ?, # and *"#,
        ],
    ),
    (
        "a URL as host",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | host = "https://api.example""#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].host (route "worth"): must be a host name in ASCII, such as api.example.com, without scheme, port and path"#,
        ],
    ),
    (
        "sessions in the plural",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | revokes = ["sessions"]"#,
        &[r#"vars.EDGE_LOGOUT.routes[0].revokes (route "worth"): unknown scope "sessions"; did you mean "session"?"#],
    ),
    (
        "another contract's setting",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | user_directory = "USERS""#,
        &[r#"vars.EDGE_LOGOUT.routes[0].user_directory (route "worth"): is not for this contract: remove it"#],
    ),
    (
        "an origin with a path",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | cors = { allowed_origins = ["https://shop.example/"] }"#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].cors.allowed_origins (route "worth"): "https://shop.example/" is not an origin such as https://shop.example: scheme and host, without path and final /"#,
        ],
    ),
    (
        "any origin with credentials",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | cors = { allowed_origins = "*", allow_credentials = true }"#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].cors.allowed_origins (route "worth"): "*" cannot be combined with other origins or with allow_credentials"#,
        ],
    ),
    (
        "cors as a flag",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | cors = true"#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].cors (route "worth"): must be a table, { setting = value, ... }; got true or false"#,
        ],
    ),
    (
        "a freshness of another name",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | freshness = "strict""#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].freshness (route "worth"): unknown freshness "strict"; known: "strong", "bounded", "eventual""#,
        ],
    ),
    (
        "a bound under strong",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | freshness = "strong" | bound_milliseconds = 500"#,
        &[r#"vars.EDGE_LOGOUT.routes[0].bound_milliseconds (route "worth"): is for freshness = "bounded" only"#],
    ),
    (
        "a storefront without its session",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "commerce-engine-storefront" | issuer = "shop""#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].anonymous_session (route "commerce-engine-storefront"): is missing: this contract answers with a new session; write { signing_secret = "NAME", access_token_seconds = ..., refresh_token_seconds = ... }"#,
        ],
    ),
    (
        "two routes on one path",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | contract = "worth" | issuer = "shop" | @ROUTE"#,
        &[
            r#"vars.EDGE_LOGOUT.routes[1].paths (route "worth"): "/customer/logout" cannot be routed: "/customer/logout" of another route or of the service matches the same requests"#,
            r#"vars.EDGE_LOGOUT.routes[1].paths (route "worth"): "/auth/api/v1/customer/logout" cannot be routed: "/auth/api/v1/customer/logout" of another route or of the service matches the same requests"#,
        ],
    ),
    (
        "a wrong kind of route",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | kind = "gaurd" | paths = ["/api/*"] | issuers = ["shop"]"#,
        &[r#"vars.EDGE_LOGOUT.routes[0].kind (route of "/api/*"): unknown kind "gaurd"; did you mean "guard"?"#],
    ),
    (
        "a guard with one issuer in the singular",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | kind = "guard" | paths = ["/api/*"] | issuer = "shop""#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].issuer (guard of "/api/*"): unknown setting `issuer`; did you mean `issuers`?"#,
        ],
    ),
    (
        "a guard with a contract",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | kind = "guard" | contract = "worth" | paths = ["/api/*"] | issuers = ["shop"]"#,
        &[r#"vars.EDGE_LOGOUT.routes[0].contract (guard of "/api/*"): is for logouts: a guard has none"#],
    ),
    (
        "a guard that fails open without an upstream",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | kind = "guard" | paths = ["/api/*", "/v2/*"] | issuers = ["shop"] | fail_open = true"#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].fail_open (guard of "/api/*", "/v2/*"): is for guards with an `upstream`: this one only answers `/check`"#,
        ],
    ),
    (
        "an upstream as text",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | kind = "guard" | paths = ["/api/*"] | issuers = ["shop"] | upstream = "https://api.example""#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].upstream (guard of "/api/*"): must be a table, { setting = value, ... }; got text"#,
        ],
    ),
    (
        "an upstream without either",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | kind = "guard" | paths = ["/api/*"] | issuers = ["shop"] | upstream = { uri = "https://api.example" }"#,
        &[r#"vars.EDGE_LOGOUT.routes[0].upstream.uri (guard of "/api/*"): unknown setting `uri`; did you mean `url`?"#],
    ),
    (
        "methods in lower case",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | kind = "guard" | paths = ["/api/*"] | issuers = ["shop"] | strong_for = ["post"]"#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].strong_for (guard of "/api/*"): must be methods in upper case, such as ["POST", "DELETE"]"#,
        ],
    ),
    (
        "a flag in quotes",
        r#"@ISSUER | [[vars.EDGE_LOGOUT.routes]] | kind = "guard" | paths = ["/api/*"] | issuers = ["shop"] | upstream = { service = "API" } | fail_open = "true""#,
        &[
            r#"vars.EDGE_LOGOUT.routes[0].fail_open (guard of "/api/*"): must be true or false; got text (remove the quotes)"#,
        ],
    ),
    (
        "a client's secret that is short",
        r#"@ISSUER | @ROUTE | [[vars.EDGE_LOGOUT.clients]] | name = "backend" | secret = "PLAIN_TEXT""#,
        &[
            r#"vars.EDGE_LOGOUT.clients[0].secret (client "backend"): the Worker secret PLAIN_TEXT must have 32 characters or more: run `openssl rand -base64 32`"#,
        ],
    ),
    (
        "a client without a name",
        r#"@ISSUER | @ROUTE | [[vars.EDGE_LOGOUT.clients]] | secret = "PLAIN_TEXT""#,
        &["vars.EDGE_LOGOUT.clients[0].name: is missing: write a name of your own for it, which logs use"],
    ),
    (
        "a mistake in another part",
        r#"@ISSUER | [[vars.EDGE_LOGOUT_ROUTES.routes]] | contract = "worth" | issuer = "shop" | hots = "a.example""#,
        &[r#"vars.EDGE_LOGOUT_ROUTES.routes[0].hots (route "worth"): unknown setting `hots`; did you mean `host`?"#],
    ),
    (
        "a setting in two parts",
        "@ISSUER | @ROUTE | [vars.EDGE_LOGOUT_B.ledger] | shards = 1 | [vars.EDGE_LOGOUT_A.ledger] | shards = 2",
        &[
            "vars.EDGE_LOGOUT_B.ledger: is in vars.EDGE_LOGOUT_A as well: only the lists issuers, routes and clients are joined",
        ],
    ),
    (
        "a part that is text but no JSON",
        r#"[vars] | EDGE_LOGOUT_SECRET = "correct-horse-battery-staple" | @ISSUER | @ROUTE"#,
        &[
            "vars.EDGE_LOGOUT_SECRET: must be a table, or a JSON object as text in which no name is there twice; got other text (every variable whose name begins with EDGE_LOGOUT is a part of the table)",
        ],
    ),
];

/// The findings of a `wrangler.toml`.
fn findings(toml: &str) -> Vec<String> {
    let mut toml = toml.replace("@ISSUER", "@NAME | @ISS | @AUD | @ALG | @KEYS");
    for (name, lines) in LINES {
        toml = toml.replace(name, lines);
    }
    let toml = toml.replace(" | ", "\n");
    let config: toml::Table = toml::from_str(&toml).unwrap_or_else(|error| panic!("{error}"));
    let variables = config["vars"].as_table().unwrap().iter().filter(|(name, _)| name.starts_with("EDGE_LOGOUT"));
    let texts: Vec<(String, String)> = variables
        .map(|(name, value)| {
            let text = value.as_str().map(str::to_owned);
            (name.clone(), text.unwrap_or_else(|| serde_json::to_string(value).unwrap()))
        })
        .collect();
    let parts: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let secrets = BTreeMap::from([("PLAIN_TEXT".to_owned(), PLAIN_TEXT.to_owned())]);
    let environment = TestEnvironment { secrets, development: false, ledger: true };
    let refusals = Config::parse_parts(&parts, &environment).err().unwrap_or_default();
    refusals.0.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_right_is_taken() {
    assert_eq!(findings("@ISSUER | @ROUTE"), Vec::<String>::new());
}

#[test]
fn each_natural_mistake_is_told_in_exactly_these_words() {
    assert!(MISTAKES.len() >= 40);
    for (mistake, toml, expected) in MISTAKES {
        assert_eq!(findings(toml), *expected, "{mistake}");
    }
}

#[test]
fn no_finding_repeats_what_may_be_a_secret() {
    let private = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
    for (mistake, toml, _) in MISTAKES {
        let told = findings(toml).join("\n");
        for secret in [PLAIN_TEXT, private, "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ", "BEGIN PUBLIC KEY"] {
            assert!(!told.contains(secret), "{mistake}: {told}");
        }
    }
}
