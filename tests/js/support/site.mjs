// A web server for the tests' own page: the published packages as they are, found by an import map, without a bundler.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export class Site {
  /** Serves until `close`. */
  static async start() {
    const imports = JSON.stringify({ imports: await importMap() });
    const server = createServer(async ({ url }, response) => {
      try {
        const path = normalize(new URL(url, "http://page").pathname);
        const found = path === "/" ? join(PAGE, "page.html") : join(path.startsWith("/node_modules/") ? ROOT : PAGE, path);
        const text = await readFile(found, "utf8");
        response.setHeader("content-type", TYPES[extname(found)] ?? "text/plain");
        response.end(text.replace("IMPORTS", imports));
      } catch {
        response.writeHead(404).end();
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Site(server);
  }

  #server;

  constructor(server) {
    this.#server = server;
    this.port = server.address().port;
    this.origin = `http://127.0.0.1:${this.port}`;
  }

  close() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

/** Every name under which the packages import each other, and their files for a browser. */
async function importMap() {
  const map = { phoenix: `/node_modules/phoenix-1.7/priv/static/phoenix.mjs` };
  for (const name of ["yjs", "lib0", "y-phoenix-channel", "@y/protocols", "isomorphic.js"]) {
    const { exports } = JSON.parse(await readFile(join(ROOT, "node_modules", name, "package.json"), "utf8"));
    for (const [entry, target] of Object.entries(exports)) {
      const file = fileOf(target);
      if (file && !entry.includes("*")) map[join(name, entry)] = join("/node_modules", name, file);
    }
  }
  return map;
}

/** What a browser's bundler takes of conditional exports. */
function fileOf(target) {
  if (typeof target === "string") return target;
  const next = target.browser ?? target.module ?? target.import ?? target.default;
  return next && fileOf(next);
}

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const PAGE = join(ROOT, "gateway");
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript" };
