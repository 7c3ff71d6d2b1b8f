// Programs that are no part of this project. `npm test` installs none of them: a test without its program is skipped by
// name, and `.ci/run` installs all of them and allows no skip.
import { accessSync, constants, readdirSync } from "node:fs";
import { join } from "node:path";

// Debian has servers in /usr/sbin, which only root has on its PATH.
const FOLDERS = [...new Set([...(process.env.PATH ?? "").split(":").filter(Boolean), "/usr/sbin", "/usr/local/sbin"])];

/** A program, how its file is called, and the Debian package that has it. */
const PROGRAMS = {
  caddy: { file: /^caddy$/, debian: "caddy" },
  haproxy: { file: /^haproxy$/, debian: "haproxy" },
  nginx: { file: /^nginx$/, debian: "nginx" },
  "nginx's headers-more module": { file: /^ngx_http_headers_more_filter_module\.so$/, debian: "libnginx-mod-http-headers-more-filter", folders: ["/usr/lib/nginx/modules"] },
  // Debian's name has the version: php-fpm8.2.
  "php-fpm": { file: /^php-fpm[\d.]*$/, debian: "php-fpm" },
  "redis-server": { file: /^redis-server$/, debian: "redis-server" },
};

/** @typedef {keyof typeof PROGRAMS} Program */

/** @param {string} folder */
function filesIn(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** @param {string} path */
function isReadable(path) {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** The path of a program, undefined where it is not installed. @param {Program} name */
export function pathOf(name) {
  const { file, folders = FOLDERS } = /** @type {{ file: RegExp, folders?: string[] }} */ (PROGRAMS[name]);
  return folders.flatMap((folder) => filesIn(folder).filter((one) => file.test(one)).map((one) => join(folder, one))).find(isReadable);
}

/**
 * For `skip` of node:test: why a test cannot run here, false when it can.
 * @param {Program[]} names
 */
export function missing(...names) {
  const absent = names.filter((name) => pathOf(name) === undefined);
  return absent.length > 0 && absent.map((name) => `${name} is not installed (Debian package ${PROGRAMS[name].debian})`).join(", ");
}
