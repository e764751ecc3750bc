import { writeFileSync } from "node:fs";
import { join } from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { hashOfSources } from "./sources.ts";

const HOME = import.meta.dirname;
const BUILT = join(HOME, "../src/system2/server/page");

export default defineConfig({
  base: "./",
  plugins: [
    react(),
    {
      name: "say-what-it-was-built-from",
      apply: "build",
      writeBundle: () => writeFileSync(join(BUILT, "sources.sha256"), hashOfSources(HOME) + "\n"),
    },
  ],
  build: {
    outDir: BUILT,
    emptyOutDir: true,
    assetsInlineLimit: 0, // a strict policy: nothing inline
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    license: { fileName: "licenses.md" },
  },
  test: { environment: "jsdom", include: ["test/**/*.test.{ts,tsx}"] },
});
