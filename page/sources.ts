// The hash of all that the built page is made from. The same is counted in Python, by the test of freshness.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

const MADE_FROM = ["index.html", "package-lock.json", "package.json", "sources.ts", "src", "tsconfig.json", "vite.config.ts"];

function files(home: string, name: string): string[] {
  const path = join(home, name);
  if (name.includes(".") && !name.endsWith("src")) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

export function hashOfSources(home: string): string {
  const hash = createHash("sha256");
  const names = MADE_FROM.flatMap((name) => files(home, name)).map((path) => relative(home, path).split(sep).join("/"));
  for (const name of names.sort()) {
    hash.update(name + "\0");
    hash.update(readFileSync(join(home, name)));
    hash.update("\0");
  }
  return hash.digest("hex");
}
