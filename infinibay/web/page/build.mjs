// Bundles the page into infinibay/web/static: `node infinibay/web/page/build.mjs`.
// Each file but index.html is named after its content, and lies there plain and compressed.

import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { constants, gzip } from "node:zlib";

import { build } from "esbuild";

const source = fileURLToPath(new URL(".", import.meta.url));
const output = join(source, "..", "static");
const common = {
  bundle: true,
  minify: true,
  metafile: true,
  format: "esm",
  target: "es2022",
  outdir: output,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  legalComments: "linked",
  // The style sheet holds what the editors' own ones say.
  loader: { ".css": "empty", ".graphql": "text" },
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
};

// The built file's name of an entry.
function nameOf({ metafile }, entry) {
  const [path] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint?.endsWith(entry));
  return basename(path);
}

await rm(output, { recursive: true, force: true });
const programs = {
  editor: "monaco-editor/esm/vs/editor/editor.worker.js",
  json: "monaco-editor/esm/vs/language/json/json.worker.js",
  graphql: "monaco-graphql/esm/graphql.worker.js",
};
const workers = await build({ ...common, entryPoints: Object.values(programs) });
const names = Object.fromEntries(Object.entries(programs).map(([label, entry]) => [label, nameOf(workers, entry)]));
const page = await build({
  ...common,
  splitting: true,
  define: { ...common.define, WORKERS: JSON.stringify(names) },
  entryPoints: [join(source, "main.jsx")],
});
const style = await build({ ...common, loader: { ".ttf": "file" }, entryPoints: [join(source, "style.css")] });
for (const name of await readdir(output)) {
  const compressed = await promisify(gzip)(await readFile(join(output, name)), { level: constants.Z_BEST_COMPRESSION });
  await writeFile(join(output, `${name}.gz`), compressed);
}
const html = await readFile(join(source, "index.html"), "utf8");
await writeFile(
  join(output, "index.html"),
  html
    .replace("%SCRIPT%", `page/${nameOf(page, "main.jsx")}`)
    .replace("%STYLE%", `page/${nameOf(style, "style.css")}`),
);
