// The build of the package: one module for each entry, and shared ones, readable and with source maps, for `import` and for `require`.
import { defineConfig } from "vite";

const here = import.meta.dirname;
const entries = ["index", "shop", "react", "vue", "element"];

export default defineConfig({
  root: here,
  build: {
    target: "es2022",
    minify: false,
    sourcemap: true,
    lib: {
      entry: Object.fromEntries(entries.map((name) => [name, `${here}/${name}.ts`])),
    },
    rolldownOptions: {
      external: ["react", "vue"],
      output: [
        { format: "es", entryFileNames: "[name].js", chunkFileNames: "[name].js" },
        { format: "cjs", entryFileNames: "[name].cjs", chunkFileNames: "[name].cjs" },
      ],
    },
  },
});
