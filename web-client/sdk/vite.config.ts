// How the package is built: one module for each entry, the fallback as one of its own.
import { defineConfig } from "vite";

const here = import.meta.dirname;

export default defineConfig({
  root: here,
  build: {
    target: "es2022",
    lib: { entry: { index: `${here}/index.ts`, shop: `${here}/shop.ts` }, formats: ["es"] },
    rolldownOptions: { output: { minify: true, chunkFileNames: "[name].js" } },
  },
});
