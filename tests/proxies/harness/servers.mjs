// The proxies, each with the configuration of its page in docs/guide and other addresses, and a PHP API.
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathOf } from "../../worker/harness/installed.mjs";
import { through } from "./cases.mjs";
import { codeBlock, replaced } from "./document.mjs";
import { freePort, serve, temporaryFolder } from "./program.mjs";

/** @typedef {import("../../worker/harness/worker.mjs").Owner} Owner */
/** @typedef {{ api: { port: number }, way: { port: number } }} Around */

const GUIDE = { caddy: "docs/guide/caddy.md", haproxy: "docs/guide/haproxy.md", nginx: "docs/guide/nginx.md" };
const NGINX_TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];

/** @param {Owner} owner @param {Around} around @param {string} [query] of the check */
export async function caddy(owner, around, query = "issuer=worth") {
  const [folder, port] = [await temporaryFolder(owner), await freePort()];
  const text = replaced(await codeBlock(GUIDE.caddy, "caddyfile", "forward_auth"), {
    "api.example {": `http://127.0.0.1:${port} {`,
    "https://logout.example": `http://127.0.0.1:${around.way.port}`,
    "127.0.0.1:9000": `127.0.0.1:${around.api.port}`,
    "/check?issuer=worth": `/check?${query}`,
  });
  const file = join(folder, "Caddyfile");
  await writeFile(file, `{\n\tadmin off\n\tauto_https off\n}\n\n${text}`);
  const env = { HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder };
  await serve(owner, "caddy", ["run", "--config", file, "--adapter", "caddyfile"], { port, env });
  return through(port);
}

/** The configuration of nginx as the document has it. */
export const nginxConfiguration = () => codeBlock(GUIDE.nginx, "nginx", "worker_processes");

/** The same with guard rules. */
export async function nginxByRule() {
  return withBlock(await nginxConfiguration(), /^ {8}location = \/_check \{\n.*?^ {8}\}\n/ms, await codeBlock(GUIDE.nginx, "nginx", "original=x-original"));
}

/** The same with the module that can remove headers by the beginnings of their names. */
export async function nginxWithModule() {
  const list = /^ {12}proxy_pass_request_headers off;\n.*?\n\n/ms;
  const text = withBlock(await nginxConfiguration(), list, `${await codeBlock(GUIDE.nginx, "nginx", "more_clear_input_headers")}\n`);
  return `load_module ${pathOf("nginx's headers-more module")};\n${text}`;
}

/** @param {string} text @param {RegExp} part @param {string} by */
function withBlock(text, part, by) {
  if (!part.test(text)) throw new Error(`${GUIDE.nginx} has no ${part}`);
  return text.replace(part, () => by);
}

/** @param {Owner} owner @param {Around} around @param {string} configuration */
export async function nginx(owner, around, configuration) {
  const [folder, port] = [await temporaryFolder(owner), await freePort()];
  await mkdir(join(folder, "logs"));
  const paths = NGINX_TEMPORARY.map((name) => `    ${name}_temp_path ${folder}/${name};\n`).join("");
  const text = replaced(configuration, {
    "server logout.example:443;": `server 127.0.0.1:${around.way.port};`,
    "server 127.0.0.1:9000;": `server 127.0.0.1:${around.api.port};`,
    "listen 8080;": `listen 127.0.0.1:${port};`,
    "https://check/": "http://check/", // the Worker has no certificate here
    "http {\n": `http {\n    access_log off;\n${paths}`,
  });
  await writeFile(join(folder, "nginx.conf"), text);
  const directives = `daemon off; pid ${folder}/nginx.pid; error_log stderr warn;`;
  await serve(owner, "nginx", ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr", "-g", directives], { port });
  return through(port);
}

/** @param {Owner} owner @param {Around} around @param {{ query?: string, edit?: (script: string) => string }} [options] the check's query, and what becomes of the script */
export async function haproxy(owner, around, { query = "issuer=worth", edit = (script) => script } = {}) {
  const [folder, port] = [await temporaryFolder(owner), await freePort()];
  const lua = join(folder, "edge-logout.lua");
  await writeFile(lua, edit(await codeBlock(GUIDE.haproxy, "lua", "register_action")));
  const text = replaced(await codeBlock(GUIDE.haproxy, "haproxy", "lua.edge_logout"), {
    "/etc/haproxy/edge-logout.lua": lua,
    "bind :8080": `bind 127.0.0.1:${port}`,
    "https://logout.example/check?issuer=worth": `http://127.0.0.1:${around.way.port}/check?${query}`,
    "127.0.0.1:9000": `127.0.0.1:${around.api.port}`,
  });
  await writeFile(join(folder, "haproxy.cfg"), text);
  await serve(owner, "haproxy", ["-db", "-f", join(folder, "haproxy.cfg")], { port });
  return through(port);
}

const PHP = `<?php
header("Content-Type: application/json");
echo json_encode(array_filter($_SERVER, fn($name) => str_starts_with($name, "HTTP_"), ARRAY_FILTER_USE_KEY));
`;

/** @param {string} folder where its socket is */
const fpmConfiguration = (folder) => `[global]
daemonize = no
error_log = ${folder}/fpm.log
pid = ${folder}/fpm.pid
[www]
listen = ${folder}/fpm.sock
listen.mode = 0666
user = nobody
group = nogroup
pm = static
pm.max_children = 1
`;

/**
 * HAProxy's FastCGI makes every character of a header's name that is no letter or digit an underscore, as CGI has it. Its
 * default is to drop such names: `preserve` shows what an API gets of a server that does not.
 * @param {string} folder @param {number} port
 */
const gateway = (folder, port) => `defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
fcgi-app php
    docroot ${folder}
    index headers.php
    no option keep-conn # else an idle connection keeps the one child of php-fpm
frontend web
    bind 127.0.0.1:${port}
    default_backend php
backend php
    option http-restrict-req-hdr-names preserve
    http-request set-path /headers.php
    use-fcgi-app php
    server fpm ${folder}/fpm.sock proto fcgi
`;

/** A PHP API that says which of its variables are made of headers. @param {Owner} owner */
export async function phpApi(owner) {
  const [folder, port] = [await temporaryFolder(owner), await freePort()];
  await writeFile(join(folder, "headers.php"), PHP);
  await writeFile(join(folder, "fpm.conf"), fpmConfiguration(folder));
  await writeFile(join(folder, "gateway.cfg"), gateway(folder, port));
  const isReady = () => existsSync(join(folder, "fpm.sock"));
  await serve(owner, "php-fpm", ["--nodaemonize", "--allow-to-run-as-root", "--fpm-config", join(folder, "fpm.conf")], { isReady });
  await serve(owner, "haproxy", ["-db", "-f", join(folder, "gateway.cfg")], { port });
  return { port };
}
