// Serves the examples beside a Stanchion at localhost:8080: `npm run examples` in web-client.
import { defineConfig } from "vite";
import pages from "../../../vite.config";

const { resolve, server } = pages;

export default defineConfig({ root: import.meta.dirname, base: "./", ...(resolve && { resolve }), ...(server && { server }) });
