// Compiles every example: those in the comments of src/, in README.md, and in the project's README.md, each a module as a
// reader would copy it, against the declarations that are published. One that imports nothing goes on where the one before it
// in the same file ends.
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { promisify } from "node:util";

const PACKAGE = import.meta.dirname;
const OUT = join(PACKAGE, "test/build/examples");
const FENCE = /^([ *]*)```(tsx?|js)\n([^]*?)^\1```$/gm;
const COMPILER_OPTIONS = {
  strict: true,
  noEmit: true,
  target: "ES2022",
  lib: ["ES2022", "ESNext.Disposable", "DOM", "DOM.Iterable"],
  module: "ESNext",
  moduleResolution: "bundler",
  moduleDetection: "force",
  jsx: "react-jsx",
  types: ["node", "react"],
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
};

/** The examples in a text: the code of each, how it is named, and the line it begins at. */
function examplesIn(text) {
  const found = [];
  for (const { index, 1: margin, 2: extension, 3: body } of text.matchAll(FENCE)) {
    const code = body.replaceAll(new RegExp(`^${margin.trimEnd().replaceAll("*", "\\*")} ?`, "gm"), "");
    const line = text.slice(0, index).split("\n").length + 1;
    const before = /^import /m.test(code) ? "" : (found.at(-1)?.code ?? "");
    found.push({ code: before + code, extension: extension === "js" ? "ts" : extension, line });
  }
  return found;
}

const sources = (await readdir(join(PACKAGE, "src"))).filter((name) => /\.tsx?$/.test(name)).sort();
const documents = [...sources.map((name) => `src/${name}`), "README.md", "../../README.md"];
await rm(OUT, { recursive: true, force: true });
await mkdir(OUT, { recursive: true });
let count = 0;
for (const document of documents) {
  for (const { code, extension, line } of examplesIn(await readFile(join(PACKAGE, document), "utf8"))) {
    const name = `${relative(join(PACKAGE, "../.."), join(PACKAGE, document)).replaceAll(/[^\w]+/g, "-")}-line-${line}.${extension}`;
    await writeFile(join(OUT, name), code);
    count++;
  }
}
await writeFile(join(OUT, "tsconfig.json"), JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ["."] }));
const tsc = join(PACKAGE, "node_modules/.bin/tsc");
try {
  await promisify(execFile)(tsc, ["--project", OUT], { cwd: OUT });
} catch ({ stdout }) {
  console.error(`Examples that are wrong, by the document and line they stand at:\n${stdout}`);
  process.exit(1);
}
console.log(`${count} examples are right.`);
