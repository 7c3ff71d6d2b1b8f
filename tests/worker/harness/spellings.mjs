// Headers by which a client could say who it is or what it asks for, in every spelling that some server reads as the same.

/** What RFC 9110 allows in a name beside letters, digits and `-`: CGI, WSGI and PHP may read each as `_`. */
const OTHERS = [..."!#$%&'*+.^_`|~"];

/** A header's name as a server reads it that tells letters and digits apart and nothing else. @param {string} name */
export const asRead = (name) => name.toLowerCase().replace(/[^a-z0-9]/g, "-");

/** @param {string} name */
const spelled = (name) => [name, name.toLowerCase(), name.toUpperCase(), ...OTHERS.map((one) => name.replaceAll("-", one)), ...[".", "_"].map((one) => name.replace("-", one))];

/** Our own headers: those that a check sets, and those of which it knows nothing. */
export const OWN = ["X-Auth-Issuer", "X-Auth-Subject", "X-Auth-Admin"].flatMap(spelled);

/** What frameworks take for the method, host, path or address of a request. */
export const OVERRIDES = [
  "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "X-Original-URL", "X-Original-URI", "X-Rewrite-URL",
  "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Uri", "X-Forwarded-Prefix", "X-Forwarded-For",
].flatMap((name) => [name, name.replaceAll("-", "_"), name.replaceAll("-", ".")].filter((one, index, all) => all.indexOf(one) === index));
