// How the pages are built and, in development, where their requests go.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { type Plugin, defineConfig } from "vite";

const server = "http://localhost:8080";

/** Each HTML file beside this one is a page of its own: `index.html` for visitors, `admin.html` for operators. */
const pages = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".html"));
/** The looks of the pages that the gateway writes itself, under a name that it knows. */
const plain = "plain.css";

/** Leaves each text in smaller forms beside it, so that a server has nothing to compress while people wait. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    // Of what lies on the disk: plugins change their files until they are written.
    writeBundle({ dir = "dist" }, bundle) {
      for (const name of Object.keys(bundle)) {
        const source = readFileSync(join(dir, name));
        writeFileSync(join(dir, `${name}.gz`), gzipSync(source, { level: 9 }));
        writeFileSync(join(dir, `${name}.br`), brotliCompressSync(source));
      }
    },
  };
}

export default defineConfig({
  base: "/",
  resolve: {
    // Pages and examples name the package as its users do.
    alias: {
      "@stanchion/client/shop": `${import.meta.dirname}/sdk/shop.ts`,
      "@stanchion/client": `${import.meta.dirname}/sdk/index.ts`,
    },
  },
  plugins: [compressed()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    // A data: URL would need an exception in the content security policy.
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
