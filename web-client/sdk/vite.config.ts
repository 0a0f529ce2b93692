// The build of the package: one module for each entry, and a shared one.
import { defineConfig } from "vite";

const here = import.meta.dirname;

export default defineConfig({
  root: here,
  build: {
    target: "es2022",
    lib: { entry: { index: `${here}/index.ts`, shop: `${here}/shop.ts` }, formats: ["es"] },
    rolldownOptions: { output: { minify: true, comments: false, chunkFileNames: "[name].js" } },
  },
});
