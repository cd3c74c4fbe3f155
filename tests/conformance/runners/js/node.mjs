// Performs the steps of scenarios with the npm package, in Node.
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import * as outpour from "../../../../bindings/js/dist/node.js";
import { answerLines } from "./lines.mjs";
import { Performer } from "./performer.mjs";

/** A store in a file. */
const storeFor = (path) => ({
  load: () => readFile(path).catch(() => undefined),
  save: async (bytes) => {
    await writeFile(`${path}.new`, bytes);
    await rename(`${path}.new`, path);
  },
  clear: () => rm(path, { force: true }),
});

const performer = new Performer(outpour, storeFor);
await answerLines((step) => performer.perform(step));
