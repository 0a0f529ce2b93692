// How the pages are built and, in development, where their requests go.
import { readdirSync } from "node:fs";
import { defineConfig } from "vite";

const server = "http://localhost:8080";

/** Each HTML file beside this one is a page of its own: `index.html` for visitors, `admin.html` for operators. */
const pages = readdirSync(import.meta.dirname).filter((name) => name.endsWith(".html"));

export default defineConfig({
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    // A data: URL would need an exception in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: pages },
  },
  server: {
    proxy: { "/api": { target: server, ws: true } },
  },
});
