// The build of the pages, and the proxy for development.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { type Plugin, defineConfig } from "vite";

const server = "http://localhost:8080";

/** Each HTML file in this folder is a page: `index.html` for visitors, `admin.html` for operators. */
const pages = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".html"));
/** The style of the pages without script, which the gateway renders: its name has no hash. */
const plain = "plain.css";
/** Loads the visitors' page; every build has it under this name. */
const boot = "boot.js";

/** At the root, so that it may control every page; its name has no hash, because browsers look for a new one under the same name. */
const serviceWorker = "service-worker.js";

/** Builds the service worker beside the pages: one file, which shares no code with them. */
function withServiceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    buildStart() {
      this.emitFile({ type: "chunk", id: "src/service-worker/service-worker.ts", fileName: serviceWorker });
    },
  };
}

/** Writes a gzip and a brotli variant of each file, so that the server need not compress responses. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    // Read the files from disk, because other plugins change them until they are written.
    writeBundle({ dir = "dist" }, bundle) {
      for (const name of Object.keys(bundle)) {
        const source = readFileSync(join(dir, name));
        writeFileSync(join(dir, `${name}.gz`), gzipSync(source, { level: 9 }));
        writeFileSync(join(dir, `${name}.br`), brotliCompressSync(source));
      }
    },
  };
}

/** Lets `boot.js` load the visitors' page, in place of a script element, whose failure nothing would notice. */
function booted(): Plugin {
  return {
    name: "booted",
    apply: "build",
    buildStart() {
      this.emitFile({ type: "chunk", id: "src/boot.ts", fileName: boot });
    },
    transformIndexHtml: {
      order: "post",
      handler(html, { filename }) {
        if (!filename.endsWith("index.html")) return html;
        const entry = /<script type="module" crossorigin src="([^"]+)"><\/script>/;
        if (!entry.test(html)) throw new Error("index.html has no entry script");
        return html.replace(entry, `<link rel="modulepreload" crossorigin href="$1" data-entry>\n    <script type="module" src="/${boot}"></script>`);
      },
    },
  };
}

export default defineConfig({
  base: "/",
  resolve: {
    // Pages and examples import the package by its public name.
    alias: [
      { find: /^@stanchion\/client\/(\w+)$/, replacement: `${import.meta.dirname}/sdk/$1.ts` },
      { find: /^@stanchion\/client$/, replacement: `${import.meta.dirname}/sdk/index.ts` },
    ],
  },
  plugins: [withServiceWorker(), booted(), compressed()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    // A `data:` URL would need an exception in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: [...pages, `src/${plain}`],
      output: {
        assetFileNames: ({ names }) => (names.includes(plain) ? plain : "assets/[name]-[hash][extname]"),
      },
    },
  },
  server: {
    proxy: { "/api": { target: server, ws: true } },
  },
});
