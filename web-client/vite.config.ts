// How the page is built and, in development, where its requests go.
import { defineConfig } from "vite";

const server = "http://localhost:8080";

export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    // A data: URL would need an exception in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/api": { target: server, ws: true } },
  },
});
